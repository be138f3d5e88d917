"""What the files of a tree ask for, and what is refused in them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from packaging.requirements import Requirement

from automa.catalog.inspect import Inspection, inspect_source
from automa.catalog.requirements import MAX_DEPENDENCIES, read_requirements
from automa.catalog.source import SourceError

HASH = "a" * 64
ROOT = 'version = 1\n[[package]]\nname = "app"\nversion = "1"\nsource = { virtual = "." }\n'
INDEXED = '[[package]]\nname = "x"\nversion = "2"\nsource = { registry = "https://index.example/simple" }\n'


def tree(source: str = "print(1)\n", **files: str) -> Inspection:
    """A program whose tree has these files; `_` in a name is a dot."""
    return inspect_source(
        source.encode(), {name.replace("_", "."): text.encode() for name, text in files.items()}
    )


def problem(**files: str) -> tuple[str | None, int, str]:
    found = tree(**files).problem
    assert found is not None
    return found.file, found.line, found.message


class TestRequirements:
    def test_names_with_versions_are_taken_and_comments_are_not(self) -> None:
        text = (
            "# what we need\nrequests >= 2.31  # http\n\nrich[jupyter] ; os_name=='x'\r\n  idna \\\n  ==3.7\n"
        )
        wanted = tree(requirements_txt=text).dependencies
        assert wanted.requirements == ("requests>=2.31", 'rich[jupyter]; os_name == "x"', "idna==3.7")
        assert wanted.lock is None

    def test_a_file_with_hashes_is_a_lock(self) -> None:
        text = f"idna==3.7 \\\n    --hash=sha256:{HASH} \\\n    --hash=sha256:{HASH}\n"
        wanted = tree(requirements_txt=text).dependencies
        assert wanted.lock == f"idna==3.7 --hash=sha256:{HASH} --hash=sha256:{HASH}\n"
        assert Inspection.from_json(tree(requirements_txt=text).to_json()).dependencies == wanted

    def test_hashes_are_for_all_or_for_none_and_for_exact_versions(self) -> None:
        assert problem(requirements_txt=f"a==1 --hash=sha256:{HASH}\nb\n")[:2] == ("requirements.txt", 2)
        assert "exact version" in problem(requirements_txt=f"a>1 --hash=sha256:{HASH}\n")[2]

    @pytest.mark.parametrize(
        "hostile",
        [
            "--index-url https://evil.example/simple", "-i https://evil.example", "-e .", "-e git+file:///etc",
            "-r /etc/passwd", "-c other.txt", "../x", "./x.whl", "/etc/passwd", "file:///x",
            "x.whl", "x-1.tar.gz",
            "x @ file:///etc/passwd", "git+https://evil.example/x", "https://evil.example/x.whl",
            "requests --index-url https://evil.example", "requests --global-option=x",
            "--hash=sha256:" + HASH,
            "x==1 --hash=md5:d41d8cd98f00b204e9800998ecf8427e", "$(id)", "requests\x0b--pre", "-\\\nr x",
        ],
    )  # fmt: skip
    def test_a_hostile_line_is_refused_with_its_file_and_line(self, hostile: str) -> None:
        file, line, _ = problem(requirements_txt=f"rich\n{hostile}\n")
        assert (file, line) == ("requirements.txt", 2)

    def test_there_is_an_end_to_how_many(self) -> None:
        assert "more than" in problem(requirements_txt="x\n" * (MAX_DEPENDENCIES + 1))[2]

    @given(st.binary(max_size=80) | st.text(max_size=60).map(str.encode))
    def test_whatever_is_taken_is_a_name_without_an_address(self, data: bytes) -> None:
        try:
            wanted = read_requirements(data)
        except SourceError:
            return
        for item in wanted.requirements:
            assert Requirement(item).url is None
            assert item[0].isalnum()
            assert "\n" not in item


class TestProject:
    def test_its_dependencies_and_its_versions_of_python_are_taken(self) -> None:
        text = '[project]\nrequires-python = ">=3.11"\ndependencies = ["requests >= 2"]\n'
        wanted = tree(pyproject_toml=text).dependencies
        assert (wanted.requirements, wanted.requires_python) == (("requests>=2",), ">=3.11")

    @pytest.mark.parametrize(
        ("text", "line"),
        [
            ('[project]\ndependencies = [\n  "x @ file:///etc/passwd",\n]\n', 3),
            ('[project]\ndynamic = ["dependencies"]\n', 2),
            ('[project]\nrequires-python = "three"\n', 2),
            ('[tool.uv]\nindex-url = "https://evil.example"\n', 2),
            ('[tool.uv.sources]\nx = { path = "/etc" }\n', 1),
        ],
    )
    def test_what_leads_elsewhere_is_refused_with_its_file_and_line(self, text: str, line: int) -> None:
        assert problem(pyproject_toml=text)[:2] == ("pyproject.toml", line)

    def test_the_block_of_the_entry_file_goes_first_then_what_is_locked(self) -> None:
        project = '[project]\nrequires-python = ">=3.10"\ndependencies = ["a"]\n'
        files = {"pyproject_toml": project, "requirements_txt": "b\n"}
        block = '# /// script\n# dependencies = ["c"]\n# ///\nprint(1)\n'
        assert tree(block, **files).dependencies.requirements == ("c",)
        wanted = tree(**files).dependencies
        assert (wanted.requirements, wanted.requires_python) == (("b",), ">=3.10")
        locked = tree(**files, uv_lock=ROOT).dependencies
        assert (locked.requirements, locked.uv_lock) == (("a",), ROOT)


class TestUvLock:
    def test_a_lock_of_packages_from_an_index_is_taken_as_it_is(self) -> None:
        wanted = tree(uv_lock=ROOT + INDEXED).dependencies
        assert (wanted.requirements, wanted.uv_lock) == ((), ROOT + INDEXED)

    @pytest.mark.parametrize(
        ("source", "kind"),
        [
            ('{ git = "https://evil.example/x" }', "git"),
            ('{ url = "https://evil.example/x.whl" }', "url"),
            ('{ path = "../x.whl" }', "path"),
            ('{ editable = "../other" }', "editable"),
            ('{ registry = "/srv/wheels" }', "registry"),
            ('{ registry = "https://index.example/simple", git = "x" }', "git, registry"),
            ("{ }", "nothing"),
        ],
    )
    def test_what_comes_from_elsewhere_is_refused_with_the_line_of_the_package(
        self, source: str, kind: str
    ) -> None:
        hostile = f'[[package]]\nname = "y"\nsource = {source}\n'
        file, line, message = problem(uv_lock=ROOT + INDEXED + hostile)
        assert (file, line) == ("uv.lock", 10)
        assert f"({kind})" in message

    @pytest.mark.parametrize(
        "text",
        ["version = 2\n", "version = 1\n", ROOT + ROOT[12:], "version = 1\npackage = 3\n", "version =",
         'version = 1\n[[package]]\nname = "a\\nb"\nsource = { virtual = "." }\n'],
    )  # fmt: skip
    def test_what_is_no_lock_of_one_project_is_refused(self, text: str) -> None:
        assert problem(uv_lock=text)[0] == "uv.lock"
