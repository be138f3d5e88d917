"""What lies in a folder, counted without being led astray."""

import os
from pathlib import Path

from automa_sandbox import footprint
from automa_sandbox.footprint import Footprint, measure

KiB = 1024


def test_files_and_folders_are_summed_up(tmp_path: Path) -> None:
    (tmp_path / "a/b").mkdir(parents=True)
    for name in ("one", "a/two", "a/b/three"):
        (tmp_path / name).write_bytes(b"x" * 64 * KiB)
    found = measure(tmp_path)
    assert found.inodes == 5
    assert 3 * 64 * KiB <= found.bytes_ <= 3 * 64 * KiB + 64 * KiB


def test_two_names_are_one_file(tmp_path: Path) -> None:
    (tmp_path / "one").write_bytes(b"x" * 64 * KiB)
    once = measure(tmp_path)
    os.link(tmp_path / "one", tmp_path / "two")
    assert measure(tmp_path) == once


def test_links_lead_nowhere(tmp_path: Path) -> None:
    (tmp_path / "around").symlink_to(tmp_path)
    (tmp_path / "out").symlink_to("/usr")
    assert measure(tmp_path).inodes == 2


def test_a_fifo_holds_nobody_up(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo")
    assert measure(tmp_path).inodes == 1


def test_holes_take_no_room(tmp_path: Path) -> None:
    with (tmp_path / "sparse").open("wb") as file:
        file.truncate(1 << 40)
    assert measure(tmp_path).bytes_ < 64 * KiB


def test_many_folders_side_by_side_need_few_descriptors(tmp_path: Path) -> None:
    for number in range(1500):
        (tmp_path / str(number)).mkdir()
    assert measure(tmp_path).inodes == 1500


def test_what_is_dug_too_deep_to_be_counted_is_too_much(tmp_path: Path) -> None:
    tmp_path.joinpath(*["d"] * (footprint._MOST_DEPTH + 2)).mkdir(parents=True)
    assert measure(tmp_path).inodes == footprint._TOO_DEEP


def test_what_is_not_there_is_nothing(tmp_path: Path) -> None:
    assert measure(tmp_path / "gone") == Footprint()
