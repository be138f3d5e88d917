"""A secret is known again in the clothes that programs put on it."""

import base64
import html
import json
import logging
import shlex
import urllib.parse

import pytest
from hypothesis import given
from hypothesis import strategies as st

from automa_sandbox.masking import Mask
from automa_sandbox.spellings import spellings

secrets = st.text(st.characters(exclude_categories=["Cs"]), min_size=4, max_size=40).filter(
    lambda text: len(text.strip()) >= 4
)


class TestEncodings:
    @given(secrets, st.binary(max_size=5), st.binary(max_size=5))
    def test_base64_within_something_longer_shows_no_more_than_its_edges(
        self, secret: str, before: bytes, after: bytes
    ) -> None:
        for encode in (base64.b64encode, base64.urlsafe_b64encode):
            encoded = encode(before + secret.encode() + after).decode()
            shown = Mask([secret]).text(encoded)
            assert "***" in shown
            # A character on the edge shares its bits with a neighbour.
            assert len(shown) <= len(base64.b64encode(before)) + len(base64.b64encode(after)) + 3 + 4

    @given(secrets)
    def test_it_is_hidden_in_urls(self, secret: str) -> None:
        for quoted in (
            urllib.parse.quote(secret), urllib.parse.quote(secret, safe=""), urllib.parse.quote_plus(secret),
            urllib.parse.urlencode({"x": secret})[2:],
        ):  # fmt: skip
            assert Mask([secret]).text(f"/?k={quoted}") == "/?k=***"

    @given(secrets)
    def test_it_is_hidden_in_json_and_in_what_python_shows(self, secret: str) -> None:
        for text in (json.dumps(secret)[1:-1], json.dumps(secret, ensure_ascii=False)[1:-1]):
            assert Mask([secret]).text(text) == "***"
        for shown in (repr(secret)[1:-1], ascii(secret)[1:-1], repr(secret.encode())[2:-1]):
            assert Mask([secret]).text(shown) == "***"

    @given(secrets)
    def test_it_is_hidden_in_markup_in_hex_and_on_command_lines(self, secret: str) -> None:
        raw = secret.encode()
        for text in (html.escape(secret), html.escape(secret, quote=False), raw.hex(), raw.hex().upper()):
            assert Mask([secret]).text(text) == "***"
        assert Mask([secret]).text(shlex.quote(secret)) in ("***", "'***'")

    def test_it_is_hidden_in_a_header_of_basic_authentication(self) -> None:
        header = base64.b64encode(b"ada:hunter22-and-more").decode()
        shown = Mask(["hunter22-and-more"]).text(f"Authorization: Basic {header}")
        assert shown == f"Authorization: Basic {header[:6]}***"

    def test_it_is_hidden_in_the_repr_of_something_with_other_quotes(self) -> None:
        secret = "it's 12345"
        assert "12345" not in Mask([secret]).text(repr(f'"{secret}"'))


class TestLines:
    def test_a_key_is_hidden_line_by_line(self) -> None:
        key = "-----BEGIN KEY-----\nMIIEvQIBADANBg\nkqhkiG9w0BAQEF\n-----END KEY-----\n"
        mask = Mask([key])
        assert mask.text(key) == "***"
        assert mask.text("> kqhkiG9w0BAQEF <") == "> *** <"
        assert mask.text("-----BEGIN KEY-----") == "-----BEGIN KEY-----"

    def test_a_last_newline_makes_no_difference(self) -> None:
        assert Mask(["hunter22\n"]).text("hunter22") == "***"


@pytest.mark.parametrize("value", ["", "abc", "  a  \n"])
def test_what_is_too_short_hides_nothing(value: str) -> None:
    assert not Mask([value]) or all(len(one) >= 4 for one in spellings(value))


def test_spellings_need_no_module_that_is_slow_to_import() -> None:
    assert logging  # tests may import what they like; the shim pays for each import
    from automa_sandbox import masking, spellings

    for module in (masking, spellings):
        assert not {"urllib", "html", "base64", "shlex"} & set(vars(module))
