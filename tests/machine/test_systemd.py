"""Runs under a real systemd with control groups of version 2: limits that hold, restarts that end nothing."""

import json
from collections.abc import Iterator

import pytest

from machine.guest import Machine
from machine.image import PROJECT, VENV
from machine.service import Service

pytestmark = [pytest.mark.machine, pytest.mark.timeout(1800)]

COUNT = "import time\nfor number in range(100000):\n    print(number, flush=True)\n    time.sleep(0.2)\n"
ALLOCATE = "x = bytearray(400 * 1024 * 1024)\nprint('all')"
HARD = {"memory_bytes": "hard", "processes": "hard", "cpus": "hard"}


def held(run: dict[str, dict[str, str]]) -> dict[str, str]:
    return {name: run["enforcement"][name] for name in HARD}


def contract(machine: Machine, *, user: str, properties: str = "") -> str:
    """The contract suite's tests of limits, in a unit of their own; what pytest tells."""
    folder = f"/var/tmp/contract-{user}"
    machine.run(f"rm -rf {folder} && install -d -o {user} {folder}")
    return machine.run(
        f"systemd-run --quiet --wait --pipe -p User={user} {properties} --working-directory={folder} "
        f"-E HOME={folder} -E TMPDIR={folder} -E PATH=/usr/bin:/bin -E PYTHONDONTWRITEBYTECODE=1 "
        f"{VENV}/bin/pytest -q -p no:cacheprovider -k bubblewrap -c {PROJECT}/pyproject.toml "
        f"--rootdir {PROJECT} {PROJECT}/tests/contract/test_limits.py",
        timeout_s=1500,
    )


class TestLimits:
    """The contract's tests, where the kernel's groups are of version 2."""

    def test_they_hold_for_root(self, machine: Machine) -> None:
        assert " passed" in contract(machine, user="root")

    def test_they_hold_for_a_user_in_a_unit_with_a_delegated_group(self, machine: Machine) -> None:
        machine.run("useradd --system --create-home alone")
        assert " passed" in contract(machine, user="alone", properties="-p Delegate=yes")


@pytest.fixture(params=["root", "kept"], scope="class")
def service(request: pytest.FixtureRequest, machine: Machine) -> Iterator[Service]:
    """Automa as a service of root, and of a user whose own systemd is kept running."""
    made = Service(machine, request.param)
    if request.param != "root":
        machine.run(f"loginctl enable-linger {request.param}")
        machine.run(f"while ! [ -e /run/user/$(id -u {request.param})/bus ]; do sleep 0.2; done")
    yield made.start()
    made.systemctl("stop")


class TestAService:
    """With nothing in its unit but who runs what."""

    @pytest.fixture
    def counting(self, service: Service) -> str:
        return service.script(COUNT)

    def test_limits_are_hard(self, service: Service) -> None:
        run = service.submit(service.script(ALLOCATE), limits={"memory_bytes": 128 * 1024 * 1024})
        ended = service.wait(run, "oom_killed", "failed", "succeeded")
        assert (ended["state"], held(ended)) == ("oom_killed", HARD)

    @pytest.mark.parametrize("how", ["restart", "kill"])
    def test_runs_go_on_over_a_restart(self, service: Service, counting: str, how: str) -> None:
        run = service.submit(counting)
        service.wait(run, "running")
        before = len(service.lines(run))
        if how == "kill":
            service.machine.run("systemctl kill --signal=KILL --kill-who=main automa")
            service.machine.run("while systemctl is-active automa; do sleep 0.2; done")
        service.systemctl("restart")
        assert service.get(f"/runs/{run}")["state"] == "running"
        service.post(f"/runs/{run}/cancel")
        ended = service.wait(run, "cancelled", "lost", "failed")
        lines = service.lines(run)
        assert ended["state"] == "cancelled"
        assert lines == [str(number) for number in range(len(lines))]
        assert len(lines) >= before

    def test_a_run_that_is_ended_with_the_machine_is_lost_and_not_cancelled(
        self, service: Service, counting: str
    ) -> None:
        run = service.submit(counting)
        service.wait(run, "running")
        service.machine.run(_TELL_TO_END.format(user=service.user))
        ended = service.wait(run, "cancelled", "lost", "failed")
        assert (ended["state"], "from outside" in ended["reason"]) == ("lost", True)

    def test_doctor_says_so(self, service: Service) -> None:
        told = json.loads(service.command("doctor --json"))
        found = next(one for one in told["checks"] if one["name"] == "cgroups")
        assert found["level"] == "ok", found


# What systemd does first to all processes when the machine goes down.
_TELL_TO_END = """
systemctl kill 'automa-*.scope'
[ {user} = root ] || systemctl --user --machine={user}@ kill 'automa-*.scope'
"""
