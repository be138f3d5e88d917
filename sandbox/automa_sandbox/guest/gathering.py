"""Standard output of a script: a line can be seen when it is printed, but those of a flood leave together.

A write for each line costs more than the line. So whoever prints more than a script can want to have watched
line by line has its lines collected for some milliseconds. What was printed is out all the same before
the script starts another program, forks, kills or exits, writes to standard error, or asks for it (`flush`).
The interpreter may be as old as Python 3.9.
"""

# ruff: noqa: SIM105
# ruff: noqa: S110
# pyright: basic

import _thread
import io
import sys
from time import monotonic, sleep

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, NoReturn

AT_ONCE, AT_ONCE_PER_S = 200, 1000
"""So many lines, and so many more per second, leave one by one."""
GATHER_S = 0.01
STACK_BYTES = 256 * 1024
SEEN_OUTSIDE = frozenset(
    {
        "os.exec", "os.fork", "os.forkpty", "os.kill", "os.killpg", "os.posix_spawn", "os.spawn", "os.system",
        "pty.spawn", "signal.pthread_kill", "subprocess.Popen",
    }
)  # fmt: skip
"""Audit events after which somebody may look at what was printed before."""


class InPlace:
    """What a text stream takes for its buffer; whatever is not told here is as that has it."""

    def __init__(self, buffer: "Any") -> None:
        self.buffer = buffer

    def __getattr__(self, name: str) -> "Any":
        return getattr(self.buffer, name)


class Gathering(InPlace):
    """The buffer of `sys.stdout`: its `flush` is called at the end of each line.

    That a flood is collected here and not in the text stream costs a little, and is safe with threads: until
    Python 3.13 a text stream that several threads write to mixes up what it has collected (gh-119506).
    """

    def __init__(self, buffer: "Any") -> None:
        super().__init__(buffer)
        self.write = buffer.write
        self.flush = self._end_line
        self.pending = False
        self._tokens = float(AT_ONCE)
        self._last = monotonic()
        self._has_thread = self._is_known = self._is_over = False

    def _end_line(self) -> None:
        now = monotonic()
        self._tokens = min(AT_ONCE, self._tokens + (now - self._last) * AT_ONCE_PER_S) - 1
        self._last = now
        if self._tokens > 0 or not (self._has_thread or self._start()):
            self.buffer.flush()
        else:
            self.pending, self.flush = True, int  # what does nothing, and is called the quickest
            self._ask()

    def let_go(self) -> None:
        """Everything, now."""
        if self.pending:
            self.buffer.flush()

    # From the first flood on

    def _start(self) -> bool:
        """Whether there is a thread that sees to what is pending."""
        self._wake, self._flushing = _thread.allocate_lock(), _thread.allocate_lock()
        self._wake.acquire()
        usual = _thread.stack_size(STACK_BYTES)
        try:
            _thread.start_new_thread(self._see_to_it, ())
        except RuntimeError:  # no more threads for this run: then line by line
            return False
        finally:
            _thread.stack_size(usual)
        self._has_thread = True
        self._make_known()
        return True

    def _make_known(self) -> None:
        if self._is_known:
            return
        self._is_known = True
        import atexit  # by now these cost nothing that counts
        import os

        atexit.register(self._end)
        self._exit = os._exit
        os._exit = self._leave
        os.register_at_fork(
            before=self._before_fork, after_in_parent=self._after_fork, after_in_child=self._in_child
        )
        sys.addaudithook(self._audit)

    def _ask(self) -> None:
        try:
            self._wake.release()
        except RuntimeError:  # another thread has asked at the same moment
            return

    def _see_to_it(self) -> None:
        while True:
            self._wake.acquire()
            sleep(GATHER_S)
            with self._flushing:
                if not self._is_over:
                    self._go_on_line_by_line()

    def _end(self) -> None:
        """The thread writes no more: an interpreter that ends does not wait for it, but gives up."""
        with self._flushing:
            self._is_over = True
            self._go_on_line_by_line()
            self.flush = self.buffer.flush

    def _go_on_line_by_line(self) -> None:
        self.pending, self.flush = False, self._end_line  # first: who prints meanwhile asks again
        try:
            self.buffer.flush()
        except Exception:  # nobody reads any more, or it was closed: `print` tells
            pass

    def _before_fork(self) -> None:
        self._flushing.acquire()
        self.let_go()

    def _after_fork(self) -> None:
        self._flushing.release()

    def _in_child(self) -> None:
        self._flushing.release()
        self._has_thread = False
        self._go_on_line_by_line()

    def _audit(self, event: str, _: "Any") -> None:
        if self.pending and event in SEEN_OUTSIDE:
            self.let_go()

    def _leave(self, code: int) -> "NoReturn":
        try:
            self.let_go()
        finally:
            self._exit(code)


class BeforeErrors(InPlace):
    """The buffer of `sys.stderr`: what was printed before goes first."""

    def __init__(self, buffer: "Any", printed: Gathering) -> None:
        super().__init__(buffer)
        self._printed = printed

    def write(self, data: bytes) -> int:
        self._printed.let_go()
        return self.buffer.write(data)


TextStream: "Any" = io.TextIOWrapper


class Stream(TextStream):
    """A stream of text that shows the buffer behind the one it writes to."""

    mode = "w"
    closed = False
    """Looked at twice for each line that is printed: what the base class has in its place takes long here."""

    def close(self) -> None:
        super().close()
        self.closed = True

    @property
    def buffer(self) -> "Any":
        return super().buffer.buffer

    def detach(self) -> "Any":
        return super().detach().buffer


class Output(Stream):
    """`sys.stdout`: whoever asks it for a flush gets one."""

    def flush(self) -> None:
        super().flush()
        self.buffer.flush()


def install() -> None:
    """In place of the streams that the interpreter has made; they do not close what they write to."""
    printed = Gathering(renewed(sys.stdout))
    errors = BeforeErrors(renewed(sys.stderr), printed)
    how_out, how_err = ((one.encoding, one.errors) for one in (sys.stdout, sys.stderr))
    sys.stdout = sys.__stdout__ = Output(printed, *how_out, line_buffering=True)
    sys.stderr = sys.__stderr__ = Stream(errors, *how_err, line_buffering=True)


def renewed(stream: "Any") -> "Any":
    """A buffer for the same descriptor. The old one remembers whether that could be searched, once."""
    raw = io.FileIO(stream.fileno(), "wb", closefd=False)
    raw.name = stream.name
    return io.BufferedWriter(raw)
