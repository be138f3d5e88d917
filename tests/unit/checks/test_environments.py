"""Where packages come from, as it is set."""

from pathlib import Path

import pytest

from automa import config
from automa.checks.environments import index
from automa.sdk.checks import Level


@pytest.mark.parametrize(
    ("address", "level"),
    [
        (None, Level.OK),
        ("https://index.example/simple", Level.OK),
        ("http://index.example/simple", Level.WARNING),
    ],
)
def test_the_index_is_told_and_one_without_tls_is_warned_of(
    home: Path, address: str | None, level: Level
) -> None:
    found = index(
        config.load(home=home, environments={"index": address, "hosts": ["files.example:443"]}).environments
    )
    assert found.level is level
    assert address is None or (address in found.text and "files.example:443" in found.text)
    assert bool(found.advice) is (level is Level.WARNING)
