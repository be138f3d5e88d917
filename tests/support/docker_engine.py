"""A real Docker engine for tests, on a socket of its own, with the base image of the runner in it."""

import fcntl
import json
import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from automa_sandbox.runners.docker.engine import Engine
from automa_sandbox.runners.docker.image import unpack_packages
from automa_sandbox.settings import DockerSettings, SandboxSettings

IMAGE = "automa-run:test"


@dataclass
class DockerEngine:
    """One engine. Its network is left alone: no bridge, no rules of a firewall."""

    folder: Path
    gvisor: str = "off"

    @property
    def url(self) -> str:
        return f"unix://{self.folder}/docker.sock"

    @property
    def settings(self) -> SandboxSettings:
        return SandboxSettings(docker=DockerSettings(socket=self.url, image=IMAGE, gvisor=self.gvisor))

    def settings_in(self, data_dir: Path) -> SandboxSettings:
        """What a runner with this folder is to be told."""
        return self.settings

    @property
    def pid(self) -> int:
        return int((self.folder / "docker.pid").read_text())

    def start(self) -> None:
        for program in ("dockerd", "runsc"):
            assert shutil.which(program), f"{program} is missing: sh tests/support/provision.sh"
        with (self.folder / "log").open("ab") as log:
            process = subprocess.Popen(
                ["dockerd", "--data-root", self.folder / "data", "--exec-root", self.folder / "exec",
                 "-H", self.url, "-p", self.folder / "docker.pid",
                 "--iptables=false", "--ip6tables=false", "--bridge=none", "--config-file", self._config()],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True,
            )  # fmt: skip
        deadline = time.monotonic() + 60
        while not self._answers():
            assert process.poll() is None, (self.folder / "log").read_text()[-3000:]
            assert time.monotonic() < deadline, "the engine does not answer"
            time.sleep(0.05)
        self._process = process

    def _config(self) -> Path:
        """gVisor does without a network here: this old one takes that of a new kernel for the machine's."""
        path = self.folder / "daemon.json"
        options = {"runsc": [], "runsc-overlay": ["--overlay2=all:memory"]}
        runtimes = {
            name: {"path": shutil.which("runsc"), "runtimeArgs": ["--network=none", *more]}
            for name, more in options.items()
        }
        path.write_text(json.dumps({"runtimes": runtimes}))
        return path

    def stop(self) -> None:
        os.kill(self.pid, signal.SIGTERM)
        self._process.wait(60)

    def kill(self) -> None:
        """At once, with what it started for itself; containers go on."""
        children = Path(f"/proc/{self.pid}/task/{self.pid}/children").read_text().split()
        for pid in (self.pid, *map(int, children)):
            os.kill(pid, signal.SIGKILL)
        self._process.wait(60)
        (self.folder / "docker.pid").unlink()

    def clear_away(self) -> None:
        """What a killed engine left mounted, and the images, which are big."""
        mounts = [line.split()[4] for line in Path("/proc/self/mountinfo").read_text().splitlines()]
        for mount in reversed([one for one in mounts if one.startswith(f"{self.folder}/")]):
            subprocess.run(["umount", "--lazy", mount], check=True)
        shutil.rmtree(self.folder / "data")

    def _answers(self) -> bool:
        with socket.socket(socket.AF_UNIX) as caller:
            return caller.connect_ex(str(self.folder / "docker.sock")) == 0


@contextmanager
def start_docker(folders: pytest.TempPathFactory) -> Iterator[DockerEngine]:
    """An engine that is stopped at the end. The processes of one test session share the image's archive."""
    base = folders.getbasetemp()
    shared = base.parent if "PYTEST_XDIST_WORKER" in os.environ else base
    engine = DockerEngine(folders.mktemp("docker"))
    engine.start()
    try:
        Engine(engine.url).import_image(_archive(shared), IMAGE)
        yield engine
    finally:
        engine.stop()
        engine.clear_away()


def _archive(shared: Path) -> Path:
    tar = shared / "automa-image.tar"
    with (shared / "automa-image.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not tar.exists():
            draft = tar.with_suffix(".draft.tar")
            unpack_packages(draft)
            draft.rename(tar)
    return tar
