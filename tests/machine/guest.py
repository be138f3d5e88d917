"""A virtual machine: it is started, told what to do, and loses its power."""

import os
import shlex
import shutil
import signal
import socket
import subprocess
import time
from pathlib import Path

from machine.image import Image

_BOOT_S = 240.0
_SSH = (
    "-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null", "-o", "LogLevel=ERROR",
    "-o", "ConnectTimeout=5", "-o", "ControlMaster=auto", "-o", "ControlPersist=600", "-o", "BatchMode=yes",
)  # fmt: skip
# Software emulation unless told otherwise: what says that it can accelerate cannot always do so.
_ACCELERATION = os.environ.get("MACHINE_ACCEL", "tcg,thread=multi")


class Machine:
    """One with a disk of its own, which outlives its processes. It reaches the host as 10.0.2.2."""

    def __init__(self, image: Image, folder: Path) -> None:
        self._image = image
        self._folder = folder
        self._disk = folder / "disk.img"
        subprocess.run(["cp", "--sparse=always", image.disk, self._disk], check=True)
        self._process: subprocess.Popen[bytes] | None = None
        self._ssh_port, self.port = _free_port(), _free_port()

    @property
    def url(self) -> str:
        """Where the host reaches what listens on port 8080 in there."""
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        """Switch it on and wait until it takes commands."""
        forwards = f"hostfwd=tcp:127.0.0.1:{self._ssh_port}-:22,hostfwd=tcp:127.0.0.1:{self.port}-:8080"
        command = [
            "qemu-system-x86_64", "-machine", "q35", "-accel", _ACCELERATION, "-cpu", "max", "-smp", "2",
            "-m", "3G", "-nographic", "-no-reboot", "-kernel", self._image.kernel,
            "-initrd", self._image.initrd, "-append", "root=/dev/vda rw console=ttyS0 quiet",
            "-drive", f"file={self._disk},if=virtio,format=raw,cache=writeback",
            "-netdev", f"user,id=net,{forwards}", "-device", "virtio-net-pci,netdev=net",
        ]  # fmt: skip
        with (self._folder / "console.log").open("ab") as console:
            self._process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=console, stderr=console
            )
        deadline = time.monotonic() + _BOOT_S
        while self._ssh("true", timeout_s=30).returncode != 0:
            assert self._process.poll() is None, "QEMU ended; see console.log"
            assert time.monotonic() < deadline, "it did not start in time; see console.log"
            time.sleep(0.5)

    def cut_power(self) -> None:
        """What it has not written to its disk by now is lost."""
        assert self._process is not None
        self._process.send_signal(signal.SIGKILL)
        self._process.wait(30)
        self._control.unlink(missing_ok=True)

    def close(self) -> None:
        if self._process is not None and self._process.poll() is None:
            self.cut_power()
        shutil.rmtree(self._folder, ignore_errors=True)

    def run(self, command: str, *, user: str = "root", timeout_s: float = 300) -> str:
        """What a command prints, run by a shell in there. Fails if the command does."""
        done = self.attempt(command, user=user, timeout_s=timeout_s)
        assert done.returncode == 0, f"{command}\n{done.stdout[-8000:]}\n{done.stderr[-4000:]}"
        return done.stdout

    def attempt(
        self, command: str, *, user: str = "root", timeout_s: float = 300
    ) -> "subprocess.CompletedProcess[str]":
        """The same for a command that may fail."""
        if user != "root":
            command = f"runuser -u {user} -- sh -c {shlex.quote(command)}"
        return self._ssh(command, timeout_s=timeout_s)

    def write(self, path: str, text: str) -> None:
        done = self._ssh(f"mkdir -p $(dirname {path}) && cat > {path}", stdin=text)
        assert done.returncode == 0, done.stderr

    @property
    def _control(self) -> Path:
        return self._folder / "ssh"

    def _ssh(
        self, command: str, *, timeout_s: float = 60, stdin: str | None = None
    ) -> "subprocess.CompletedProcess[str]":
        place = ("-p", str(self._ssh_port), "-i", str(self._image.key), "-o", f"ControlPath={self._control}")
        words = ["ssh", *_SSH, *place, "root@127.0.0.1", command]
        try:
            return subprocess.run(
                words, input=stdin or "", capture_output=True, text=True, timeout=timeout_s, check=False
            )
        except subprocess.TimeoutExpired as error:
            return subprocess.CompletedProcess(words, 255, str(error.stdout), f"no end after {timeout_s} s")


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]
