"""The refused connections of a run, as its proxy left them."""

import json
from pathlib import Path
from typing import Any

import pytest

from automa.runs.connections import MOST, read_connections
from automa.sdk.attempts import EGRESS

ONE = {"host": "a.org", "port": 443, "reason": "It is not in the allow-list.", "count": 2, "first_at": 1.7e9}


def test_they_are_read_as_they_were_written(tmp_path: Path) -> None:
    (tmp_path / EGRESS).write_text(json.dumps([ONE]))
    (found,) = read_connections(tmp_path)
    assert found.model_dump() == ONE


def test_a_run_that_asked_for_nothing_has_none(tmp_path: Path) -> None:
    assert read_connections(tmp_path) == []


def test_there_is_an_end_to_them(tmp_path: Path) -> None:
    (tmp_path / EGRESS).write_text(json.dumps([ONE] * (MOST + 5)))
    assert len(read_connections(tmp_path)) == MOST


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"1",
        b"{}",
        b"[1]",
        b'[{"host": "a"}]',
        b"\xff",
        b"[" * 100_000,
        json.dumps([ONE] * 9999).encode(),
    ],
)
def test_what_cannot_be_read_is_nothing(tmp_path: Path, body: bytes, caplog: Any) -> None:
    (tmp_path / EGRESS).write_bytes(body)
    assert read_connections(tmp_path) == []
    assert "cannot be read" in caplog.text
