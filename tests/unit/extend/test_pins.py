"""Pins: what counts as the same plugin, however it was installed."""

import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from automa.errors import Conflict
from automa.extend.discovery import Found
from automa.extend.pins import Pin
from automa.extend.records import PluginStatus

Find = Callable[[], list[Found]]


def pin(find: Find) -> Pin:
    (found,) = find()
    return Pin.of(found)


def test_the_same_files_give_the_same_pin(install, find: Find) -> None:
    install("report")
    first, second = pin(find), pin(find)
    assert first.difference(second) == ""
    assert first.digest == second.digest
    assert Pin(**first.to_json()) == first


def test_who_installed_it_and_how_does_not_matter(install, find: Find) -> None:
    written = install("report")
    before = pin(find)
    (written.info / "INSTALLER").write_text("uv\n")
    (written.info / "direct_url.json").write_text("{}")
    record = written.info / "RECORD"
    record.write_text(record.read_text() + f"{written.info.name}/direct_url.json,,\n")
    assert before.difference(pin(find)) == ""


@pytest.mark.parametrize("file", ["METADATA", "entry_points.txt"])
def test_what_it_says_about_itself_matters(install, find: Find, file: str) -> None:
    written = install("report")
    before = pin(find)
    (written.info / file).write_text((written.info / file).read_text() + "\n# more\n")
    assert file in before.difference(pin(find))


def test_a_deleted_file_is_a_change(install, find: Find) -> None:
    written = install("report")
    before = pin(find)
    written.source.unlink()
    assert f"{written.module}.py changed" in before.difference(pin(find))


class TestEditable:
    @pytest.fixture
    def package(self, install, site: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
        """As `pip install -e` leaves it: RECORD names no module, and the source is elsewhere."""
        written = install("report")
        source = tmp_path / "checkout"
        package = source / written.module
        package.mkdir(parents=True)
        (package / "__init__.py").write_text(written.source.read_text())
        (package / "more.py").write_text("")
        written.source.unlink()
        (site / "report.pth").write_text(f"{source}\n")
        (written.info / "RECORD").write_text(f"report.pth,,\n{written.info.name}/METADATA,,\n")
        monkeypatch.syspath_prepend(source)
        return package

    def test_its_source_is_pinned_where_it_is(self, package: Path, find: Find) -> None:
        before = pin(find)
        assert f"{package.name}/__init__.py" in before.files
        (package / "more.py").write_text("import os\n")
        assert f"{package.name}/more.py changed" in before.difference(pin(find))
        assert package.name not in sys.modules

    def test_what_the_interpreter_caches_does_not_matter(self, package: Path, find: Find) -> None:
        before = pin(find)
        (package / "__pycache__").mkdir()
        (package / "__pycache__/more.cpython-311.pyc").write_bytes(b"x")
        assert before.difference(pin(find)) == ""


async def test_a_distribution_whose_files_cannot_be_read_stops_nothing(
    install, enable, make_host, find: Find
) -> None:
    written = install("report")
    await enable("report")
    (written.info / "RECORD").write_bytes(b"\xff\xfe,,\n")
    host = make_host()
    await host.load()
    (record,) = host.records()
    assert (record.status, record.imported) == (PluginStatus.LOAD_ERROR, False)
    assert "cannot be read" in record.reason
    with pytest.raises(Conflict, match="cannot be read"):
        await enable("report")
