"""The end of a forked script: what an interpreter does at its exit, but for what was here before it.

Taking apart everything that the zygote had loaded would touch, and so copy, most of its memory in each run.
"""

# pyright: basic

import gc
import os
import sys
from _weakref import ref
from atexit import _run_exitfuncs as run_exit_functions

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import ModuleType
    from typing import NoReturn

_CANNOT_FLUSH = 120
"""What Python exits with if its output cannot be written."""


def leave(code: int, before: "dict[str, ModuleType]") -> "NoReturn":
    """Exit; `before` has the modules that were there when the script began."""
    threading = sys.modules.get("threading")
    if threading is not None:
        threading._shutdown()
    run_exit_functions()
    _flush()
    modules = [ref(sys.modules.pop(name)) for name in _own_modules(before)]
    gc.collect()
    for module in modules:
        _clear(module())  # whom somebody still holds on to
    gc.collect()
    os._exit(code if _flush() else _CANNOT_FLUSH)


def _own_modules(before: "dict[str, ModuleType]") -> "list[str]":
    """The newest first. What was there before is not looked at one by one: that would touch it."""
    last_before = next(reversed(before))
    names = []
    for name, module in reversed(sys.modules.items()):
        if before.get(name) is not module:
            names.append(name)
        elif name == last_before:
            break
    oldest = [name for name in ("__main__",) if name in sys.modules]
    return [*(name for name in names if name != "__main__"), *oldest]


def _clear(module: "ModuleType | None") -> None:
    """As Python does it: private names first, the builtins never. Files close, and `__del__` is called."""
    names = getattr(module, "__dict__", {})
    for is_private in (True, False):
        for name in list(names):
            if name != "__builtins__" and (name[:1] == "_" and name[1:2] != "_") == is_private:
                names[name] = None


def _flush() -> bool:
    try:
        for stream in (sys.stdout, sys.stderr):
            if stream is not None and not stream.closed:
                stream.flush()
    except Exception:
        return False
    return True
