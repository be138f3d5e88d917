"""A sealed value opens with its key, in its row, unchanged: or not at all."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from automa.errors import SecretsUnavailable
from automa.secrets.keys import Key
from automa.secrets.seals import Binding, seal, unseal

KEY, OTHER = Key(bytes(32)), Key(bytes(31) + b"1")
BINDING = Binding("1", "owner", "API_KEY")


@given(st.text(st.characters(exclude_categories=["Cs"])))
def test_what_was_sealed_opens(value: str) -> None:
    sealed = seal(KEY, BINDING, value)
    assert unseal(KEY, BINDING, sealed) == value
    assert len(value) < 4 or value.encode() not in sealed


def test_the_same_value_never_looks_the_same() -> None:
    assert seal(KEY, BINDING, "hunter22") != seal(KEY, BINDING, "hunter22")


@pytest.mark.parametrize(
    "other", [replace(BINDING, id="2"), replace(BINDING, owner_id="b"), replace(BINDING, name="B")]
)
def test_it_opens_in_no_other_row(other: Binding) -> None:
    with pytest.raises(SecretsUnavailable, match="damaged or changed"):
        unseal(KEY, other, seal(KEY, BINDING, "hunter22"))


@given(st.integers(0, 35), st.integers(1, 255))
def test_a_changed_byte_is_noticed(place: int, difference: int) -> None:
    sealed = bytearray(seal(KEY, BINDING, "hunter22"))
    sealed[place] ^= difference
    with pytest.raises(SecretsUnavailable):
        unseal(KEY, BINDING, bytes(sealed))


@pytest.mark.parametrize("sealed", [b"", b"short", bytes(12)])
def test_what_is_no_sealed_value_is_told(sealed: bytes) -> None:
    with pytest.raises(SecretsUnavailable):
        unseal(KEY, BINDING, sealed)


def test_another_key_does_not_open_it() -> None:
    with pytest.raises(SecretsUnavailable):
        unseal(OTHER, BINDING, seal(KEY, BINDING, "hunter22"))
