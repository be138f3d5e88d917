"""`[tool.automa]`: read strictly, or refused with the field and its line."""

from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from automa.catalog.declaration import BOUNDS, read_declaration
from automa.catalog.inspect import Inspection, inspect_source
from automa.catalog.permissions import Permissions
from automa.catalog.source import Problem, SourceError
from automa.config import LimitSettings
from automa.runs.schemas import LimitRequest
from support.permissions import names, permissions


def block(*lines: str) -> str:
    inner = "".join(f"# {line}\n" for line in ("[tool.automa]", *lines))
    return f"# /// script\n{inner}# ///\nprint(1)\n"


def declared(*lines: str) -> Permissions:
    return read_declaration(block(*lines)).permissions


def refused(*lines: str) -> Problem:
    with pytest.raises(SourceError) as caught:
        read_declaration(block(*lines))
    return caught.value.problem


class TestPermissions:
    def test_who_declares_nothing_may_nothing_beyond_the_defaults(self) -> None:
        assert read_declaration("print(1)").permissions == Permissions()
        assert declared() == Permissions()

    def test_everything_that_can_be_declared(self) -> None:
        found = declared(
            'entry = "main"',
            'network = ["API.example.org:443", "*.example.com:80", "10.0.0.1:5432", "[2001:DB8:0::1]:22"]',
            'secrets = ["B", "A", "B"]',
            'paths = { reports = "write", data = "read" }',
            "memory_bytes = 1_073_741_824",
            "cpus = 1.5",
        )
        assert found == Permissions(
            ("*.example.com:80", "10.0.0.1:5432", "[2001:db8::1]:22", "api.example.org:443"),
            ("A", "B"),
            {"data": "read", "reports": "write"},
            {"cpus": 1.5, "memory_bytes": 2**30},
        )
        assert list(found.paths) == ["data", "reports"]

    @pytest.mark.parametrize(
        ("written", "meant"),
        [("false", False), ("true", True), ('"none"', False), ("[]", False)],
    )
    def test_the_network_as_a_whole(self, written: str, meant: Any) -> None:
        assert declared(f"network = {written}").network == meant

    @pytest.mark.parametrize(
        "host",
        [
            "example.org", "example.org:0", "example.org:65536", "example.org:080", ":443", "*:443",
            "*.org:443", "a b:1", "https://example.org:443", "exämple.org:443", "-a.org:1", "a..b:1", "a/b:1",
            "user@host:1",
            "1.2.3:80", "0x7f.1:80", "127.1:80", "2130706433:80", "[::1%lo]:1", "::1:80", "[::1]", "a*.org:1",
            "*.*.org:1", "x" * 64 + ".org:1", "a.org:1\n", "ａ.org:1", "a.org:١",
        ],
    )  # fmt: skip
    def test_what_is_no_host_and_port_is_refused(self, host: str) -> None:
        toml = '"' + host.replace("\n", "\\n") + '"'
        found = refused(f"network = [{toml}]")
        assert "is not a host and a port" in found.message
        assert found.line == 3

    @pytest.mark.parametrize("value", ['"all"', "1", "{ a = 1 }", "[1]", '[["a:1"]]'])
    def test_a_network_of_another_kind_is_refused(self, value: str) -> None:
        assert "`network` of `[tool.automa]` must be" in refused(f"network = {value}").message

    @pytest.mark.parametrize(
        "line",
        [
            'paths = ["a"]', 'paths = { A = "read" }', 'paths = { "../x" = "read" }', "paths = { a = true }",
            'paths = { a = "rw" }', 'secrets = ["a b"]', 'secrets = [""]', 'secrets = "A"', "entry = 1",
            'secrets = ["A=B"]', "[tool.automa.paths.a]",
        ],
    )  # fmt: skip
    def test_names_are_checked(self, line: str) -> None:
        found = refused("cpus = 1", line)
        assert found.line == 4
        assert "of `[tool.automa]`" in found.message

    @pytest.mark.parametrize(
        "line",
        [
            "memory_bytes = 1", "memory_bytes = 1e9", 'memory_bytes = "1 GiB"', "memory_bytes = true",
            "cpus = nan",
            "cpus = 0", "timeout_s = inf", "timeout_s = -1", "processes = 1.5", "cpus = []",
            "processes = 1" + "0" * 400,
        ],
    )  # fmt: skip
    def test_limits_have_bounds(self, line: str) -> None:
        found = refused(line)
        assert found.line == 3
        assert found.message.startswith(f"`{line.partition(' ')[0]}`")

    def test_limits_are_those_of_the_settings_and_of_a_submission(self) -> None:
        assert set(BOUNDS) == set(LimitSettings.model_fields) >= set(LimitRequest.model_fields)
        for model in (LimitSettings, LimitRequest):
            for name, field in model.model_fields.items():
                for item in field.metadata:
                    assert getattr(item, "ge", BOUNDS[name].least) == BOUNDS[name].least, name
                    assert getattr(item, "le", BOUNDS[name].most) == BOUNDS[name].most, name

    def test_a_misspelt_field_is_an_error_that_helps(self) -> None:
        found = refused("cpus = 1", "netwrok = true")
        assert (found.line, found.message) == (
            4, "`netwrok` is not known in `[tool.automa]`: did you mean `network`?",
        )  # fmt: skip
        assert "known are entry, network" in refused("zzz = 1").message

    def test_messages_hold_nothing_that_a_terminal_obeys(self) -> None:
        found = refused('network = ["\\u001b]0;x\\u0007\\u202e' + "x" * 500 + '"]')
        assert found.message.isascii()
        assert found.message.isprintable()
        assert len(found.message) < 300

    def test_too_many_are_refused(self) -> None:
        names = ", ".join(f'"a{number}:1"' for number in range(101))
        assert "more than 100" in refused(f"network = [{names}]").message

    @pytest.mark.parametrize("text", ["tool = 1", "[tool]\n# automa = 1", "[[tool.automa]]"])
    def test_a_table_is_a_table(self, text: str) -> None:
        with pytest.raises(SourceError, match="must be a table"):
            read_declaration(f"# /// script\n# {text}\n# ///\n")


