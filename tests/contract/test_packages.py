"""An environment of installed packages, as a script sees it."""

from pathlib import Path

import pytest

from automa.sdk.runs import BuildsEnvironments, Runner, RunState
from support.lab import Lab


@pytest.fixture
async def environment(runner: Runner, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """For the interpreter on which this runner starts scripts, which may be an image's."""
    assert isinstance(runner, BuildsEnvironments)
    version = (await runner.find_python(None)).partition("-")[0]
    folder = tmp_path_factory.mktemp("environment")
    packages = folder / "lib" / f"python{version}" / "site-packages"
    (packages / "behind").mkdir(parents=True)
    (packages / "greeting.py").write_text("WORD = 'hello'")
    (packages / "json.py").write_text("raise RuntimeError('stands in for the standard library')")
    (packages / "automa.py").write_text("raise RuntimeError('stands in for the module of Automa')")
    (packages / "behind" / "hidden.py").write_text("WORD = 'found'")
    (packages / "paths.pth").write_text("behind\nimport sys; sys.by_pth = True\n")
    (folder / "bin").mkdir()
    (folder / "bin" / "greet").write_text("#!/bin/sh\necho from bin\n")
    (folder / "bin" / "greet").chmod(0o755)
    for path in (folder, *folder.rglob("*")):
        path.chmod(path.stat().st_mode | 0o755 if path.is_dir() else path.stat().st_mode | 0o444)
    return folder


@pytest.mark.needs("packages")
class TestPackages:
    async def test_packages_are_imported_and_pth_files_count(self, lab: Lab, environment: Path) -> None:
        source = "import sys, greeting, hidden\nprint(greeting.WORD, hidden.WORD, sys.by_pth)"
        assert await lab.see(source, environment=environment) == "hello found True"

    async def test_no_package_stands_in_for_the_standard_library_or_automa(
        self, lab: Lab, environment: Path
    ) -> None:
        source = "import json, automa\nprint(json.dumps([1]))"
        assert await lab.see(source, environment=environment) == "[1]"

    async def test_programs_of_packages_and_new_interpreters_find_them(
        self, lab: Lab, environment: Path
    ) -> None:
        source = """
import subprocess, sys
print(subprocess.check_output(["greet"], text=True).strip())
print(subprocess.check_output([sys.executable, "-c", "import greeting; print(greeting.WORD)"], text=True))
"""
        assert await lab.see(source, environment=environment) == "from bin\nhello"

    async def test_a_script_cannot_change_what_others_import(self, lab: Lab, environment: Path) -> None:
        before = {path: path.stat().st_mtime_ns for path in environment.rglob("*")}
        source = """
import os
(module,) = [f"{top}/greeting.py" for top, _, names in os.walk("/environment") if "greeting.py" in names]
for change in (lambda: open(module, "a"), lambda: os.remove(module), lambda: os.rename(module, module + "x"),
               lambda: os.mkdir("/environment/x"), lambda: os.chmod("/environment/bin", 0o777),
               lambda: os.symlink("/tmp", "/environment/lib/x"), lambda: os.utime(module)):
    try:
        change()
    except OSError as error:
        print(type(error).__name__)
    else:
        print("done")
"""
        seen = await lab.see(source, environment=environment)
        assert "done" not in seen
        assert len(seen.splitlines()) == 7
        assert {path: path.stat().st_mtime_ns for path in environment.rglob("*")} == before

    async def test_a_pth_file_that_ends_the_interpreter_ends_the_run_and_no_more(
        self, lab: Lab, environment: Path
    ) -> None:
        (packages,) = environment.glob("lib/*/site-packages")
        (packages / "z.pth").write_text("import sys; sys.exit(3)\n")
        ended = await lab.run("print(1)", environment=environment)
        assert (ended.state, ended.outcome.exit_code) == (RunState.FAILED, 3)

    async def test_without_an_environment_nothing_is_there_and_nothing_can_be_put_there(
        self, lab: Lab
    ) -> None:
        source = """
import os, sys
print(os.path.isdir("/environment") and os.listdir("/environment"), "/environment" in " ".join(sys.path))
try:
    os.makedirs("/environment/lib")
except OSError:
    print("refused")
"""
        seen = await lab.see(source)  # a prepared sandbox has an empty folder there
        assert seen in ("[] False\nrefused", "False False\nrefused")
