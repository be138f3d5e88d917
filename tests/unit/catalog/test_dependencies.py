"""What a program needs from the index, and what is refused before an installer sees it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from packaging.requirements import Requirement

from automa.catalog.dependencies import MAX_DEPENDENCIES
from automa.catalog.inspect import Inspection, inspect_source


def inspect(*lines: str) -> Inspection:
    block = "\n".join(f"# {line}".rstrip() for line in lines)
    return inspect_source(f"# /// script\n{block}\n# ///\nprint(1)\n".encode())


def problem(*lines: str) -> tuple[int, str]:
    found = inspect(*lines).problem
    assert found is not None
    return found.line, found.message


class TestDependencies:
    def test_a_script_without_a_block_needs_nothing(self) -> None:
        found = inspect_source(b"print(1)")
        assert found.dependencies.is_nothing

    def test_requirements_are_read_in_their_normal_form(self) -> None:
        needs = "requests >= 2.31", "rich[jupyter]; os_name=='x'"
        found = inspect('requires-python = ">=3.11"', f'dependencies = ["{needs[0]}", "{needs[1]}"]')
        assert found.problem is None
        assert found.dependencies.requirements == ("requests>=2.31", 'rich[jupyter]; os_name == "x"')
        assert found.dependencies.requires_python == ">=3.11"

    def test_an_inspection_keeps_them_on_its_way_out_of_the_helper(self) -> None:
        found = inspect('dependencies = ["requests"]', 'requires-python = "~=3.11"')
        assert Inspection.from_json(found.to_json()) == found

    @pytest.mark.parametrize(
        "hostile",
        [
            "--index-url https://evil.example/simple",
            " --extra-index-url=https://evil.example",
            "-e git+file:///etc",
            "-r /etc/passwd",
            "../x",
            "./x",
            "/etc/passwd",
            "file:///etc/passwd",
            "x @ file:///etc/passwd",
            "x @ http://127.0.0.1:8001/x.whl",
            "x @ http://169.254.169.254/latest",
            "x @ git+ssh://git@10.0.0.1/x",
            "requests --index-url https://evil.example",
            "requests\\n--index-url https://evil.example",
            "requests # comment",
            "",
        ],
    )
    def test_a_hostile_line_is_refused_with_its_field_and_line(self, hostile: str) -> None:
        line, message = problem("dependencies = [", '  "rich",', f'  "{hostile}",', "]")
        assert message.startswith("`dependencies[1]`")
        assert line == (4 if "\\n" not in hostile else 2)

    def test_an_index_of_the_scripts_own_is_refused(self) -> None:
        assert problem("[tool.uv]", "index-url = 'https://evil.example'") == (
            2, "`[tool.uv]` is not taken: where packages come from is a setting",
        )  # fmt: skip

    @pytest.mark.parametrize("value", ['"requests"', "[1]", "{a = 1}", "[['x']]"])
    def test_what_is_no_list_of_strings_is_refused(self, value: str) -> None:
        line, message = problem(f"dependencies = {value}")
        assert (line, "string" in message) == (2, True)

    def test_there_is_an_end_to_how_many_and_how_long(self) -> None:
        assert "more than" in problem(f"dependencies = {['x'] * (MAX_DEPENDENCIES + 1)}")[1]
        assert "longer" in problem(f"dependencies = ['{'x' * 600}']")[1]

    @pytest.mark.parametrize("value", ['"python three"', "3", "['>=3.11']"])
    def test_versions_of_python_must_be_versions(self, value: str) -> None:
        line, message = problem("dependencies = []", f"requires-python = {value}")
        assert (line, message.startswith("`requires-python`")) == (3, True)

    @given(st.text(st.characters(min_codepoint=32, max_codepoint=126, exclude_characters="'"), max_size=40))
    def test_whatever_is_taken_is_a_name_without_an_address(self, text: str) -> None:
        for item in inspect(f"dependencies = ['{text}']").dependencies.requirements:
            assert Requirement(item).url is None
            assert item[0].isalnum()
            assert "\n" not in item
