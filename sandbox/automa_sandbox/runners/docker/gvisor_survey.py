"""Which of an engine's runtimes is gVisor, and whether it does here what runs in it need."""

import os
import shutil
import time
from collections.abc import Mapping
from pathlib import Path, PurePath
from typing import Any

from automa_sandbox.host import Unusable
from automa_sandbox.runners.docker.engine import Engine, EngineFailed

_SETTINGS = ("auto", "on", "off")
_TRY_S = 10.0
# Each side writes and waits for what the other wrote: file access may be configured so that neither sees it.
_TRIAL = f"""
import os, time
mine, other = os.open('/try/mine', os.O_RDWR), os.open('/try/other', os.O_RDONLY)
os.pwrite(mine, b'up', 0)
end = time.monotonic() + {_TRY_S}
while not os.pread(other, 2, 0) and time.monotonic() < end: time.sleep(0.005)
raise SystemExit(os.pread(other, 2, 0) != b'go')
"""


def is_gvisor(name: str, about: Mapping[str, Any]) -> bool:
    """Told by its program: `about` is what the engine says of one of its runtimes."""
    kind = f"{PurePath(about.get('path') or name).name} {about.get('runtimeType', '')}"
    return "runsc" in kind


def ordinary_runtime(wanted: str | None, about: Mapping[str, Any]) -> str | None:
    """The one for runs outside gVisor; None: the engine's choice. Raises Unusable."""
    runtimes: Mapping[str, Any] = about.get("Runtimes", {})
    if wanted and wanted not in runtimes:
        raise Unusable(f"The Docker engine has no runtime {wanted!r}; see `docker info`.")
    if wanted and is_gvisor(wanted, runtimes[wanted]):
        raise Unusable(
            f"The runtime {wanted!r} is gVisor: name it in plugins.sandbox.docker.gvisor, not in runtime."
        )
    default = str(about.get("DefaultRuntime", ""))
    if wanted is None and is_gvisor(default, runtimes.get(default, {})):
        return next((name for name, one in runtimes.items() if not is_gvisor(name, one)), None)
    return wanted


def choose(
    engine: Engine, setting: str, about: Mapping[str, Any], image_id: str, python: str, folder: Path
) -> tuple[str | None, str]:
    """The runtime to use, or None, and in words why. Raises Unusable where it has to be used and cannot."""
    if setting == "off":
        return None, "off"  # as `runner.UNUSED` has it
    runtimes: Mapping[str, Any] = about.get("Runtimes", {})
    found = [name for name, one in sorted(runtimes.items()) if is_gvisor(name, one)]
    name = next(iter(found), None) if setting in _SETTINGS else setting
    if name is None:
        why = "not registered"
    elif name not in runtimes:
        why = f"there is no runtime {name!r}"
    else:
        failure = _try(engine, name, image_id, python, folder)
        if failure is None:
            return name, name
        why = f"{name} is registered, but {failure}"
    if setting != "auto":
        raise Unusable(f"gVisor has to be used and cannot be: {why}. See docs/howto/use-docker.md.")
    return None, why


def _try(engine: Engine, runtime: str, image_id: str, python: str, folder: Path) -> str | None:
    """Start a container in it; what fails, if anything."""
    folder.mkdir(mode=0o700)
    container = None
    try:
        for name in ("mine", "other"):
            (folder / name).touch(mode=0o666)
        container = engine.create(_options(runtime, image_id, python, folder))
        engine.start(container)
        return _talk(engine, container, folder)
    except EngineFailed as error:
        return f"a container does not start in it: {error}"
    finally:
        if container is not None:
            engine.remove(container)
        shutil.rmtree(folder, ignore_errors=True)


def _talk(engine: Engine, container: str, folder: Path) -> str | None:
    deadline = time.monotonic() + _TRY_S
    while (folder / "mine").read_bytes() != b"up":
        if time.monotonic() > deadline or not engine.state(container)["Running"]:
            return "what it writes is not seen outside (it needs --file-access-mounts=shared, no overlay)"
        time.sleep(0.01)
    (folder / "other").write_bytes(b"go")
    if engine.wait(container) != 0:
        return "what is written outside is not seen in it (it needs --file-access-mounts=shared)"
    return None


def _options(runtime: str, image_id: str, python: str, folder: Path) -> dict[str, Any]:
    return {
        "Image": image_id,
        "User": f"{os.getuid()}:{os.getgid()}",
        "Entrypoint": [],
        "Cmd": [python, "-I", "-S", "-c", _TRIAL],
        "HostConfig": {
            "Runtime": runtime,
            "NetworkMode": "none",
            "ReadonlyRootfs": True,
            "CapDrop": ["ALL"],
            "SecurityOpt": ["no-new-privileges:true"],
            "Mounts": [{"Type": "bind", "Source": str(folder), "Target": "/try"}],
            "LogConfig": {"Type": "none"},
        },
    }
