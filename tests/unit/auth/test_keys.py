"""The key of an installation."""

import stat
from concurrent.futures import ThreadPoolExecutor

import pytest

from automa.auth.keys import derive, load_key
from automa.errors import ConfigError


def test_it_is_made_once_and_only_its_owner_can_read_it(tmp_path):
    path = tmp_path / "keys" / "sign-in.key"
    key = load_key(path)
    assert load_key(path) == key
    assert len(key) == 32
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    assert [file.name for file in path.parent.iterdir()] == ["sign-in.key"]


def test_many_that_make_it_at_once_get_the_same(tmp_path):
    with ThreadPoolExecutor(8) as pool:
        keys = set(pool.map(lambda _: load_key(tmp_path / "keys" / "k"), range(16)))
    assert len(keys) == 1


@pytest.mark.parametrize("content", [b"", b"short", b"x" * 33])
def test_a_damaged_one_is_an_error_and_not_replaced(tmp_path, content):
    path = tmp_path / "k"
    path.write_bytes(content)
    with pytest.raises(ConfigError, match="damaged"):
        load_key(path)
    assert path.read_bytes() == content


def test_one_that_cannot_be_made_is_a_clear_error(tmp_path):
    (tmp_path / "keys").write_text("a file where a folder should be")
    with pytest.raises(ConfigError, match=r"cannot be read or made"):
        load_key(tmp_path / "keys" / "k")


def test_each_purpose_has_a_key_of_its_own():
    assert derive(b"k" * 32, "access") != derive(b"k" * 32, "refresh") != b"k" * 32
