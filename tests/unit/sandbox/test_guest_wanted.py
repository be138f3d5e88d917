"""Where a script wanted to go, told of its error."""

import _socket
import sys
from types import SimpleNamespace
from typing import Any

import pytest

from automa_sandbox.guest.wanted import LookUp, Socket, hide, tell

NO_NAME = _socket.gaierror(_socket.EAI_AGAIN, "Temporary failure in name resolution")


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch) -> list[bytes]:
    """What the harness is told."""
    told: list[bytes] = []
    frames = SimpleNamespace(write=lambda _, payload: told.append(payload))
    monkeypatch.setitem(sys.modules, "_automa_guest", SimpleNamespace(frames=frames))
    return told


def fail(*_: Any, **__: Any) -> None:
    raise NO_NAME


@pytest.mark.parametrize(
    ("host", "port", "shown"),
    [
        ("example.com", 443, b"example.com\x00443"),
        (b"example.com", b"443", b"example.com\x00443"),
        ("example.com", "https", b"example.com\x00"),
        ("example.com", None, b"example.com\x00"),
        ("a" * 1000, 10**9, b"a" * 300 + b"\x0010000"),
        ("\udcff", 1, b"?\x001"),
    ],
)
def test_host_and_port_are_what_was_asked_for(host: Any, port: Any, shown: bytes, told: list[bytes]) -> None:
    look_up = LookUp(fail)
    with pytest.raises(_socket.gaierror):
        look_up(host, port)
    with pytest.raises(_socket.gaierror):
        look_up(host=host, port=port)
    assert told == [shown, shown]


@pytest.mark.parametrize("host", [None, 7, "", "::1", "127.0.0.1"])
def test_what_is_no_other_machine_is_not_told(host: Any, told: list[bytes]) -> None:
    with pytest.raises(_socket.gaierror):
        LookUp(fail)(host, 80)
    assert told == []


def test_other_errors_of_sockets_tell_of_no_network(told: list[bytes]) -> None:
    for error in (
        ConnectionRefusedError(111, "x"),
        TimeoutError(),
        _socket.gaierror(_socket.EAI_SERVICE, "x"),
    ):
        tell(error, "example.com", 80)
    assert told == []


def test_whether_something_is_an_address_is_no_look_up(told: list[bytes]) -> None:
    with pytest.raises(_socket.gaierror):
        LookUp(fail)("example.com", 80, 0, 0, 0, _socket.AI_NUMERICHOST)
    assert told == []


def test_a_look_up_in_a_class_is_no_method() -> None:
    class Resolver:
        look_up = LookUp(lambda host: host)

    assert Resolver().look_up("example.com") == "example.com"


def test_a_socket_does_what_it_did() -> None:
    server, client = Socket(), Socket()
    try:
        server.bind(("127.0.0.1", 0))
        address = server.getsockname()
        assert client.connect_ex(address) == 111
        server.listen()
        client.connect(address)
        assert client.getpeername() == address
        with pytest.raises(TypeError):
            client.connect()  # pyright: ignore[reportCallIssue]
    finally:
        server.close()
        client.close()


def test_its_frames_are_not_shown(told: list[bytes]) -> None:
    with pytest.raises(_socket.gaierror) as caught:
        LookUp(fail)("example.com", 80)
    outer = RuntimeError("no news today")
    outer.__context__, outer.__cause__ = caught.value, outer
    hide(outer)
    assert not any(
        "wanted.py" in str(entry.path) and "test_" not in str(entry.path) for entry in caught.traceback
    )
