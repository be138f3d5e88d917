"""Plugins are found by the metadata of their distributions; nothing is imported for it."""

import sys
from collections.abc import Callable
from importlib.metadata import distributions
from pathlib import Path

import pytest

from automa.extend.discovery import Found, installed

Find = Callable[[], list[Found]]


def test_a_plugin_is_found_with_its_name_distribution_and_version(install, find: Find) -> None:
    written = install("report", distribution="Acme_Report", version="2.1")
    (found,) = find()
    assert (found.name, found.distribution, found.version) == ("report", "acme-report", "2.1")
    assert (found.bundled, found.summary) == (False, "A plugin for tests")
    assert written.module not in sys.modules


def test_what_comes_with_automa_is_bundled_and_first(install, find: Find) -> None:
    install("aaa")
    install("zzz", distribution="automa-server")
    assert [(found.name, found.bundled) for found in find()] == [("zzz", True), ("aaa", False)]


def test_the_bundled_sandbox_is_found_here() -> None:
    assert "sandbox" in {found.name for found in installed() if found.bundled}


def test_nobody_takes_a_bundled_plugins_name(install, find: Find) -> None:
    install("sandbox", distribution="automa-server")
    install("sandbox", distribution="evil")
    ours, theirs = find()
    assert (ours.clash, ours.bundled) == ("", True)
    assert "bundled" in theirs.clash


def test_of_two_strangers_with_one_name_neither_gets_it(install, find: Find) -> None:
    install("report", distribution="one")
    install("report", distribution="two")
    assert [found.clash for found in find()] == ["Several distributions bring it: one, two."] * 2


def test_broken_metadata_is_passed_over_and_logged(
    install, site: Path, find: Find, caplog: pytest.LogCaptureFixture
) -> None:
    install("good")
    (install("bad", version="7").info / "entry_points.txt").write_bytes(b"[automa.plugins]\n\xff\xfe")
    nameless = site / "nameless-1.dist-info"
    nameless.mkdir()
    (nameless / "entry_points.txt").write_text("[automa.plugins]\nx = y:z\n")
    (nameless / "METADATA").write_text("")
    assert [found.name for found in find()] == ["good"]
    assert "cannot be read" in caplog.text


def test_of_two_copies_of_a_distribution_the_first_on_the_path_counts(
    install, site: Path, tmp_path: Path
) -> None:
    from support.plugins import write_plugin

    install("report", distribution="acme", version="2.0")
    write_plugin(tmp_path / "later", "report", distribution="acme", version="1.0")
    (found,) = installed(distributions(path=[str(site), str(tmp_path / "later")]))
    assert (found.version, found.clash) == ("2.0", "")
