"""A stream of bytes through a file that two kernels see, for sandboxes that share nothing else with the host.

Who writes has the file; how far the reader has come stands in another, which the reader alone writes. A
stream never takes more than its room: who writes too fast has to wait. Both ends use this module.
"""

# pyright: basic

import os
import struct

ROOM = 256 * 1024
SIZE = 4096 + ROOM
"""Of a stream's file: a page that tells how much was written, then the bytes, round and round."""
_START = 4096
_PAIR = struct.Struct("<QQ")
_BEAT_AT = 1024
FLAGS = {b"T": 1, b"K": 2, b"E": 4}


class Writer:
    """The end that writes. `place` numbers the stream among those whose reader has the same file."""

    def __init__(self, file: int, read: int, place: int) -> None:
        self._file, self._read, self._at = file, read, place * _PAIR.size
        self._written = 0
        self.is_refused = False

    def room(self) -> int:
        """How much may be written now; the reader may also want nothing any more."""
        read, refused = _PAIR.unpack(os.pread(self._read, _PAIR.size, self._at))
        self.is_refused = bool(refused)
        return ROOM - (self._written - read)

    def write(self, data: bytes) -> None:
        """No more than there is room for. The reader sees the bytes before it sees their number."""
        at = self._written % ROOM
        os.pwrite(self._file, data[: ROOM - at], _START + at)
        if len(data) > ROOM - at:
            os.pwrite(self._file, data[ROOM - at :], _START)
        self._written += len(data)
        self._tell(False)

    def close(self) -> None:
        self._tell(True)

    def _tell(self, is_all: bool) -> None:
        os.pwrite(self._file, _PAIR.pack(self._written, is_all), 0)


class Reader:
    """The end that reads. It believes nothing that cannot be."""

    def __init__(self, file: int, read: int, place: int) -> None:
        self._file, self._read, self._at = file, read, place * _PAIR.size
        self._taken = 0

    def look(self) -> bytes:
        """What is there and lies in one piece, without taking it. Raises ValueError for what cannot be."""
        waiting = self._written() - self._taken
        if not 0 <= waiting <= ROOM:
            raise ValueError("more was written than there is room for")
        at = self._taken % ROOM
        return os.pread(self._file, min(waiting, ROOM - at), _START + at)

    def take(self, count: int) -> None:
        self._taken += count
        self._tell(False)

    def refuse(self) -> None:
        """Want nothing more."""
        self._tell(True)

    @property
    def has_ended(self) -> bool:
        """Whether all that will ever be written is taken."""
        written, is_all = _PAIR.unpack(os.pread(self._file, _PAIR.size, 0))
        return bool(is_all) and written == self._taken

    def _written(self) -> int:
        return _PAIR.unpack(os.pread(self._file, _PAIR.size, 0))[0]

    def _tell(self, refused: bool) -> None:
        os.pwrite(self._read, _PAIR.pack(self._taken, refused), self._at)


def beat(read: int, count: int, flags: int) -> None:
    """The reader lives, and has said these words; for a writer that hears it by no other way."""
    os.pwrite(read, _PAIR.pack(count, flags), _BEAT_AT)


def heard(read: int) -> "tuple[int, int]":
    """The count and the flags of the last beat."""
    return _PAIR.unpack(os.pread(read, _PAIR.size, _BEAT_AT))
