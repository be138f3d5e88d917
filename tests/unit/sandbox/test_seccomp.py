"""The filter's program, run by an interpreter of the few instructions that it uses."""

import errno
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from automa_sandbox import seccomp, syscalls
from automa_sandbox.seccomp import Instruction

ALLOW, KILL, ERRNO = 0x7FFF0000, 0x80000000, 0x00050000
ARCH = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}
COLUMN = {"x86_64": 0, "aarch64": 1}
PROGRAMS = {machine: seccomp.instructions(machine) for machine in ARCH}


def judge(machine: str, number: int, *args: int, arch: int | None = None) -> int:
    """What the kernel would answer to a call."""
    padded = [*args, 0, 0, 0, 0, 0, 0][:6]
    data = struct.pack("<IIQ6Q", number & 0xFFFFFFFF, ARCH[machine] if arch is None else arch, 0,
                       *(arg & 0xFFFFFFFFFFFFFFFF for arg in padded))  # fmt: skip
    return run(PROGRAMS[machine], data)


def run(program: list[Instruction], data: bytes) -> int:
    accumulator, at = 0, 0
    while True:
        code, if_true, if_false, operand = program[at]
        at += 1
        match code:
            case 0x20:
                (accumulator,) = struct.unpack_from("<I", data, operand)
            case 0x06:
                return operand
            case 0x15:
                at += if_true if accumulator == operand else if_false
            case 0x25:
                at += if_true if accumulator > operand else if_false
            case 0x35:
                at += if_true if accumulator >= operand else if_false
            case 0x45:
                at += if_true if accumulator & operand else if_false
            case _:
                raise AssertionError(f"an unknown instruction {code:#x}")


machines = pytest.mark.parametrize("machine", ["x86_64", "aarch64"])


@machines
class TestTheProgram:
    def test_jumps_fit_and_lead_into_the_program(self, machine: str) -> None:
        program = seccomp.instructions(machine)
        for at, (code, if_true, if_false, operand) in enumerate(program):
            assert 0 <= if_true < 256
            assert 0 <= if_false < 256
            assert 0 <= operand < 2**32
            assert code == 0x06 or at + 1 + max(if_true, if_false) < len(program)
        assert program[-1][0] == 0x06
        assert len(seccomp.program(machine)) == 8 * len(program) < 8 * 4096

    def test_every_named_call_is_refused(self, machine: str) -> None:
        for name, numbers in syscalls.DENIED.items():
            number = numbers[COLUMN[machine]]
            if number is not None:
                assert judge(machine, number) == ERRNO | errno.EPERM, name

    def test_another_architecture_kills(self, machine: str) -> None:
        assert judge(machine, 1, arch=0x40000003) == KILL

    def test_ordinary_calls_pass(self, machine: str) -> None:
        refused = {number[COLUMN[machine]] for number in syscalls.DENIED.values()}
        special = {one[COLUMN[machine]] for one in (syscalls.SOCKET, syscalls.SOCKETPAIR, syscalls.CLONE3)}
        for number in range(syscalls.LAST_KNOWN + 1):
            if number not in refused | special:
                assert judge(machine, number, 0) == ALLOW, number

    def test_calls_that_are_newer_than_the_table_do_not_exist(self, machine: str) -> None:
        assert judge(machine, syscalls.LAST_KNOWN + 1) == ERRNO | errno.ENOSYS
        assert judge(machine, syscalls.CLONE3[COLUMN[machine]]) == ERRNO | errno.ENOSYS

    @given(flags=st.integers(0, 2**64 - 1))
    def test_clone_makes_processes_and_threads_but_no_namespaces(self, machine: str, flags: int) -> None:
        new = flags & 0x7E020000
        expected = ERRNO | errno.EPERM if new else ALLOW
        assert judge(machine, syscalls.CLONE[COLUMN[machine]], flags) == expected

    @given(flags=st.integers(0, 2**64 - 1))
    def test_unshare_makes_no_namespaces(self, machine: str, flags: int) -> None:
        new = flags & 0x7E020080
        expected = ERRNO | errno.EPERM if new else ALLOW
        assert judge(machine, syscalls.UNSHARE[COLUMN[machine]], flags) == expected

    @given(family=st.integers(0, 2**64 - 1), protocol=st.integers(0, 2**32 - 1))
    def test_only_a_few_socket_families_exist(self, machine: str, family: int, protocol: int) -> None:
        low = family & 0xFFFFFFFF
        open_ = low in (1, 2, 10) or (low == 16 and protocol == 0)
        answer = judge(machine, syscalls.SOCKET[COLUMN[machine]], family, 1, protocol)
        assert answer == (ALLOW if open_ else ERRNO | errno.EAFNOSUPPORT)

    @pytest.mark.parametrize("family", [1, 2, 10, 16, 40])
    def test_known_socket_families(self, machine: str, family: int) -> None:
        allowed = judge(machine, syscalls.SOCKET[COLUMN[machine]], family, 1, 0) == ALLOW
        assert allowed == (family != 40)
        paired = judge(machine, syscalls.SOCKETPAIR[COLUMN[machine]], family, 1, 0) == ALLOW
        assert paired == (family == 1)

    @given(high=st.integers(0, 2**32 - 1))
    def test_terminal_injection_cannot_hide_in_the_upper_half(self, machine: str, high: int) -> None:
        for request in (0x5412, 0x541C):
            answer = judge(machine, syscalls.IOCTL[COLUMN[machine]], 0, high << 32 | request)
            assert answer == ERRNO | errno.EPERM

    def test_a_personality_can_be_asked_for_but_not_changed(self, machine: str) -> None:
        number = syscalls.PERSONALITY[COLUMN[machine]]
        assert judge(machine, number, 0xFFFFFFFF) == ALLOW
        assert judge(machine, number, 0x0040000) == ERRNO | errno.EPERM


def test_x32_calls_are_refused() -> None:
    for number in (0, 1, 39, 512, 547):
        assert judge("x86_64", 0x40000000 | number) == ERRNO | errno.EPERM


def test_an_unknown_architecture_has_no_filter() -> None:
    with pytest.raises(KeyError):
        seccomp.program("riscv64")
