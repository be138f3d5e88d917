"""The system call filter of every sandbox: a BPF program put together in Python, for x86_64 and aarch64.

It denies what its table names and lets the rest pass, with these turns: another architecture kills; clone3,
whose flags lie in memory where no filter can see them, does not exist, so that the C library uses clone; and
new name spaces, foreign socket families and terminal injection are told by their arguments.
"""

import errno
import os
import struct

from automa_sandbox import syscalls

_ARCHITECTURES = {"x86_64": (0xC000003E, 0), "aarch64": (0xC00000B7, 1)}
_X32_BIT = 0x40000000

_LOAD, _EQUAL, _GREATER, _AT_LEAST, _ANY_BIT, _RETURN = 0x20, 0x15, 0x25, 0x35, 0x45, 0x06
_NUMBER_AT, _ARCH_AT, _ARGS_AT = 0, 4, 16
_ALLOW, _KILL, _ERRNO = 0x7FFF0000, 0x80000000, 0x00050000

_CLONE_NEW = 0x7E020000  # NEWNS, NEWCGROUP, NEWUTS, NEWIPC, NEWUSER, NEWPID, NEWNET
_CLONE_THREAD = 0x10000
_CLONE_NEWTIME = 0x80  # for unshare only; in clone these bits are the exit signal
_AF_UNIX, _AF_INET, _AF_INET6, _AF_NETLINK = 1, 2, 10, 16
_TIOCSTI, _TIOCLINUX = 0x5412, 0x541C
_PER_LINUX, _PER_QUERY = 0, 0xFFFFFFFF

Instruction = tuple[int, int, int, int]


def program(machine: str | None = None, *, computes_only: bool = False) -> bytes:
    """The filter for this machine's architecture, as bubblewrap takes it. KeyError for an unknown one.

    `computes_only`: for a process that starts no program and no other process, and talks to nobody.
    """
    found = instructions(machine or os.uname().machine, computes_only=computes_only)
    return b"".join(struct.pack("=HBBI", *one) for one in found)


def instructions(machine: str, *, computes_only: bool = False) -> list[Instruction]:
    """The same as (code, jump if true, jump if false, operand)."""
    arch, column = _ARCHITECTURES[machine]
    return [
        _load(_ARCH_AT),
        *_unless(_EQUAL, arch, _KILL),
        _load(_NUMBER_AT),
        *(_when(_AT_LEAST, _X32_BIT, _error(errno.EPERM)) if machine == "x86_64" else ()),
        *_when(_GREATER, syscalls.LAST_KNOWN, _error(errno.ENOSYS)),
        *_denied(syscalls.DENIED, column),
        *(_denied(syscalls.NOT_FOR_COMPUTATION, column) if computes_only else ()),
        *(_on(syscalls.CLONE[column], _only_threads()) if computes_only else ()),
        *_when(_EQUAL, syscalls.CLONE3[column], _error(errno.ENOSYS)),
        *_on(syscalls.CLONE[column], _forbid_bits(0, _CLONE_NEW)),
        *_on(syscalls.UNSHARE[column], _forbid_bits(0, _CLONE_NEW | _CLONE_NEWTIME)),
        *_on(syscalls.SOCKET[column], _socket_families()),
        *_on(syscalls.SOCKETPAIR[column], _allow_only(0, (_AF_UNIX,), errno.EAFNOSUPPORT)),
        *_on(syscalls.PERSONALITY[column], _allow_only(0, (_PER_LINUX, _PER_QUERY), errno.EPERM)),
        *_on(syscalls.IOCTL[column], _terminal_injection()),
        _give(_ALLOW),
    ]


def _denied(table: dict[str, tuple[int | None, int | None]], column: int) -> list[Instruction]:
    found: list[Instruction] = []
    for numbers in table.values():
        number = numbers[column]
        if number is not None:
            found += _when(_EQUAL, number, _error(errno.EPERM))
    return found


def _socket_families() -> list[Instruction]:
    """UNIX and IP, all of which end inside the sandbox's empty network; netlink only to ask for routes."""
    netlink = [_load(_argument(2)), *_when(_EQUAL, 0, _ALLOW), _give(_error(errno.EAFNOSUPPORT))]
    return [
        _load(_argument(0)),
        (_EQUAL, 0, len(netlink), _AF_NETLINK),
        *netlink,
        *(step for family in (_AF_UNIX, _AF_INET, _AF_INET6) for step in _when(_EQUAL, family, _ALLOW)),
        _give(_error(errno.EAFNOSUPPORT)),
    ]


def _terminal_injection() -> list[Instruction]:
    # The kernel looks at the low half of the request alone, so this does too.
    refused = _error(errno.EPERM)
    return [
        _load(_argument(1)),
        *_when(_EQUAL, _TIOCSTI, refused),
        *_when(_EQUAL, _TIOCLINUX, refused),
        _give(_ALLOW),
    ]


def _forbid_bits(argument: int, bits: int) -> list[Instruction]:
    return [_load(_argument(argument)), *_when(_ANY_BIT, bits, _error(errno.EPERM)), _give(_ALLOW)]


def _only_threads() -> list[Instruction]:
    refused = _error(errno.EPERM)
    return [
        _load(_argument(0)),
        *_when(_ANY_BIT, _CLONE_NEW, refused),
        *_when(_ANY_BIT, _CLONE_THREAD, _ALLOW),
        _give(refused),
    ]


def _allow_only(argument: int, values: tuple[int, ...], number: int) -> list[Instruction]:
    allowed = [step for value in values for step in _when(_EQUAL, value, _ALLOW)]
    return [_load(_argument(argument)), *allowed, _give(_error(number))]


def _on(number: int, body: list[Instruction]) -> list[Instruction]:
    """A body for one system call; it has to return. Nobody else passes through it."""
    return [(_EQUAL, 0, len(body), number), *body]


def _when(test: int, value: int, action: int) -> list[Instruction]:
    return [(test, 0, 1, value), _give(action)]


def _unless(test: int, value: int, action: int) -> list[Instruction]:
    return [(test, 1, 0, value), _give(action)]


def _load(offset: int) -> Instruction:
    return (_LOAD, 0, 0, offset)


def _give(action: int) -> Instruction:
    return (_RETURN, 0, 0, action)


def _error(number: int) -> int:
    return _ERRNO | number


def _argument(index: int) -> int:
    """The offset of the low half of an argument (both architectures are little-endian)."""
    return _ARGS_AT + 8 * index
