"""Names that programs look up by DNS: questions, read strictly, and answers that lead nowhere else."""

import socket
import struct
from dataclasses import dataclass

from automa_sandbox.egress.policy import normalized

PORT = 53
IP_PKTINFO = 8
"""Tells which address a datagram was sent to."""
MESSAGE_BYTES = 4096
NAME_CHARS = 255
A, AAAA = 1, 28
_HEADER = struct.Struct("!6H")
_TAIL = struct.Struct("!2H")
_ANSWER = struct.Struct("!3HIH4s")
_IS_ANSWER, _OPCODE, _RECURSION = 0x8000, 0x7800, 0x0100
_AUTHORITATIVE, _RECURSION_OFFERED = 0x0400, 0x0080
_UNKNOWN = 3
_INTERNET = 1
_NAME_OF_QUESTION = 0xC00C
_TTL_S = 60
_MOST_NAME_BYTES = 255
_MOST_LABEL_BYTES = 63
_PLAIN = frozenset(b"abcdefghijklmnopqrstuvwxyz0123456789-_")


@dataclass(frozen=True, slots=True)
class Question:
    """`name` is that of a host, or what can be shown of one that is none."""

    number: int
    flags: int
    asked: bytes
    """The question, byte for byte: answers repeat it."""
    name: str
    kind: int


def read(message: bytes) -> Question | None:
    """The one question of a query; None for whatever else a datagram may be."""
    if len(message) > MESSAGE_BYTES or len(message) < _HEADER.size:
        return None
    number, flags, questions, *_ = _HEADER.unpack_from(message)
    if flags & (_IS_ANSWER | _OPCODE) or questions != 1:
        return None
    found = _labels(message)
    if found is None:
        return None
    labels, end = found
    if len(message) < end + _TAIL.size:
        return None
    kind, kind_of_network = _TAIL.unpack_from(message, end)
    if kind_of_network != _INTERNET:
        return None
    asked = message[_HEADER.size : end + _TAIL.size]
    return Question(number, flags, asked, _shown(labels), kind)


def answer(question: Question, address: str | None = None, *, is_known: bool = False) -> bytes:
    """That there is no such name; or of a known one its address, if it is asked for and there is one."""
    flags = _IS_ANSWER | _AUTHORITATIVE | (question.flags & _RECURSION) | _RECURSION_OFFERED
    records = b""
    if is_known and address is not None and question.kind == A:
        packed = socket.inet_aton(address)
        records = _ANSWER.pack(_NAME_OF_QUESTION, A, _INTERNET, _TTL_S, len(packed), packed)
    head = _HEADER.pack(question.number, flags | (0 if is_known else _UNKNOWN), 1, 1 if records else 0, 0, 0)
    return head + question.asked + records


def _labels(message: bytes) -> tuple[list[bytes], int] | None:
    """The labels of the name that begins after the header, and where it ends. Questions have no pointers."""
    labels: list[bytes] = []
    at = _HEADER.size
    while at < len(message) and at - _HEADER.size < _MOST_NAME_BYTES:
        size = message[at]
        at += 1
        if size == 0:
            return labels, at
        if size > _MOST_LABEL_BYTES or at + size > len(message):
            return None
        labels.append(message[at : at + size].lower())
        at += size
    return None


def _shown(labels: list[bytes]) -> str:
    """As in RFC 1035, 5.1: what no host has in its name is a number after a backslash."""
    text = ".".join("".join(map(_character, label)) for label in labels) or "."
    try:
        return normalized(text)
    except ValueError:
        return text if len(text) <= NAME_CHARS else f"{text[: NAME_CHARS - 1]}…"


def _character(byte: int) -> str:
    return chr(byte) if byte in _PLAIN else f"\\{byte:03d}"
