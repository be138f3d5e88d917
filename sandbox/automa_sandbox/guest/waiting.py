"""Waiting for the shim, in the one case in which the end of a run could come too early for it."""

# pyright: basic

import fcntl
import termios
import time

_MOST_S = 5.0


def wait_until_read(pipe: int) -> None:
    """Return when the pipe is empty: before it reads, the shim opens the folder of artifacts."""
    unread = bytearray(4)
    end = time.monotonic() + _MOST_S
    while time.monotonic() < end:
        try:
            fcntl.ioctl(pipe, termios.FIONREAD, unread)
        except OSError:  # the script closed it
            return
        if not any(unread):
            return
        time.sleep(0.001)
