"""Descriptors that a forked child hands on to the program it becomes."""

import fcntl
import os
from contextlib import suppress

_PIPE_BYTES = 256 * 1024


def output_pipe() -> tuple[int, int]:
    """A pipe for what a script prints: both ends, the one to read from first."""
    ours, its = os.pipe()
    with suppress(OSError):  # an ordinary user may have only so much
        fcntl.fcntl(its, fcntl.F_SETPIPE_SZ, _PIPE_BYTES)
    return ours, its


def file_with(data: bytes) -> int:
    """A descriptor at the start of a nameless file with this content."""
    descriptor = os.memfd_create("automa", os.MFD_CLOEXEC)
    os.write(descriptor, data)
    os.lseek(descriptor, 0, os.SEEK_SET)
    return descriptor


def arrange(sources: dict[int, int]) -> None:
    """Put each descriptor where the program expects it; everything else closes at the exec."""
    above = max(sources) + 1
    safe = {target: fcntl.fcntl(source, fcntl.F_DUPFD_CLOEXEC, above) for target, source in sources.items()}
    for target, source in safe.items():
        os.dup2(source, target)
