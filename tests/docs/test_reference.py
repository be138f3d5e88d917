"""What the reference says is what the code has."""

from pathlib import Path

import pytest

import generate
from automa.config import Settings
from automa.sdk import hookspecs
from automa.sdk.runs import Limits, RunState
from reference_pages import errors
from support.markdown import ROOT

REFERENCE = ROOT / "docs" / "reference"


@pytest.fixture(scope="module")
def pages() -> dict[Path, str]:
    return generate.pages()


class TestGeneratedPages:
    def test_they_are_what_the_generator_writes(self, pages: dict[Path, str]) -> None:
        stale = [
            path.name for path, text in pages.items() if not path.exists() or path.read_text("utf-8") != text
        ]
        assert not stale, f"run `make docs`: {', '.join(stale)}"

    def test_every_setting_is_there(self) -> None:
        text = (REFERENCE / "settings.md").read_text("utf-8")
        for name in Settings.model_fields:
            assert f"`AUTOMA_{name.upper()}" in text

    def test_every_error_code_is_there_and_is_used_once(self) -> None:
        text = (REFERENCE / "errors.md").read_text("utf-8")
        codes = [error.code for error in errors.all_errors()]
        assert len(codes) == len(set(codes))
        assert all(f"`{code}`" in text for code in codes)

    def test_every_hook_is_there(self) -> None:
        text = (REFERENCE / "hooks.md").read_text("utf-8")
        hooks = [name for name, value in vars(hookspecs).items() if hasattr(value, "automa_spec")]
        assert hooks
        assert all(f"### {name}\n" in text for name in hooks)

    def test_every_command_is_there(self) -> None:
        from automa.cli import COMMANDS

        text = (REFERENCE / "cli.md").read_text("utf-8")
        assert all(f"`automa {name}" in text for name in COMMANDS)


class TestWrittenPages:
    def test_every_state_of_a_run_is_in_the_glossary(self) -> None:
        text = (REFERENCE / "glossary.md").read_text("utf-8")
        assert all(f"`{state}`" in text for state in RunState)

    def test_every_limit_is_on_the_page_about_security(self) -> None:
        text = (ROOT / "docs/explanation/security.md").read_text("utf-8")
        assert all(f"`{name}`" in text for name in Limits.__slots__)

    def test_every_decision_has_a_number_of_its_own_and_is_listed(self) -> None:
        folder = ROOT / "docs/decisions"
        decisions = sorted(path.name for path in folder.glob("[0-9]*.md"))
        # Gaps may be: a number is given out when somebody begins to write, and decisions come in any order.
        assert len({name[:4] for name in decisions}) == len(decisions)
        index = (folder / "README.md").read_text("utf-8")
        assert all(f"({name})" in index for name in decisions)
