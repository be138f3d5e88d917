"""Refresh tokens as text, and API tokens as text."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from automa.auth import apitokens
from automa.auth.refresh import RefreshToken, new_secret, seal, unseal

KEY = b"k" * 32
TOKEN = RefreshToken("01a20545-2b1e-72f7-ab9f-6a84051b8cef", 3, new_secret())


class TestRefreshTokens:
    def test_what_was_sealed_is_unsealed(self):
        assert unseal(seal(TOKEN, KEY), KEY) == TOKEN

    def test_another_key_opens_nothing(self):
        assert unseal(seal(TOKEN, KEY), b"l" * 32) is None

    @given(st.integers(0, len(seal(TOKEN, KEY)) - 1), st.characters(codec=None))
    def test_no_character_can_be_changed(self, place, character):
        text = seal(TOKEN, KEY)
        changed = text[:place] + character + text[place + 1 :]
        assert unseal(changed, KEY) is None or changed == text or place < len("automa_rt_")

    @given(st.text(st.characters(codec=None)))
    def test_any_other_text_is_none(self, text):
        assert unseal(text, KEY) is None


class TestApiTokens:
    def test_they_are_found_by_prefix_and_proved_by_hash(self):
        token = apitokens.new_token()
        assert apitokens.prefix_of(token.text) == token.prefix
        assert apitokens.matches(token.text, token.hash)
        assert not apitokens.matches(apitokens.new_token().text, token.hash)

    @pytest.mark.parametrize("text", ["", "automa_", "automa_abc_def", "a.b.c", "automa_rt_x.1.y.z"])
    def test_nothing_else_looks_like_one(self, text):
        assert apitokens.prefix_of(text) is None

    @given(st.text(st.characters(codec=None)))
    def test_any_text_can_be_compared(self, text):
        assert not apitokens.matches(text, apitokens.new_token().hash)
