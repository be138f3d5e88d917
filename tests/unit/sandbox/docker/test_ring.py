"""A stream through a file arrives as it was sent, whatever the pieces, and whoever lies is not believed."""

import os
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from automa_sandbox.guest import ring

PIECES = st.lists(st.integers(0, 2 * ring.ROOM), max_size=12)


@dataclass
class Ends:
    file: int
    read: int
    place: int = 3

    def __post_init__(self) -> None:
        self.writer = ring.Writer(self.file, self.read, self.place)
        self.reader = ring.Reader(self.file, self.read, self.place)


@pytest.fixture
def files(tmp_path: Path) -> Iterator[tuple[int, int]]:
    opened = [os.open(tmp_path / name, os.O_RDWR | os.O_CREAT) for name in ("stream", "read")]
    yield opened[0], opened[1]
    for one in opened:
        os.close(one)


def fresh(files: tuple[int, int]) -> Ends:
    for file, size in zip(files, (ring.SIZE, 4096), strict=True):
        os.ftruncate(file, 0)
        os.ftruncate(file, size)
    return Ends(*files)


class TestStream:
    @settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
    @given(wanted=PIECES, taken=PIECES)
    def test_what_is_written_is_read_in_order(
        self, files: tuple[int, int], wanted: list[int], taken: list[int]
    ) -> None:
        ends = fresh(files)
        sent, got = b"", b""
        for write, take in zip(wanted, (*taken, *[0] * len(wanted)), strict=False):
            data = os.urandom(min(write, ends.writer.room()))
            ends.writer.write(data)
            sent += data
            seen = ends.reader.look()[:take]
            ends.reader.take(len(seen))
            got += seen
        ends.writer.close()
        while seen := ends.reader.look():
            ends.reader.take(len(seen))
            got += seen
        assert got == sent
        assert ends.reader.has_ended

    def test_there_is_no_more_room_than_there_is(self, files: tuple[int, int]) -> None:
        ends = fresh(files)
        ends.writer.write(bytes(ring.ROOM))
        assert ends.writer.room() == 0
        ends.reader.take(10)
        assert ends.writer.room() == 10
        assert not ends.reader.has_ended

    def test_a_reader_may_refuse(self, files: tuple[int, int]) -> None:
        ends = fresh(files)
        ends.reader.refuse()
        ends.writer.room()
        assert ends.writer.is_refused

    @pytest.mark.parametrize("written", [ring.ROOM + 1, 1 << 63])
    def test_more_than_there_can_be_is_not_believed(self, files: tuple[int, int], written: int) -> None:
        ends = fresh(files)
        os.pwrite(files[0], struct.pack("<QQ", written, 0), 0)
        with pytest.raises(ValueError, match="room"):
            ends.reader.look()

    def test_places_do_not_meet(self, files: tuple[int, int]) -> None:
        ends = fresh(files)
        ring.Reader(files[0], files[1], ends.place + 1).refuse()
        ring.beat(files[1], 7, 5)
        assert (ends.writer.room(), ends.writer.is_refused) == (ring.ROOM, False)
        assert ring.heard(files[1]) == (7, 5)
