"""What a host finds out once about the engine and the image, and what it clears away."""

import marshal
import os
import shutil
from pathlib import Path
from typing import Any

from automa_sandbox import seccomp
from automa_sandbox.host import Unusable
from automa_sandbox.interpreter import QUERY, answer_kept_in, keep_harness
from automa_sandbox.runners.docker.container import HOME_LABEL, SHIM_LABEL
from automa_sandbox.runners.docker.engine import Engine, EngineFailed, NotThere
from automa_sandbox.runners.docker.gvisor_survey import choose, ordinary_runtime
from automa_sandbox.runners.docker.mail import leftover_posts
from automa_sandbox.runners.docker.plan import Plan
from automa_sandbox.runners.docker.sandbox import is_alive

_HOLDS = {"memory_bytes": "MemoryLimit", "processes": "PidsLimit", "cpus": "CpuCfsQuota"}
"""What the engine says of itself, by the limit that hangs on it."""
_PYTHONS = ("/usr/local/bin/python3", "/usr/bin/python3")
_BOOT = "import os, sys; os.dup2(os.open('/ask/out', os.O_WRONLY), 1); os.dup2(os.open('/ask/in', 0), 0); "


def survey(settings: dict[str, Any], folder: Path) -> tuple[Plan, dict[str, str]]:
    """The plan for all runs, and what to tell about this machine. Raises Unusable."""
    try:
        engine = Engine(settings["socket"])
    except EngineFailed as error:
        raise Unusable(f"{error}. Is it installed and started, and may this user open its socket?") from error
    try:
        about = engine.about()
        _remove_leftovers(engine, settings["name"], folder / "channels")
        return _plan(engine, about, settings, folder)
    except EngineFailed as error:
        raise Unusable(f"The Docker engine does not do what it should: {error}") from error
    finally:
        engine.close()


def _plan(
    engine: Engine, about: dict[str, Any], settings: dict[str, Any], folder: Path
) -> tuple[Plan, dict[str, str]]:
    image_id = _image_id(engine, settings["image"])
    runtime = ordinary_runtime(settings["runtime"], about)
    kept, place = folder / f"image-{image_id.partition(':')[2][:16]}", folder / f".ask-{os.getpid()}"
    answer = answer_kept_in(kept, lambda sources: _ask(engine, image_id, sources, place))
    channels = folder / "channels"
    channels.mkdir(mode=0o700, exist_ok=True)
    gvisor, why = choose(
        engine, settings["gvisor"], about, image_id, answer["executable"], folder / f".try-{os.getpid()}"
    )
    plan = Plan(
        url=settings["socket"],
        api_version=engine.version,
        home=settings["name"],
        image_id=image_id,
        executable=answer["executable"],
        harness=keep_harness(answer["files"], folder),
        channels=channels,
        seccomp=seccomp.program(),
        runtime=runtime,
        gvisor=gvisor,
        holds=frozenset(limit for limit, name in _HOLDS.items() if about.get(name)),
    )
    found = {
        "engine_version": str(about.get("ServerVersion", "")),
        "image": settings["image"],
        "image_id": image_id,
        "python": plan.executable,
        "python_version": answer["version"],
        "python_platform": answer["platform"],
        "runtime": runtime or str(about.get("DefaultRuntime", "")),
        "gvisor": why,
        "runtimes": ", ".join(sorted(about.get("Runtimes", {}))),
        "cgroups": f"v{about.get('CgroupVersion', '1')}",
    }
    return plan, found


def _image_id(engine: Engine, name: str) -> str:
    try:
        return engine.image_id(name)
    except NotThere:
        raise Unusable(
            f"There is no image {name!r} in the Docker engine. "
            "Make it: automa plugin run sandbox build-image."
        ) from None


def _ask(engine: Engine, image_id: str, sources: bytes, folder: Path) -> dict[str, Any]:
    """What the image's Python tells of itself, with the harness compiled for it."""
    folder.mkdir(mode=0o755)
    try:
        (folder / "in").write_bytes(sources)
        (folder / "in").chmod(0o444)
        (folder / "out").touch()
        (folder / "out").chmod(0o666)
        for python in _PYTHONS:
            if _runs(engine, _question_options(image_id, python, folder)):
                return marshal.loads((folder / "out").read_bytes())  # noqa: S302 - no script has run yet
        raise Unusable(f"The image has no Python that starts at {' or '.join(_PYTHONS)}.")
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _question_options(image_id: str, python: str, folder: Path) -> dict[str, Any]:
    return {
        "Image": image_id,
        "User": "65534:65534",
        "Entrypoint": [],
        "Cmd": [python, "-I", "-S", "-c", _BOOT + f"exec({QUERY!r})"],
        "NetworkDisabled": True,
        "HostConfig": {
            "NetworkMode": "none",
            "ReadonlyRootfs": True,
            "CapDrop": ["ALL"],
            "SecurityOpt": ["no-new-privileges:true"],
            "Mounts": [{"Type": "bind", "Source": str(folder), "Target": "/ask"}],
            "LogConfig": {"Type": "none"},
        },
    }


def _runs(engine: Engine, options: dict[str, Any]) -> bool:
    container = engine.create(options)
    try:
        engine.start(container)
        return engine.wait(container) == 0
    except EngineFailed:  # there is no such program in the image
        return False
    finally:
        engine.remove(container)


def _remove_leftovers(engine: Engine, home: str, channels: Path) -> None:
    """Containers and sockets of this installation whose supervisor died before it could clear away."""
    for container, labels in engine.labelled(f"{HOME_LABEL}={home}"):
        if not is_alive(labels.get(SHIM_LABEL, "")):
            engine.remove(container)
    of_the_dead = [folder for folder in channels.glob("*") if not is_alive(folder.name)]
    for folder in (*of_the_dead, *leftover_posts(is_alive)):
        shutil.rmtree(folder, ignore_errors=True)
