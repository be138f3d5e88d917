"""`automa run FILE` with the packages that the file declares."""

from pathlib import Path

import pytest

from support.server import Server


@pytest.fixture
def shell(home: Path) -> Server:
    """A home without a server."""
    return Server(home)


def write(folder: Path, source: str) -> str:
    path = folder / "script.py"
    path.write_text(source)
    return str(path)


def test_what_a_file_declares_is_installed_for_it(shell: Server, tmp_path: Path) -> None:
    block = '# /// script\n# dependencies = ["iniconfig>=2"]\n# ///\n'
    path = write(tmp_path, f"{block}import iniconfig\ndef main(): return iniconfig.__name__\n")
    done = shell.command("run", path)
    assert (done.returncode, done.stdout) == (0, '"iniconfig"\n'), done.stderr
    assert "packages: iniconfig>=2" in done.stderr


def test_a_hostile_dependency_is_refused_before_anything_is_fetched(shell: Server, tmp_path: Path) -> None:
    block = '# /// script\n# dependencies = ["x @ file:///etc/passwd"]\n# ///\n'
    done = shell.command("run", write(tmp_path, f"{block}print(1)\n"))
    assert done.returncode == 2
    assert "line 2" in done.stderr
    assert "dependencies[0]" in done.stderr
