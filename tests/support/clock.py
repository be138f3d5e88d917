"""A wall clock that a test sets while processes live by it: libfaketime, and only for the time of day."""

from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path

LIBRARIES = ("/usr/lib", "/usr/lib64", "/usr/local/lib")


class FakeClock:
    """What `env` is given to sees the real clock, and what `jump` adds to it. Monotonic time stays true."""

    def __init__(self, folder: Path) -> None:
        self._file = folder / "clock"
        self.ahead = timedelta()
        self._tell()

    @property
    def env(self) -> Mapping[str, str]:
        return {
            "LD_PRELOAD": str(find_library()),
            "FAKETIME_TIMESTAMP_FILE": str(self._file),
            "FAKETIME_NO_CACHE": "1",
            "FAKETIME_DONT_FAKE_MONOTONIC": "1",
            "NO_FAKE_STAT": "1",
            # Else timed waits end at once, and whoever waits for Python's lock spins.
            "FAKETIME_FORCE_MONOTONIC_FIX": "0",
        }

    def jump(self, by: timedelta) -> None:
        """Put the clock forward, or back."""
        self.ahead += by
        self._tell()

    def _tell(self) -> None:
        draft = self._file.with_suffix(".new")  # nobody reads half of it
        draft.write_text(f"{self.ahead.total_seconds():+.0f}")
        draft.replace(self._file)


def find_library() -> Path:
    for folder in LIBRARIES:
        for path in Path(folder).glob("**/faketime/libfaketimeMT.so.1"):
            return path
    raise AssertionError("libfaketime is missing: tests/support/provision.sh installs it")
