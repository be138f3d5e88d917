"""Rate limits in memory: so many attempts per key and window, with bounded memory."""

import ipaddress
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass

from automa.errors import TooManyRequests

MAX_KEYS = 20_000


@dataclass(frozen=True, slots=True)
class Limit:
    """At most `attempts` per `window_s` seconds; the window starts with the first attempt."""

    attempts: int
    window_s: float


class Throttle:
    """Counts attempts. An attempt is counted before it is made, so that parallel ones count too."""

    def __init__(self, clock: Callable[[], float] = time.monotonic, max_keys: int = MAX_KEYS) -> None:
        self._clock = clock
        self._max_keys = max_keys
        # key → (start of its window, attempts in it), in the order of the windows
        self._windows: OrderedDict[str, tuple[float, int]] = OrderedDict()

    def attempt(self, key: str, limit: Limit) -> None:
        """Count one attempt. Raises TooManyRequests where the limit is reached."""
        now = self._clock()
        start, count = self._windows.get(key, (now, 0))
        if now - start >= limit.window_s:
            start, count = now, 0
        if count >= limit.attempts:
            raise TooManyRequests("Too many attempts.", retry_after_s=limit.window_s - (now - start))
        self._windows[key] = (start, count + 1)
        if not count:
            self._windows.move_to_end(key)
        if len(self._windows) > self._max_keys:
            self._windows.popitem(last=False)

    def forgive(self, key: str) -> None:
        """Take back one attempt that turned out to be rightful."""
        start, count = self._windows.get(key, (0.0, 0))
        if count > 1:
            self._windows[key] = (start, count - 1)
        else:
            self._windows.pop(key, None)


def network_of(address: str | None) -> str:
    """What counts as one place: an IPv4 address, or the /64 that one IPv6 site has to itself."""
    try:
        parsed = ipaddress.ip_address(address or "")
    except ValueError:
        return address or "local"
    if isinstance(parsed, ipaddress.IPv6Address):
        mapped = parsed.ipv4_mapped
        return str(mapped or ipaddress.ip_network((parsed, 64), strict=False))
    return str(parsed)
