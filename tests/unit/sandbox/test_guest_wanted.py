"""Where a script wanted to go, read from its error."""

import socket
from typing import Any

import pytest

from automa_sandbox.guest.wanted import wanted


def error_of(host: Any, port: Any, monkeypatch: pytest.MonkeyPatch) -> OSError:
    def fail(*_: Any) -> None:
        raise socket.gaierror(-3, "Temporary failure in name resolution")

    monkeypatch.setattr("_socket.getaddrinfo", fail)
    try:
        socket.getaddrinfo(host, port)
    except OSError as error:
        return error
    raise AssertionError


@pytest.mark.parametrize(
    ("host", "port", "told"),
    [
        ("example.com", 443, b"example.com\x00443"),
        (b"example.com", "443", b"example.com\x00443"),
        ("example.com", "https", b"example.com\x00"),
        ("example.com", None, b"example.com\x00"),
        ("a" * 1000, 10**9, b"a" * 300 + b"\x0010000"),
        ("\udcff", 1, b"?\x001"),
        (None, 80, None),
    ],
)
def test_host_and_port_are_what_was_asked_for(
    host: Any, port: Any, told: bytes | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert wanted(error_of(host, port, monkeypatch)) == told


def test_it_is_found_below_the_errors_of_libraries(monkeypatch: pytest.MonkeyPatch) -> None:
    error = error_of("example.com", 443, monkeypatch)
    inner, outer = ConnectionError("Max retries exceeded"), RuntimeError("no news today")
    inner.__cause__, outer.__context__ = error, inner
    assert wanted(ExceptionGroup("both", [ValueError(), outer])) == b"example.com\x00443"


def test_errors_that_go_in_circles_have_an_end() -> None:
    one, other = ValueError(), ValueError()
    one.__cause__, other.__cause__ = other, one
    assert wanted(one) is None


def test_other_errors_of_files_and_sockets_tell_of_no_network() -> None:
    for error in (FileNotFoundError(2, "x"), ConnectionRefusedError(111, "x"), TimeoutError()):
        assert wanted(error) is None
