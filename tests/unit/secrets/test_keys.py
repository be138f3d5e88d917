"""The key file: made once, for nobody else to read, and clear about what is wrong with it."""

import stat

import pytest

from automa.errors import SecretsUnavailable
from automa.secrets.keys import KeyFile


class TestTheFile:
    def test_a_new_key_is_random_and_for_nobody_else(self, key_file: KeyFile) -> None:
        assert key_file.read() is None
        made = key_file.make()
        assert key_file.require() == made
        assert stat.S_IMODE(key_file.path.stat().st_mode) == 0o600
        assert stat.S_IMODE(key_file.path.parent.stat().st_mode) == 0o700
        assert len(made.current.material) == 32
        assert key_file.make() != made

    def test_a_newer_key_comes_first_until_the_older_ones_go(self, key_file: KeyFile) -> None:
        old = key_file.make()
        both = key_file.add(old)
        assert key_file.require() == both
        assert both.all[1] == old.current
        assert both.find(old.current.id) == old.current
        key_file.keep_current(both)
        assert key_file.require().all == (both.current,)

    def test_a_key_names_itself_without_telling_itself(self, key_file: KeyFile) -> None:
        key = key_file.make().current
        assert len(key.id) == 16
        assert key.id not in key.material.hex()

    def test_nothing_else_is_left_beside_it(self, key_file: KeyFile) -> None:
        key_file.add(key_file.make())
        assert [path.name for path in key_file.path.parent.iterdir()] == ["secrets.key"]


class TestWhatIsWrongWithIt:
    def test_a_missing_one_is_named(self, key_file: KeyFile) -> None:
        with pytest.raises(SecretsUnavailable, match=r"secrets\.key is missing"):
            key_file.require()

    @pytest.mark.parametrize(
        "text", ["", "# nothing\n", "AAAA\n", "no base64!\n", "é\n", "A" * 43 + "=\nx\n"]
    )
    def test_a_damaged_one_is_told(self, key_file: KeyFile, text: str) -> None:
        key_file.make()
        key_file.path.write_text(text)
        with pytest.raises(SecretsUnavailable, match="damaged"):
            key_file.read()

    def test_one_that_everybody_may_read_is_refused(self, key_file: KeyFile) -> None:
        key_file.make()
        key_file.path.chmod(0o604)
        with pytest.raises(SecretsUnavailable, match="chmod 600"):
            key_file.read()

    def test_a_folder_in_its_place_is_told(self, key_file: KeyFile) -> None:
        key_file.path.mkdir(parents=True)
        with pytest.raises(SecretsUnavailable, match="cannot be read"):
            key_file.read()
        with pytest.raises(SecretsUnavailable, match="cannot be written"):
            key_file.make()
