"""What a machine has to offer, with outputs that this one does not give."""

import http.server
import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from automa import config
from automa.checks import machine as checks
from automa.config import Settings
from automa.sdk.checks import Level
from automa.sdk.machine import Machine


def with_file(root: Path, name: str, text: str = "", uid: int = 0) -> Machine:
    path = root / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return Machine(root, uid)


class TestKernel:
    @pytest.mark.parametrize("release", ["5.6.0", "6.8.0-45-generic", "6.18.44-fc", "10.1"])
    def test_a_new_one_is_fine(self, release: str) -> None:
        assert checks.kernel(release, "x86_64").level is Level.OK

    @pytest.mark.parametrize("release", ["5.5.19", "4.18.0-553.el8.x86_64", "3.10.0"])
    def test_an_old_one_is_a_problem(self, release: str) -> None:
        assert checks.kernel(release, "x86_64").level is Level.PROBLEM


class TestClock:
    def test_what_this_kernel_says_can_be_read(self) -> None:
        assert isinstance(checks.clock_status(), int)

    def test_a_synchronised_one_is_fine(self) -> None:
        assert checks.clock(lambda: 0x2001, Machine()).level is Level.OK

    def test_one_that_nobody_keeps_is_told_with_the_command_of_this_machine(self, tmp_path: Path) -> None:
        (tmp_path / "run/systemd/system").mkdir(parents=True)
        found = checks.clock(lambda: 0x40, Machine(tmp_path, uid=1000))
        assert found.level is Level.WARNING
        assert found.advice[0].commands == ("sudo timedatectl set-ntp true",)
        without = checks.clock(lambda: 0x40, with_file(tmp_path / "b", "etc/os-release", "ID=fedora"))
        assert without.advice[0].commands[0] == "dnf install -y chrony"

    def test_a_kernel_that_does_not_tell(self) -> None:
        assert checks.clock(lambda: None, Machine()).level is Level.WARNING


class TestTimezone:
    def test_without_the_data_it_says_how_to_get_it(self, tmp_path: Path) -> None:
        found = checks.timezone(with_file(tmp_path, "etc/os-release", "ID=debian"))
        assert (found.level, "tzdata" in found.advice[0].commands[0]) == (Level.WARNING, True)

    def test_with_it_all_is_well(self, tmp_path: Path) -> None:
        found = checks.timezone(with_file(tmp_path, "usr/share/zoneinfo/Europe/Berlin"))
        assert (found.level, "UTC" in found.text) == (Level.OK, True)


class TestOpenFiles:
    @pytest.mark.parametrize(
        ("limit", "level"),
        [((65536, 65536), Level.OK), ((100, 65536), Level.WARNING), ((1000, 1000), Level.WARNING)],
    )
    def test_too_few_are_told(self, home: Path, limit: tuple[int, int], level: Level) -> None:
        settings = config.load(home=home)
        found = checks.open_files(settings, limit)
        assert found.level is level
        assert bool(found.advice) is (level is Level.WARNING)


class TestMemory:
    def test_less_than_one_run_may_use_is_told(self, settings: Settings) -> None:
        assert checks.memory(settings, 100 << 20, 1 << 30).level is Level.WARNING
        assert checks.memory(settings, 8 << 30, 16 << 30).level is Level.OK


def test_processors_are_counted(settings: Settings) -> None:
    assert int(checks.processors(settings).details["processors"]) >= 1


class _Answers(http.server.BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b'{"status":"alive"}')

    def log_message(self, *_: object) -> None: ...


@pytest.fixture
def alive() -> Iterator[int]:
    server = http.server.HTTPServer(("127.0.0.1", 0), _Answers)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield server.server_port
    server.shutdown()
    thread.join()
    server.server_close()


class TestPort:
    def test_a_free_one(self, home: Path) -> None:
        with socket.socket() as taken:
            taken.bind(("127.0.0.1", 0))  # bound, and nobody listens
            found = checks.port(config.load(home=home, port=taken.getsockname()[1]), Machine())
        assert (found.level, "is free" in found.text) == (Level.OK, True)

    def test_one_on_which_our_server_answers(self, home: Path, alive: int) -> None:
        found = checks.port(config.load(home=home, port=alive), Machine())
        assert (found.level, found.details["answers"]) == (Level.OK, "automa")

    def test_one_that_somebody_else_has(self, home: Path) -> None:
        with socket.socket() as other:
            other.bind(("127.0.0.1", 0))
            other.listen()
            found = checks.port(config.load(home=home, port=other.getsockname()[1]), Machine())
        assert (found.level, "Another program" in found.text) == (Level.WARNING, True)

    def test_one_that_only_root_may_open(self, home: Path, tmp_path: Path) -> None:
        settings = config.load(home=home, port=80)
        assert checks.port(settings, Machine(tmp_path, uid=1000)).level is Level.PROBLEM
        assert checks.port(settings, Machine(tmp_path, uid=0)).level is Level.OK

    def test_any_one(self, home: Path) -> None:
        assert checks.port(config.load(home=home, port=0), Machine()).level is Level.OK
