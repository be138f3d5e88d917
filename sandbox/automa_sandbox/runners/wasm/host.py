"""The WASM runner's host: a process that has loaded the interpreter, from which runs are forked."""

import marshal
import os
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from automa.sdk.runs import RunSpec
from automa_sandbox import cgroups, host, seccomp
from automa_sandbox.interpreter import QUERY, answer_kept_in, keep_harness
from automa_sandbox.runners.wasm.engine import Engine, EngineFailed, compiled_in, library_in
from automa_sandbox.runners.wasm.machine import Machine
from automa_sandbox.runners.wasm.sandbox import WasmSandbox


def main(settings: dict[str, Any]) -> None:
    """Serve the server that started this process."""
    host.serve(settings, look_around)


def look_around(settings: dict[str, Any], folder: Path) -> "Workshop":
    """Load the interpreter. Raises Unusable, OSError."""
    before = _open_descriptors()
    kept, root = Path(settings["compiled"]), folder / "root"
    try:
        engine = Engine(Path(settings["artifacts"]))
        engine.load(_compiled(engine, kept))
        descriptors = _open_descriptors() - before
        library = library_in(kept, engine.key)
        place = folder / f".ask-{os.getpid()}"
        answer = answer_kept_in(
            folder / f"python-{engine.key}", lambda text: _ask(engine, library, text, place)
        )
    except EngineFailed as error:
        raise host.Unusable(str(error)) from error
    root.mkdir(mode=0o755, exist_ok=True)
    hierarchy = cgroups.detect(cgroups.PREFIX + settings["name"])
    if hierarchy is not None:
        cgroups.remove_leftovers(hierarchy)
    machine = Machine(
        engine=engine,
        descriptors=frozenset(descriptors),
        root=root,
        library=library,
        harness=keep_harness(answer["files"], folder),
        seccomp=seccomp.program(computes_only=True),
        hierarchy=hierarchy,
        as_root=os.geteuid() == 0,
    )
    return Workshop(machine, answer["version"])


def _compiled(engine: Engine, folder: Path) -> Path:
    compiled = compiled_in(folder, engine.key)
    if not compiled.exists():
        raise host.Unusable(
            "The WebAssembly interpreter has not been compiled for this machine: "
            "automa plugin run sandbox compile-wasm."
        )
    return compiled


def _ask(engine: Engine, library: Path, sources: bytes, place: Path) -> dict[str, Any]:
    """What the interpreter tells of itself, with the harness compiled for it."""
    place.mkdir(mode=0o700)
    try:
        question, answer = place / "in", place / "out"
        question.write_bytes(sources)
        answer.touch()
        child = os.fork()  # the engine makes threads when it runs: this process stays without any
        if child == 0:
            os._exit(engine.ask(["-c", QUERY], {"/usr/local/lib": library}, question, answer))
        _, status = os.waitpid(child, 0)
        if status != 0:
            raise EngineFailed(f"The interpreter does not start: wait status {status}.")
        return marshal.loads(answer.read_bytes())  # noqa: S302 - no script has run yet
    finally:
        shutil.rmtree(place, ignore_errors=True)


def _open_descriptors() -> set[int]:
    seen = [int(name) for name in os.listdir("/proc/self/fd")]  # noqa: PTH208 - only names are wanted
    return {number for number in seen if _is_open(number)}


def _is_open(number: int) -> bool:
    """The one by which the folder was read is not, any more."""
    try:
        os.fstat(number)
    except OSError:
        return False
    return True


class Workshop:
    """Implements `automa_sandbox.host.Workshop`."""

    def __init__(self, machine: Machine, python_version: str) -> None:
        self._machine = machine
        self.found = {
            "python": "WebAssembly",
            "python_version": python_version,
            "engine": machine.engine.describe(),
            "cgroups": f"v{machine.hierarchy.version}" if machine.hierarchy else "none",
            "as_root": str(machine.as_root).lower(),
        }

    def tools(self) -> list[int]:
        return []

    def stand(self, tools: Sequence[int]) -> "Stand":
        return Stand(self._machine)

    def ended(self, pid: int) -> None:
        """It has no helpers."""

    def close(self) -> None:
        if self._machine.hierarchy is not None:
            cgroups.remove_empty(self._machine.hierarchy)


class Stand:
    """Nothing is prepared: what takes time is loaded. Implements `automa_sandbox.shim.Stand`."""

    def __init__(self, machine: Machine) -> None:
        self._machine = machine

    def sandbox(self, spec: RunSpec, secrets: Mapping[str, str]) -> WasmSandbox:
        return WasmSandbox(self._machine, secrets)

    def discard(self) -> None:
        """There was nothing."""

    def clear_away(self) -> bool:
        """The kernel has. But a run is forked from this process: none may find what another left."""
        return False
