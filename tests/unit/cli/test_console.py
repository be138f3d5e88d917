"""What commands share: tables for people, JSON for programs, one exit code per kind of error."""

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from automa.cli.console import Exit, exit_code_of, fail, note, run, show, told
from automa.errors import (
    ConfigError,
    Conflict,
    FieldError,
    Forbidden,
    InvalidPayload,
    NotFound,
    SandboxUnavailable,
    Unavailable,
)

ROWS = [
    {"name": "report", "owner_id": "u1", "active": True, "note": None},
    {"name": "[bold]x[/] 報告", "owner_id": "u2", "active": False, "note": "y" * 300},
]


class TestShowing:
    def test_a_list_is_a_table_that_is_not_cut(self, capsys: pytest.CaptureFixture[str]) -> None:
        show(ROWS, as_json=False)
        head, first, second = capsys.readouterr().out.splitlines()
        assert head.split() == ["name", "owner", "id", "active", "note"]
        assert first.split() == ["report", "u1", "yes", "–"]
        assert second.split() == ["[bold]x[/]", "報告", "u2", "no", "y" * 300]

    def test_columns_can_be_chosen(self, capsys: pytest.CaptureFixture[str]) -> None:
        show(ROWS, as_json=False, columns=("owner_id", "missing"))
        assert capsys.readouterr().out.split() == ["owner", "id", "missing", "u1", "–", "u2", "–"]

    def test_no_more_of_a_number_is_shown_than_anybody_reads(
        self, capsys: pytest.CaptureFixture[str]
    ) -> None:
        show([{"a": 0.17983568500494584, "b": 2.0, "c": 3600.5, "d": 10}], as_json=False)
        assert capsys.readouterr().out.split() == ["a", "b", "c", "d", "0.18", "2", "3600.5", "10"]

    def test_one_thing_is_a_list_of_facts(self, capsys: pytest.CaptureFixture[str]) -> None:
        show({"name": "x", "owner_id": "u1"}, as_json=False)
        assert capsys.readouterr().out == "name      x\nowner id  u1\n"

    @pytest.mark.parametrize("nothing", [[], ()])
    def test_nothing_is_said_beside_the_answer(
        self, capsys: pytest.CaptureFixture[str], nothing: Any
    ) -> None:
        show(nothing, as_json=False)
        assert capsys.readouterr() == ("", "Nothing yet.\n")

    def test_json_is_json_whatever_it_is(self, capsys: pytest.CaptureFixture[str]) -> None:
        for data in (ROWS, [], {}, {"at": datetime(2026, 1, 1, tzinfo=UTC)}):
            show(data, as_json=True)
            assert json.loads(capsys.readouterr().out) == json.loads(json.dumps(data, default=str))

    def test_notes_stay_out_of_pipes(self, capsys: pytest.CaptureFixture[str]) -> None:
        note("done")
        assert capsys.readouterr() == ("", "done\n")


class TestFailing:
    @pytest.mark.parametrize(
        ("error", "code"),
        [
            (InvalidPayload(), 2),
            (ConfigError(), 2),
            (SandboxUnavailable(), 3),
            (Unavailable(), 1),
            (NotFound(), 1),
            (Conflict(), 1),
            (Forbidden(), 1),
        ],
    )
    def test_each_kind_has_its_exit_code(self, error: Any, code: int) -> None:
        assert exit_code_of(error) == code

    def test_it_tells_people_what_and_where(self, capsys: pytest.CaptureFixture[str]) -> None:
        with pytest.raises(SystemExit) as left:
            fail(InvalidPayload("Some are wrong.", errors=[FieldError("/params/n", "too large")]))
        assert left.value.code == Exit.USAGE
        assert capsys.readouterr() == ("", "error: Some are wrong.\n  /params/n: too large\n")

    def test_it_tells_programs_the_problem(self, capsys: pytest.CaptureFixture[str]) -> None:
        with pytest.raises(SystemExit):
            fail(NotFound(), as_json=True)
        said = capsys.readouterr()
        assert json.loads(said.out)["code"] == "not_found"
        assert said.err == "error: Not found\n"


class TestRunning:
    def test_it_gives_the_answer(self) -> None:
        async def work() -> int:
            return 7

        assert run(work()) == 7

    @pytest.mark.parametrize(
        ("error", "said", "code"),
        [
            (NotFound("No such user."), "error: No such user.\n", 1),
            (OSError(28, "No space left on device", "/x/y"), "error: No space left on device (/x/y)\n", 1),
            (PermissionError(13, "Permission denied"), "error: Permission denied\n", 1),
            (BrokenPipeError(32, "Broken pipe"), "", 1),
            (KeyboardInterrupt(), "", 130),
        ],
    )
    def test_what_people_can_mend_is_no_traceback(
        self, capsys: pytest.CaptureFixture[str], error: BaseException, said: str, code: int
    ) -> None:
        with pytest.raises(SystemExit) as left, told():
            raise error
        assert left.value.code == code
        assert capsys.readouterr().err == said

    def test_a_mistake_of_ours_is_one(self) -> None:
        with pytest.raises(ZeroDivisionError), told():
            raise ZeroDivisionError
