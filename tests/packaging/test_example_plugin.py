"""The example plugin, installed with pip beside Automa: found, not imported, enabled, and then at work."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from support.environments import Environment
from support.server import until

pytestmark = pytest.mark.packaging

EXAMPLE = Path(__file__).parents[2] / "docs/examples/automa-run-report"


@pytest.fixture(scope="module")
def with_plugin(make_environment: Callable[[], Environment], wheel: Path, plugin_wheel: Path) -> Environment:
    """Automa and the example plugin, whose import leaves a mark: one line is put into its module."""
    environment = make_environment()
    environment.install(wheel, plugin_wheel)
    module = environment.site_packages / "automa_run_report/plugin.py"
    mark = environment.path / "imported"
    module.write_text(f"open({str(mark)!r}, 'a').close()\n" + module.read_text())
    return environment


def plugin(environment: Environment, home: Path) -> dict[str, Any]:
    return json.loads(environment.run("automa", "plugin", "show", "run-report", "--json", home=home).stdout)


def was_imported(environment: Environment) -> bool:
    mark = environment.path / "imported"
    there = mark.exists()
    mark.unlink(missing_ok=True)
    return there


def test_it_depends_on_automa_alone(plugin_wheel: Path) -> None:
    from importlib.metadata import PathDistribution
    from zipfile import Path as ZipPath

    (info,) = [item for item in ZipPath(plugin_wheel).iterdir() if item.name.endswith(".dist-info")]
    assert PathDistribution(info).requires == ["automa-server<1,>=0.1"]  # pyright: ignore


def test_its_own_tests_pass() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider"],
        cwd=EXAMPLE,
        env={**os.environ, "PYTHONPATH": str(EXAMPLE), "PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_it_is_found_enabled_and_works(
    with_plugin: Environment, home: Path, serve: Callable[..., Any]
) -> None:
    shown = plugin(with_plugin, home)
    assert (shown["status"], shown["reason"]) == ("disabled", "found, not enabled, not imported")
    server = serve(with_plugin)
    admin = server.admin()
    listed = {item["name"]: item for item in admin.get("/plugins").json()["items"]}
    assert listed["run-report"]["reason"] == "found, not enabled, not imported"
    assert listed["sandbox"]["status"] == "ready"
    assert not was_imported(with_plugin)

    answer = admin.post("/plugins/run-report/enable").json()
    assert (answer["enabled"], answer["status"]) == (True, "disabled")
    assert "next" in answer["notice"]
    assert not was_imported(with_plugin)
    assert server.stop() == 0

    server.start()
    assert admin.get("/plugins/run-report").json()["status"] == "ready"
    assert was_imported(with_plugin)
    run = admin.wait(admin.submit(admin.script("raise SystemExit(3)", name="nightly"))["id"])
    report = home / "plugins/run-report/runs.md"
    until(report.exists)
    assert "| nightly | failed |" in report.read_text()
    assert run["id"] in report.read_text()
    assert admin.get("/plugins/run-report/report").text == report.read_text()
    assert server.user("bob@example.org").get("/plugins/run-report/report").status_code == 403
    assert server.stop() == 0

    printed = with_plugin.run("automa", "plugin", "run", "run-report", "show", home=home).stdout
    assert printed.strip() == report.read_text().strip()


def test_enabling_asks_and_says_what_it_means(with_plugin: Environment, home: Path) -> None:
    command = [str(with_plugin.automa), "plugin", "enable", "run-report"]
    env = {**os.environ, "AUTOMA_HOME": str(home)}
    refused = subprocess.run(command, env=env, input="n\n", capture_output=True, text=True, check=False)
    assert refused.returncode == 1
    assert "trusted code" in refused.stderr
    assert plugin(with_plugin, home)["enabled"] is False
    with_plugin.run("automa", "plugin", "enable", "run-report", "--yes", home=home)
    assert plugin(with_plugin, home)["status"] == "ready"
    with_plugin.run("automa", "plugin", "disable", "run-report", home=home)
    assert plugin(with_plugin, home)["reason"] == "An admin switched it off."


def test_a_plugin_that_changed_after_it_was_enabled_is_not_imported(
    with_plugin: Environment, home: Path
) -> None:
    with_plugin.run("automa", "plugin", "enable", "run-report", "--yes", home=home)
    was_imported(with_plugin)
    module = with_plugin.site_packages / "automa_run_report/report.py"
    before = module.read_text()
    module.write_text(before + "\n# changed\n")
    try:
        shown = plugin(with_plugin, home)
        assert (shown["status"], shown["imported"]) == ("disabled", False)
        assert "automa_run_report/report.py changed" in shown["reason"]
        assert not was_imported(with_plugin)
    finally:
        module.write_text(before)
    assert plugin(with_plugin, home)["status"] == "ready"
