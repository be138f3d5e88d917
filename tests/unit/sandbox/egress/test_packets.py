"""Where a packet wanted to go to."""

import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from automa_sandbox.egress.packets import Try, read

TCP, UDP = 6, 17


def packet(address: str, protocol: int, port: int, options: bytes = b"") -> bytes:
    packed = ipaddress.ip_address(address).packed
    ports = b"\x12\x34" + port.to_bytes(2, "big") + b"\0" * 16
    if len(packed) == 16:
        return b"\x60\0\0\0\0\x14" + bytes([protocol, 64]) + b"\0" * 16 + packed + ports
    size = 5 + len(options) // 4
    head = bytes([0x40 | size]) + b"\0" * 8 + bytes([protocol]) + b"\0" * 6
    return head + packed + options + ports


@pytest.mark.parametrize("address", ["93.184.216.34", "2606:4700::1111"])
@pytest.mark.parametrize("protocol", [TCP, UDP])
def test_its_address_and_port_are_read(address: str, protocol: int) -> None:
    assert read(packet(address, protocol, 443)) == Try(address, 443, protocol == UDP)


def test_options_before_the_ports_are_passed_over() -> None:
    assert read(packet("8.8.8.8", TCP, 25, options=b"\1" * 40)) == Try("8.8.8.8", 25, False)


def test_other_protocols_are_no_tries() -> None:
    assert read(packet("8.8.8.8", 1, 25)) is None


@given(st.binary(max_size=96))
def test_whatever_comes_is_a_try_or_none(data: bytes) -> None:
    found = read(data)
    assert found is None or 0 <= found.port <= 65535
