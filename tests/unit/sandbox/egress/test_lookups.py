"""Questions of programs that look up names, and their answers."""

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from automa_sandbox.egress import lookups
from automa_sandbox.egress.lookups import AAAA, A, Question, answer, read

LABELS = st.lists(st.binary(min_size=1, max_size=63), min_size=1, max_size=3)


def query(labels: list[bytes], kind: int = A, flags: int = 0x0100, questions: int = 1) -> bytes:
    head = struct.pack("!6H", 0xABCD, flags, questions, 0, 0, 0)
    return head + b"".join(bytes([len(one)]) + one for one in labels) + b"\0" + struct.pack("!2H", kind, 1)


def asked(labels: list[bytes], kind: int = A) -> Question:
    found = read(query(labels, kind))
    assert found is not None
    return found


class TestQuestions:
    def test_a_host_is_named_as_the_list_names_it(self) -> None:
        assert asked([b"API", b"Example", b"org"]).name == "api.example.org"

    @pytest.mark.parametrize(
        ("labels", "shown"),
        [
            ([], "."),
            ([b"a.b", b"org"], r"a\046b.org"),
            ([b"*", b"org"], r"\042.org"),
            ([b"\0\xff\n", b"x"], r"\000\255\010.x"),
            ([b"[::1]"], r"\091\058\0581\093"),
            ([b"10", b"0", b"0", b"1"], "10.0.0.1"),
        ],
    )
    def test_what_is_no_host_is_shown_in_plain_letters(self, labels: list[bytes], shown: str) -> None:
        assert asked(labels).name == shown

    @given(LABELS)
    def test_any_name_can_be_shown(self, labels: list[bytes]) -> None:
        name = asked(labels).name
        assert 0 < len(name) <= lookups.NAME_CHARS
        assert name.removesuffix("…").isascii()
        assert name.removesuffix("…").isprintable()

    @given(st.binary(max_size=600))
    def test_whatever_comes_is_a_question_or_none(self, message: bytes) -> None:
        found = read(message)
        assert found is None or found.asked in message

    @given(LABELS, st.integers(0, 300), st.binary(max_size=4))
    def test_broken_questions_are_none_or_shown(self, labels: list[bytes], at: int, piece: bytes) -> None:
        message = bytearray(query(labels))
        message[at : at + len(piece)] = piece
        found = read(bytes(message))
        assert found is None or len(found.name) <= lookups.NAME_CHARS

    @pytest.mark.parametrize(
        "message",
        [
            query([b"a"], flags=0x8180),
            query([b"a"], flags=0x0800),
            query([b"a"], questions=0),
            query([b"a"], questions=2),
            query([b"a"])[:-1],
            query([b"a"])[:-2] + b"\0\3",
            query([b"a" * 63] * 5),
            query([])[:12] + b"\xc0\x0c\0\1\0\1",
            query([])[:12] + b"\x05a\0\0\1\0\1",
            query([b"a"]) + b"\0" * lookups.MESSAGE_BYTES,
        ],
        ids=[
            "answer",
            "other-kind",
            "no-question",
            "two",
            "cut",
            "chaos",
            "long",
            "pointer",
            "short",
            "large",
        ],
    )
    def test_what_is_no_question(self, message: bytes) -> None:
        assert read(message) is None

    def test_what_follows_the_question_is_left_alone(self) -> None:
        extra = b"\0\0\x29\x10\0\0\0\0\0\0\0"
        found = read(query([b"a"]) + extra)
        assert found is not None
        assert extra not in answer(found)


class TestAnswers:
    def test_of_other_names_is_told_that_there_are_none(self) -> None:
        told = answer(asked([b"example", b"net"]))
        assert struct.unpack_from("!6H", told) == (0xABCD, 0x8583, 1, 0, 0, 0)
        assert told[12:] == query([b"example", b"net"])[12:]

    def test_of_a_known_name_its_address_is_told_where_it_is_asked_for(self) -> None:
        told = answer(asked([b"a"]), "127.1.0.2", is_known=True)
        assert struct.unpack_from("!6H", told) == (0xABCD, 0x8580, 1, 1, 0, 0)
        assert told[-6:] == b"\0\4\x7f\1\0\2"
        none = answer(asked([b"a"], AAAA), "127.1.0.2", is_known=True)
        assert struct.unpack_from("!6H", none) == (0xABCD, 0x8580, 1, 0, 0, 0)

    @given(LABELS)
    def test_an_answer_is_never_taken_for_a_question(self, labels: list[bytes]) -> None:
        assert read(answer(asked(labels))) is None
