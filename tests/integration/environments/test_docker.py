"""Packages of scripts that run in containers, end to end: installed there, for the image's interpreter."""

from collections.abc import Iterator
from typing import Any

import pytest

from automa.sdk.attempts import SUPERVISOR
from automa_sandbox.runners.docker.container import HOME_LABEL
from automa_sandbox.runners.docker.engine import Engine
from support.docker_engine import IMAGE, DockerEngine
from support.server import Client, Server, until

NEEDS = '# /// script\n# dependencies = ["iniconfig>=2"]\n# ///\n'
WHERE = NEEDS + (
    "import sys, iniconfig\n"
    "def main():\n"
    "    return [iniconfig.__file__, '.'.join(map(str, sys.version_info[:3]))]\n"
)
UNREACHABLE = "http://127.0.0.1:9/simple"


@pytest.fixture
def server(tmp_path_factory: pytest.TempPathFactory, docker_engine: DockerEngine) -> Iterator[Server]:
    settings = {
        "AUTOMA_PLUGINS__SANDBOX__DOCKER__SOCKET": docker_engine.url,
        "AUTOMA_PLUGINS__SANDBOX__DOCKER__IMAGE": IMAGE,
    }
    made = Server(tmp_path_factory.mktemp("packages") / "home", settings).start()
    yield made
    made.close()


def environment_of(client: Client, run: dict[str, Any]) -> dict[str, Any]:
    return client.get(f"/environments/{run['environment_id']}").json()


def result_of(client: Client, run: dict[str, Any]) -> list[str]:
    ended = client.wait(run["id"], timeout_s=90)
    assert ended["state"] == "succeeded", ended["reason"]
    return client.get(f"/runs/{run['id']}/result").json()["result"]


def test_each_runner_has_the_same_versions_installed_for_its_own_interpreter(server: Server) -> None:
    admin = server.admin()
    script = admin.script(WHERE)
    ours, its = admin.submit(script), admin.submit(script, runner="docker")
    assert ours["environment_id"] != its["environment_id"]
    (_, our_version), (path, version) = result_of(admin, ours), result_of(admin, its)
    assert path.startswith("/environment/lib/")
    here, there = environment_of(admin, ours), environment_of(admin, its)
    assert (here["runner"], there["runner"]) == ("", "docker")
    assert our_version.startswith(here["python"].partition("-")[0])
    assert version.startswith(there["python"].partition("-")[0])
    assert "glibc" in there["python"]
    assert here["key"] != there["key"]
    assert (here["state"], there["state"]) == ("ready", "ready")
    log = admin.get(f"/environments/{there['id']}/log").json()
    assert log["complete"]
    assert {"lock", "build"} == {line["step"] for line in log["items"]}
    assert admin.submit(script, runner="docker")["environment_id"] == its["environment_id"]


def test_nothing_is_needed_from_the_network_once_they_are_installed(server: Server) -> None:
    admin = server.admin()
    script = admin.script(WHERE)
    made = admin.submit(script, runner="docker")
    result_of(admin, made)
    server.stop()
    server.env["AUTOMA_ENVIRONMENTS__INDEX"] = UNREACHABLE
    server.start()
    admin = server.admin()
    again = admin.submit(admin.script(WHERE, "another"), runner="docker")
    assert result_of(admin, admin.submit(script, runner="docker"))
    failed = admin.wait(again["id"], timeout_s=90)
    assert failed["state"] == "start_failed"  # what was never locked cannot be found


def test_docker_as_the_runner_of_all_scripts_installs_for_all(server: Server) -> None:
    server.stop()
    server.env["AUTOMA_RUNS__RUNNER"] = "docker"
    server.start()
    admin = server.admin()
    run = admin.submit(admin.script(WHERE))
    assert result_of(admin, run)
    made = environment_of(admin, run)
    assert (made["runner"], "glibc" in made["python"]) == ("", True)


def test_another_default_runner_has_them_installed_anew(server: Server) -> None:
    admin = server.admin()
    script = admin.script(WHERE)
    first = admin.submit(script)
    result_of(admin, first)
    before = environment_of(admin, first)
    server.stop()
    server.env["AUTOMA_RUNS__RUNNER"] = "docker"
    server.start()
    admin = server.admin()
    run = admin.submit(script)
    assert result_of(admin, run)
    after = environment_of(admin, run)
    assert after["id"] == before["id"]
    assert after["key"] != before["key"]


def test_a_server_that_is_killed_while_a_container_installs_begins_again(
    server: Server, docker_engine: DockerEngine
) -> None:
    engine = Engine(docker_engine.url)
    of_other_tests = {one for one, _ in engine.labelled(HOME_LABEL)}  # some kill a supervisor

    def left() -> list[str]:
        found = engine.labelled(HOME_LABEL)
        return [f"{one}: {labels}" for one, labels in found if one not in of_other_tests]

    admin = server.admin()
    run = admin.submit(admin.script(WHERE), runner="docker")
    logs = server.home / "environments" / "logs" / run["environment_id"]
    until(lambda: bool(list(logs.glob(f"*/attempt/{SUPERVISOR}"))), 60, lambda: environment_of(admin, run))
    server.kill()
    server.start()
    assert admin.wait(run["id"], timeout_s=90)["state"] == "succeeded"
    until(lambda: not left(), 60, left)
    engine.close()
