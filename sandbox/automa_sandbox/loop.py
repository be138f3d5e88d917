"""A small event loop over descriptors."""

import os
import select
from collections.abc import Callable

Callback = Callable[[int], None]


class Loop:
    """Calls back whoever waits for a descriptor that has become readable."""

    def __init__(self) -> None:
        self._poll = select.poll()
        self._callbacks: dict[int, Callback] = {}
        self._paused: set[int] = set()
        self._lent: set[int] = set()

    def add(self, descriptor: int, callback: Callback) -> None:
        """Watch a descriptor, which is made non-blocking and becomes the loop's own."""
        os.set_blocking(descriptor, False)
        self._callbacks[descriptor] = callback
        self._poll.register(descriptor, select.POLLIN)

    def lend(self, descriptor: int, callback: Callback) -> None:
        """Watch a descriptor that stays whoever's it is, and is not closed here."""
        self.add(descriptor, callback)
        self._lent.add(descriptor)

    def is_watched(self, descriptor: int) -> bool:
        return descriptor in self._callbacks

    def drop(self, descriptor: int) -> None:
        """Stop watching it, and close it if it is the loop's own."""
        self.resume(descriptor)
        self._poll.unregister(descriptor)
        del self._callbacks[descriptor]
        if descriptor in self._lent:
            self._lent.discard(descriptor)
        else:
            os.close(descriptor)

    def close(self) -> None:
        """Watch nothing any more."""
        for descriptor in list(self._callbacks):
            self.drop(descriptor)

    def pause(self, descriptor: int) -> None:
        """Call nobody back for it, until `resume`, and leave it open."""
        if descriptor in self._callbacks and descriptor not in self._paused:
            self._poll.unregister(descriptor)
            self._paused.add(descriptor)

    def resume(self, descriptor: int) -> None:
        if descriptor in self._paused:
            self._poll.register(descriptor, select.POLLIN)
            self._paused.discard(descriptor)

    def turn(self, wait_ms: int | None) -> None:
        """Wait so long at the most (None: for ever), and call back."""
        for descriptor, _ in self._poll.poll(wait_ms):
            callback = self._callbacks.get(descriptor)
            if callback is not None:  # another callback of this turn may have dropped it
                callback(descriptor)

    def call_if_ready(self, descriptor: int) -> bool:
        """Call back for this one alone, if it is watched and readable now."""
        callback = self._callbacks.get(descriptor)
        if callback is None or not select.select([descriptor], [], [], 0)[0]:
            return False
        callback(descriptor)
        return True
