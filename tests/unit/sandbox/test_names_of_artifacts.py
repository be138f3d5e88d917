"""Names of artifacts that differ in a secret only are told apart all the same."""

import os
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from automa.sdk.runs import Limits
from automa_sandbox import artifacts
from automa_sandbox.artifacts import Names, collect
from automa_sandbox.masking import Mask

SECRETS = ("first-secret", "other-secret")


def test_files_of_secret_names_are_both_kept_under_names_of_their_own(tmp_path: Path) -> None:
    made, attempt = tmp_path / "made", tmp_path / "attempt"
    for folder in (made, attempt):
        folder.mkdir()
    for value in SECRETS:
        (made / f"{value}.csv").write_text(value)
        (made / f"of {value}").mkdir()
        (made / f"of {value}" / "x").write_text(value)
    descriptor = os.open(made, os.O_RDONLY | os.O_DIRECTORY)
    found = collect(descriptor, attempt, Limits(), Mask(SECRETS))
    os.close(descriptor)
    names = [item.name for item in found.items]
    assert sorted(names) == ["*** (2).csv", "***.csv", "of ***/x", "of ***/x (2)"]
    assert {(attempt / "artifacts" / str(item.number)).read_text() for item in found.items} == set(SECRETS)
    assert found.skipped == 0


def test_a_file_cannot_have_the_name_of_a_folder() -> None:
    names = Names()
    assert [names.take(name) for name in ("***", "***/x", "a/***", "a")] == ["***", None, "a/***", "a (2)"]


def test_there_is_an_end_to_names_that_are_alike(monkeypatch) -> None:
    monkeypatch.setattr(artifacts, "_MOST_ALIKE", 2)
    names = Names()
    assert [names.take("***") for _ in range(3)] == ["***", "*** (2)", None]


@given(st.lists(st.from_regex(r"[a-b*.]{1,3}(/[a-b*.]{1,2})?( \(2\))?", fullmatch=True), max_size=12))
def test_no_two_names_are_the_same_and_none_is_a_folder_of_another(wanted: list[str]) -> None:
    names = Names()
    taken = [name for name in (names.take(one) for one in wanted) if name is not None]
    assert len(set(taken)) == len(taken)
    assert not [(one, other) for one in taken for other in taken if other.startswith(f"{one}/")]
