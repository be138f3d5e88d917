"""Hides secrets in what a script lets out, however its bytes are cut into pieces.

Every byte that belongs to an occurrence of a spelling of a secret is hidden; each stretch of hidden bytes is
shown as one `***`. The end of a piece that may be the beginning of an occurrence waits for the next piece:
never more than the longest spelling, and nothing of what cannot be one.
"""

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, cast

from automa_sandbox.spellings import SHORTEST, spellings

MASK = b"***"
_HEAD_BYTES = 8
_LONGEST_PERIOD = 64


@dataclass(frozen=True, slots=True)
class Pattern:
    """One spelling, and how to find it fast even if it is made of repetitions."""

    spelled: bytes
    period: int
    """The smallest step, up to a limit, by which it overlaps itself; 0 for none."""

    @classmethod
    def of(cls, spelled: bytes) -> "Pattern":
        steps = range(1, min(len(spelled), _LONGEST_PERIOD + 1))
        return cls(spelled, next((step for step in steps if spelled[step:] == spelled[:-step]), 0))

    def spans(self, data: bytes) -> Iterator[tuple[int, int]]:
        """Where it is, overlapping occurrences included."""
        size = len(self.spelled)
        start = data.find(self.spelled)
        while start >= 0:
            end = start + size
            if self.period:
                again = self.spelled[-self.period :]
                while data.startswith(again, end):
                    end += self.period
            yield start, end
            start = data.find(self.spelled, end - size + 1)

    def pending(self, data: bytes) -> int:
        """Where an occurrence may have begun that is not complete; the length of the data if none has."""
        size, head = len(data), self.spelled[:_HEAD_BYTES]
        lowest = max(0, size - len(self.spelled) + 1)
        start = data.find(head, lowest)
        while start >= 0:
            if self.spelled.startswith(data[start:]):
                return start
            start = data.find(head, start + 1)
        for start in range(max(lowest, size - len(head) + 1), size):
            if head.startswith(data[start:]):
                return start
        return size


class MaskedStream:
    """One stream of bytes. What comes out depends on what went in, not on the pieces in which it came."""

    def __init__(self, patterns: Sequence[Pattern]) -> None:
        self._patterns = patterns
        self._held = b""
        self._hidden = 0
        """How much of the beginning of what is held belongs to an occurrence that began before."""
        self._is_hiding = False

    def feed(self, data: bytes) -> bytes:
        """Take a piece; return what can be shown by now."""
        data = self._held + data
        return self._let_out(data, min(pattern.pending(data) for pattern in self._patterns))

    def close(self) -> bytes:
        """Nothing more comes: what was held is shown, too."""
        return self._let_out(self._held, len(self._held))

    def close_cut(self) -> bytes:
        """Something may be missing after this: the beginning of an occurrence is hidden like a whole one."""
        if len(self._held) >= SHORTEST:
            self._hidden = len(self._held)
        return self.close()

    def _let_out(self, data: bytes, end: int) -> bytes:
        """What is shown of `data[:end]`; the rest is held."""
        self._held = data[end:]
        if not end:
            return b""
        shown: list[bytes] = []
        position = 0
        for start, stop in self._spans(data):
            if start >= end:
                break
            if start > position:
                shown.append(data[position:start])
                self._is_hiding = False
            if not self._is_hiding:
                shown.append(MASK)
                self._is_hiding = True
            position = stop
        if position < end:
            shown.append(data[position:end])
            self._is_hiding = False
        self._hidden = max(0, position - end)
        return b"".join(shown)

    def _spans(self, data: bytes) -> Iterator[tuple[int, int]]:
        """What is to be hidden, in order; what overlaps or touches is one."""
        known = [(0, self._hidden)] if self._hidden else []
        found = sorted([*known, *(span for pattern in self._patterns for span in pattern.spans(data))])
        if not found:
            return
        start, end = found[0]
        for other_start, other_end in found[1:]:
            if other_start > end:
                yield start, end
                start, end = other_start, other_end
            else:
                end = max(end, other_end)
        yield start, end


class Mask:
    """All that is to be hidden in one run. False if that is nothing: then nothing needs to be masked."""

    def __init__(self, values: Iterable[str] = ()) -> None:
        found = {spelled for value in values for spelled in spellings(value)}
        self._patterns = [Pattern.of(spelled) for spelled in sorted(found)]

    def __bool__(self) -> bool:
        return bool(self._patterns)

    def stream(self) -> MaskedStream:
        """For a stream of the run; only if there is something to hide."""
        return MaskedStream(self._patterns)

    def text(self, text: str, *, cut: bool = False) -> str:
        """The text with its secrets hidden. `cut`: something may be missing at its end."""
        return _hidden(text, self.stream(), cut=cut) if self else text

    def host(self, text: str) -> str:
        """A host, or a sentence about one: its name was put into small letters, and may have been cut."""
        if not self:
            return text
        small = [Pattern.of(pattern.spelled.lower()) for pattern in self._patterns]
        return _hidden(self.text(text), MaskedStream(small), cut=True)

    def json(self, encoded: bytes | bytearray) -> bytes | bytearray:
        """A JSON text in whose strings, names and numbers nothing is to be seen of a secret."""
        if not self:
            return encoded
        return json.dumps(self._value(json.loads(encoded)), separators=(",", ":")).encode()

    def _value(self, value: Any) -> Any:
        if isinstance(value, str):
            return self.text(value)
        if isinstance(value, dict):
            members = cast("dict[str, Any]", value).items()
            return {self.text(name): self._value(item) for name, item in members}
        if isinstance(value, list):
            return [self._value(item) for item in cast("list[Any]", value)]
        if isinstance(value, int | float) and not isinstance(value, bool):
            masked = self.text(repr(value))
            return value if masked == repr(value) else masked
        return value


def _hidden(text: str, stream: MaskedStream, *, cut: bool) -> str:
    shown = stream.feed(text.encode("utf-8", "surrogatepass"))
    shown += stream.close_cut() if cut else stream.close()
    return shown.decode("utf-8", "replace")


NO_MASK = Mask()
