"""What a secret may be called, and what it may be."""

import re

from automa.errors import FieldError, InvalidPayload

NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
NAME_CHARS = 100
VALUE_BYTES = 32 * 1024
SHORTEST = 4
"""A shorter value could not be masked: it would be found everywhere in a log."""


def check_name(name: str) -> None:
    """Raises InvalidPayload."""
    if not NAME.fullmatch(name) or len(name) > NAME_CHARS:
        _refuse("/name", f"Use letters, digits and _, not a digit first, at most {NAME_CHARS}.")


def check_value(value: str) -> None:
    """Raises InvalidPayload, which never holds a part of the value."""
    try:
        size = len(value.encode())
    except UnicodeEncodeError:
        _refuse("/value", "It is not text: it holds half a surrogate pair.")
        return
    if size > VALUE_BYTES:
        _refuse("/value", f"It is larger than {VALUE_BYTES // 1024} KiB.")
    if len(value.strip()) < SHORTEST:
        _refuse("/value", f"It is shorter than {SHORTEST} characters: it could not be masked in logs.")


def _refuse(pointer: str, detail: str) -> None:
    raise InvalidPayload(errors=[FieldError(pointer, detail)])