PROJECT = b'[project]\nname = "x"\n\n[tool.automa]\nnetwork = true\n'


class TestProject:
    def test_a_tree_may_declare_in_its_project_file(self) -> None:
        assert read_declaration("print(1)", PROJECT).permissions.network is True

    def test_a_project_file_of_other_tools_declares_nothing(self) -> None:
        assert read_declaration(block("cpus = 2"), b"[tool.ruff]\n").permissions.limits == {"cpus": 2}

    def test_two_declarations_are_one_too_many(self) -> None:
        with pytest.raises(SourceError, match="keep one of them") as caught:
            read_declaration(block(), PROJECT)
        assert caught.value.problem.line == 2

    @pytest.mark.parametrize(
        ("project", "line"),
        [(b"\n[tool.automa]\ncpus = 'x'\n", 3), (b"x =\n", 1), (b"\xff", 1), (b"\n\nx = 1\nx = 1\n", 4)],
    )
    def test_its_problems_name_it(self, project: bytes, line: int) -> None:
        found = inspect_source(b"print(1)", {"pyproject.toml": project}).problem
        assert found is not None
        assert (found.file, found.line) == ("pyproject.toml", line)


class TestInspection:
    def test_it_carries_the_permissions_through_the_helpers_json(self) -> None:
        for source in (block('network = ["a:1"]', 'paths = { a = "read" }'), "def main(): ...\n"):
            found = inspect_source(source.encode())
            assert Inspection.from_json(found.to_json()) == found
        assert inspect_source((block("cpus = 2") + "def main(): ...\n").encode()).permissions.limits == {
            "cpus": 2
        }


def written(wanted: Permissions) -> str:
    def text(values: Any) -> str:
        return "[" + ", ".join(f'"{value}"' for value in values) + "]"

    network = text(wanted.network) if not isinstance(wanted.network, bool) else str(wanted.network).lower()
    paths = ", ".join(f'{name} = "{mode}"' for name, mode in wanted.paths.items())
    limits = [f"{name} = {value!r}" for name, value in wanted.limits.items()]
    return block(
        f"network = {network}", f"secrets = {text(wanted.secrets)}", f"paths = {{ {paths} }}", *limits
    )


@given(permissions)
def test_what_is_written_is_what_is_read(wanted: Permissions) -> None:
    assert read_declaration(written(wanted)).permissions == wanted


toml_values = st.recursive(
    st.sampled_from(["true", "1", "-1.5", "nan", '"a:1"', '""', "1979-05-27", "'''x'''"]),
    lambda inner: (
        st.lists(inner, max_size=3).map(lambda items: f"[{', '.join(items)}]")
        | st.dictionaries(names, inner, max_size=3).map(
            lambda items: "{" + ", ".join(f"{name} = {value}" for name, value in items.items()) + "}"
        )
    ),
    max_leaves=6,
)


@given(st.sampled_from(["network", "secrets", "paths", "entry", "cpus", "memory_bytes", "x"]), toml_values)
@example("network", "[[]]")
def test_any_toml_is_read_or_refused_with_its_line(name: str, value: str) -> None:
    try:
        read_declaration(block(f"{name} = {value}"))
    except SourceError as error:
        assert error.problem.line == 3  # noqa: PT017
