"""What an init believes of the processes that end under it."""

import os
import resource
import sys
from collections.abc import Iterator
from types import ModuleType

import pytest

from automa_sandbox import guest

_SCRIPT = 2


@pytest.fixture
def again(monkeypatch: pytest.MonkeyPatch) -> Iterator[ModuleType]:
    """The module, under the name that it has in the sandbox."""
    monkeypatch.setitem(sys.modules, "automa_guest", guest)
    from automa_sandbox.guest import again

    yield again
    sys.modules.pop("automa_sandbox.guest.again")


def test_who_gets_the_script_s_number_after_its_end_does_not_tell_its_end(
    again: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    ends = [(7, 0), (_SCRIPT, 3 << 8), (_SCRIPT, 0), (_SCRIPT, 9)]

    def wait4(pid: int, options: int) -> tuple[int, int, resource.struct_rusage]:
        assert options & 0x40000000, "children of every kind"
        if not ends:
            raise ChildProcessError
        return (*ends.pop(0), resource.getrusage(resource.RUSAGE_SELF))

    monkeypatch.setattr(os, "wait4", wait4)
    account = again.Account(_SCRIPT)
    account.reap()
    assert (account.is_over, account.status) == (True, 3 << 8)
    assert len(ends) == 2, "those who end after it do not hold it back"
    assert len(ends) == 2, "who ends after it does not hold it back"
    account.end_the_rest()
    assert account.status == 3 << 8
