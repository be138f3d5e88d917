"""The WebAssembly interpreter for tests: compiled once for each environment, as that takes a minute."""

import fcntl
from pathlib import Path

from automa_sandbox.runners.wasm.engine import Engine, compiled_in
from automa_sandbox.runners.wasm.runner import compiled_folder, engine_folders


class WasmInterpreter:
    """It is compiled."""

    def __init__(self) -> None:
        artifacts, _ = engine_folders()
        engine = Engine(artifacts)
        if compiled_in(compiled_folder(), engine.key).exists():  # who did so may have been another user
            return
        compiled_folder().mkdir(parents=True, exist_ok=True)
        with (compiled_folder() / "lock").open("w") as lock:  # tests run in several processes
            fcntl.flock(lock, fcntl.LOCK_EX)
            engine.prepare(compiled_folder())

    def settings_in(self, data_dir: Path) -> None:
        """A runner with this folder has none."""
