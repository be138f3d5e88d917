"""The harness's way in where the interpreter is WebAssembly: without descriptors, it asks its host.

What keeps a script in is outside of the interpreter: there is no privilege to give up in here.
"""

# What is imported here is time of every run.
# pyright: basic

import marshal
import sys
import time

import _host  # pyright: ignore[reportMissingImports]

sys.path.append("/automa")
from automa_guest import main as harness  # pyright: ignore[reportMissingImports]

ASK_EVERY_S = 0.01
CONFIG, FRAME, ROOM, SETTLE = b"c", b"f", b"r", b"s"


class Door(harness.Frames):
    """Frames that are handed to the host, one by one."""

    def __init__(self) -> None:
        self._start()
        self._ask_again_at = 0.0

    def write(self, kind: int, payload: bytes) -> None:
        try:
            _host.call(FRAME + harness.frame(kind, payload))
        except (OSError, RuntimeError):  # the shim is gone: nobody listens
            return

    def has_room(self) -> bool:
        """Asked seldom: a call to the host costs as much as a hundred lines of a script."""
        now = time.monotonic()
        if now < self._ask_again_at:
            return False
        self._ask_again_at = now + ASK_EVERY_S
        return bool(_host.call(ROOM))

    def settle(self) -> None:
        _host.call(SETTLE)


def main() -> None:
    config = marshal.loads(_host.call(CONFIG))  # noqa: S302 - the shim wrote it
    sys.path.remove(harness.HARNESS)
    for name in [name for name in sys.modules if name.startswith("automa_guest")]:
        del sys.modules[name]
    harness.prepare_interpreter(has_threads=False)
    harness.tell_and_run(config, Door())


main()
