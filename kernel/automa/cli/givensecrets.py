"""Secrets that a command is given: from files, from standard input or typed, and never as an argument."""

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import typer

from automa.errors import InvalidPayload, InvalidRequest

_BYTES = 64 * 1024
"""More than a secret may have, so that what is too large is told."""


def read_secrets(wanted: Sequence[str]) -> Mapping[str, str]:
    """The values of `NAME` and `NAME=@FILE`. Raises InvalidRequest, InvalidPayload."""
    if not wanted:
        return {}
    return dict(_read(item) for item in wanted)


def ask_or_read(name: str) -> str:
    """What is typed twice at a terminal, or standard input. Raises InvalidPayload."""
    return _typed(name) if sys.stdin.isatty() else _from_file(name, "-")


def _read(item: str) -> tuple[str, str]:
    from automa.secrets.values import check_name, check_value

    name, separator, source = item.partition("=")
    check_name(name)
    if separator and not source.startswith("@"):
        raise InvalidRequest(
            f"Everybody on this machine can read a command line: write --secret {name}=@FILE, or "
            f"--secret {name} to be asked."
        )
    if separator:
        value = _from_file(name, source[1:])
    elif sys.stdin.isatty():
        value = _typed(name)
    else:
        raise InvalidRequest(f"There is no terminal to ask at: give --secret {name}=@FILE or {name}=@-.")
    check_value(value)
    return name, value


def _typed(name: str) -> str:
    return typer.prompt(f"Value of {name}", hide_input=True, confirmation_prompt=True, err=True)


def _from_file(name: str, path: str) -> str:
    """The text without its last newline."""
    try:
        if path == "-":
            data = sys.stdin.buffer.read(_BYTES)
        else:
            with Path(path).open("rb") as file:
                data = file.read(_BYTES)
        return data.decode().removesuffix("\n").removesuffix("\r")
    except OSError as error:
        raise InvalidRequest(f"The secret {name} cannot be read from {path}: {error.strerror}.") from None
    except UnicodeDecodeError:
        raise InvalidPayload(f"The value of {name} is not text in UTF-8.") from None
