"""Which runtime is gVisor is told by its program; what is set for it is told apart from the others."""

from typing import Any

import pytest

from automa_sandbox.host import Unusable
from automa_sandbox.runners.docker.gvisor_survey import is_gvisor, ordinary_runtime

RUNTIMES = {"runc": {"path": "runc"}, "safe": {"path": "/usr/local/bin/runsc", "runtimeArgs": []}}


def about(default: str = "runc") -> dict[str, Any]:
    return {"Runtimes": RUNTIMES, "DefaultRuntime": default}


@pytest.mark.parametrize(
    ("name", "runtime", "expected"),
    [
        ("runc", {"path": "runc"}, False),
        ("safe", {"path": "/usr/bin/runsc"}, True),
        ("runsc-kvm", {"path": "/opt/runsc-2024"}, True),
        ("safe", {"runtimeType": "io.containerd.runsc.v1"}, True),
        ("crun", {"path": "/usr/bin/crun"}, False),
        ("runsc", {}, True),
    ],
)
def test_gvisor_is_known_by_its_program(name: str, runtime: dict[str, Any], expected: bool) -> None:
    assert is_gvisor(name, runtime) is expected


class TestOrdinaryRuntime:
    def test_it_is_the_engine_s_choice_unless_that_is_gvisor(self) -> None:
        assert ordinary_runtime(None, about()) is None
        assert ordinary_runtime(None, about(default="safe")) == "runc"
        assert ordinary_runtime("runc", about(default="safe")) == "runc"

    def test_gvisor_is_named_elsewhere(self) -> None:
        with pytest.raises(Unusable, match=r"plugins\.sandbox\.docker\.gvisor"):
            ordinary_runtime("safe", about())

    def test_what_the_engine_does_not_have_is_refused(self) -> None:
        with pytest.raises(Unusable, match="no runtime 'spam'"):
            ordinary_runtime("spam", about())
