"""What the first process of a sandbox tells of its script's end: the other side of `guest/first.py`."""

import os
import struct
from dataclasses import dataclass

_STATUS = struct.Struct("<iddqq")


@dataclass(frozen=True, slots=True)
class Told:
    status: int
    """The exit code of the script, or 128 + the number of the signal that ended it."""
    cpu_s: float
    peak_bytes: int
    bytes_written: int


def read(message: bytes) -> Told | None:
    """None for what is no such message."""
    if len(message) != _STATUS.size:
        return None
    status, user_s, system_s, peak_kib, written = _STATUS.unpack(message)
    code = os.waitstatus_to_exitcode(status)
    return Told(code if code >= 0 else 128 - code, user_s + system_s, peak_kib * 1024, written)
