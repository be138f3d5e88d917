"""What e-mails, names and passwords must be like."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from automa.auth.policy import check_password, normalise, normalise_email, normalise_name
from automa.errors import InvalidPayload


class TestPasswords:
    @pytest.mark.parametrize(
        "password",
        [
            "short", "eleven char", "aaaaaaaaaaaaaaaa", "abcabcabcabcabc", "password1234", "Password123!",
            "qwertyuiop12", "123456789012", "admin1234567", "P@ssw0rd1234", "iloveyou1234", "welcome2024!",
            "qwertzuiop123", "automaautoma1", "abcdefghijkl", "zyxwvutsrqponm", "changeme1234",
            "ada@example.org", "lovelace1815", "x" * 2000,
        ],
    )  # fmt: skip
    def test_what_is_guessed_first_is_refused(self, password):
        with pytest.raises(InvalidPayload) as refused:
            check_password(password, email="ada@example.org", name="Ada Lovelace")
        assert refused.value.errors[0].pointer == "/password"
        assert password not in str(refused.value.errors)

    @pytest.mark.parametrize(
        "password",
        [
            "correct horse battery",
            "blue horse stapler 9",
            "tK7#pQ2vXw9z",
            "ein Bär im Wald läuft",
            "密码很长而且没有人猜得到的呀",
        ],
    )
    def test_what_takes_long_to_guess_is_taken(self, password):
        check_password(password, email="ada@example.org", name="Ada")

    @given(st.text(st.characters(codec=None), max_size=60))
    def test_any_text_is_either_taken_or_refused(self, password):
        try:
            check_password(password, email="a@b.c", name="x")
        except InvalidPayload:
            return
        assert normalise(password)

    def test_it_does_not_matter_how_a_keyboard_composes_accents(self):
        assert normalise("e\u0301") == normalise("\u00e9")


class TestEmails:
    @pytest.mark.parametrize(
        ("typed", "kept"),
        [
            (" Ada@Example.ORG ", "ada@example.org"),
            ("o'neil+tag@mail.example.org", "o'neil+tag@mail.example.org"),
            ("root@localhost", "root@localhost"),
            ("\uff41da@example.org", "ada@example.org"),
            ("jürgen@example.org", "jürgen@example.org"),
        ],
    )
    def test_one_spelling_is_kept(self, typed, kept):
        assert normalise_email(typed) == kept

    @pytest.mark.parametrize(
        "typed",
        ["", "a", "@b.c", "a@", "a@b@c", "a b@c.d", "a@b..c", "a@-b.c", "a@b.", "<a@b.c>",
         "a\x00@b.c", "a\u202e@b.c", "a@" + "b" * 300, "\ud800@b.c"],
    )  # fmt: skip
    def test_what_is_no_address_is_refused(self, typed):
        with pytest.raises(InvalidPayload):
            normalise_email(typed)

    @given(st.text(st.characters(codec=None), max_size=40))
    def test_normalising_twice_changes_nothing(self, text):
        try:
            once = normalise_email(f"{text}@example.org")
        except InvalidPayload:
            return
        assert normalise_email(once) == once


def test_names_lose_what_cannot_be_seen():
    assert normalise_name(" Ada\x00\n \u202eLovelace\t") == "Ada Lovelace"
