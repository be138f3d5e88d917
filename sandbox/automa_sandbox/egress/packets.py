"""What leaves a sandbox for an address that is not its loopback, seen on the device where all of it ends.

A filter in the kernel lets through the first packet of a TCP connection, and datagrams that are no look-ups.
"""

import ctypes
import ipaddress
import socket
import struct
from dataclasses import dataclass

from automa_sandbox.egress.lookups import PORT as LOOKUPS

IP, IPV6 = 0x0800, 0x86DD
BYTES = 96
"""As much of a packet as the two ports need."""
_SO_ATTACH_FILTER = 26
_BUFFER_BYTES = 64 * 1024
_TCP, _UDP = 6, 17
_IPV6_HEADER_BYTES = 40

# Classic BPF: load a word, half word or byte; compute; compare, with jumps counted from the next line.
_LD_W, _LD_H, _LD_B = 0x20, 0x28, 0x30
_LD_H_X, _LD_B_X = 0x48, 0x50
_LDX_IP_HEADER, _LDX = 0xB1, 0x01
_AND, _JA, _JEQ, _JSET, _RET = 0x54, 0x05, 0x15, 0x45, 0x06
_SYN, _SYN_OR_ACK = 0x02, 0x12


def _protocols(no_try: int) -> list[tuple[int, int, int, int]]:
    """With the protocol in hand, and in the index register the length of the header before its own."""
    return [
        (_JEQ, 0, 3, _TCP),
        (_LD_B_X, 0, 0, 13), (_AND, 0, 0, _SYN_OR_ACK), (_JEQ, 5, 6, _SYN),
        (_JEQ, 0, 5, _UDP),
        (_LD_H_X, 0, 0, 0), (_JEQ, 3, 0, no_try), (_LD_H_X, 0, 0, 2), (_JEQ, 1, 0, no_try),
        (_RET, 0, 0, BYTES),
        (_RET, 0, 0, 0),
    ]  # fmt: skip


_FILTERS = {
    IP: [
        (_LD_W, 0, 0, 16), (_AND, 0, 0, 0xFF000000), (_JEQ, 3, 0, 0x7F000000),
        (_LD_H, 0, 0, 6), (_JSET, 1, 0, 0x1FFF),  # not the first piece of a packet
        (_JA, 0, 0, 1), (_RET, 0, 0, 0),
        (_LDX_IP_HEADER, 0, 0, 0), (_LD_B, 0, 0, 9), *_protocols(no_try=LOOKUPS),
    ],
    IPV6: [
        (_LD_W, 0, 0, 24), (_JEQ, 0, 7, 0), (_LD_W, 0, 0, 28), (_JEQ, 0, 5, 0),
        (_LD_W, 0, 0, 32), (_JEQ, 0, 3, 0), (_LD_W, 0, 0, 36), (_JEQ, 0, 1, 1), (_RET, 0, 0, 0),
        (_LDX, 0, 0, _IPV6_HEADER_BYTES), (_LD_B, 0, 0, 6), *_protocols(no_try=0),
    ],
}  # fmt: skip
"""All but what is for 127.0.0.0/8 and ::1. Look-ups are answered over IPv4 only."""


@dataclass(frozen=True, slots=True)
class Try:
    """Somewhere that a program sent something to."""

    host: str
    port: int
    is_datagram: bool


def watch(family: int) -> socket.socket:
    """A socket that sees the tries of one family in the network of this process. Raises OSError."""
    one = socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, 0)  # sees nothing before it is bound
    program = b"".join(struct.pack("=HBBI", *line) for line in _FILTERS[family])
    kept = ctypes.create_string_buffer(program, len(program))
    described = struct.pack("@HP", len(program) // 8, ctypes.addressof(kept))
    one.setsockopt(socket.SOL_SOCKET, _SO_ATTACH_FILTER, described)
    one.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _BUFFER_BYTES)
    one.bind(("lo", family))
    # A device that is not up yet is an error that the first look would be told instead of what is there.
    one.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
    return one


def read(packet: bytes) -> Try | None:
    """Where a packet goes to; None for what is none of the filter's."""
    version = packet[0] >> 4 if packet else 0
    if version == 4 and len(packet) >= 20:
        return _try(packet[16:20], packet[9], packet[(packet[0] & 15) * 4 :])
    if version == 6 and len(packet) >= _IPV6_HEADER_BYTES:
        return _try(packet[24:40], packet[6], packet[_IPV6_HEADER_BYTES:])
    return None


def _try(address: bytes, protocol: int, rest: bytes) -> Try | None:
    if protocol not in (_TCP, _UDP) or len(rest) < 4:
        return None
    return Try(str(ipaddress.ip_address(address)), int.from_bytes(rest[2:4], "big"), protocol == _UDP)
