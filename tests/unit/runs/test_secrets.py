"""What a run declares is looked up just before it starts, and handed to its runner in memory only."""

from collections.abc import Mapping
from types import SimpleNamespace
from typing import Any

import pytest

from automa.errors import NotFound
from automa.runs.models import RunRow
from automa.runs.secrets import SecretsOfRuns, declared
from automa.sdk.runs import NO_SECRETS, RunState
from automa.secrets.keys import KeyFile
from automa.secrets.use import SecretUse


class Kept:
    """Stands for the secrets: gives what it has, or says what is missing."""

    def __init__(self, values: Mapping[str, str] | None) -> None:
        self.values = values

    async def of(self, row: RunRow) -> Mapping[str, str]:
        if self.values is None:
            raise NotFound("The script declares secrets that are not there for it: API_KEY.")
        return self.values


@pytest.mark.parametrize(
    ("permissions", "names"),
    [(None, ()), ({}, ()), ({"secrets": ["A", "B"]}, ("A", "B"))],
)
def test_names_come_from_the_permissions_of_the_run(permissions: Any, names: tuple[str, ...]) -> None:
    row: Any = SimpleNamespace(permissions=permissions)
    assert declared(row) == names


async def test_a_run_that_declares_none_asks_for_nothing(bench: Any) -> None:
    of_runs = SecretsOfRuns(SecretUse(KeyFile(bench.home.path / "none")), bench.changes)
    row: Any = SimpleNamespace(permissions=None)
    assert await of_runs.of(row) is NO_SECRETS


class TestTheDispatcher:
    async def test_values_go_to_the_runner_and_to_no_file(self, bench: Any) -> None:
        handed: list[Mapping[str, str]] = []
        start = bench.runner.start

        async def noting(spec: Any, secrets: Mapping[str, str] = NO_SECRETS) -> Any:
            handed.append(secrets)
            return await start(spec)

        bench.runner.start = noting
        await bench.start()
        bench.dispatcher._secrets = Kept({"API_KEY": "hunter22-and-more"})
        [run_id] = await bench.submit()
        await bench.runner.until_started(1)
        assert handed == [{"API_KEY": "hunter22-and-more"}]
        files = [path for path in bench.attempt_dir(run_id).rglob("*") if path.is_file()]
        assert files
        assert all(b"hunter22" not in path.read_bytes() for path in files)

    async def test_a_missing_one_is_named_and_nothing_starts(self, bench: Any) -> None:
        await bench.start()
        bench.dispatcher._secrets = Kept(None)
        [run_id] = await bench.submit()
        row = await bench.until(run_id)
        assert row.state == RunState.START_FAILED
        assert "API_KEY" in row.reason
        assert bench.runner.started == []
