"""`automa run FILE`: no server, the same sandbox, and exit codes that scripts can rely on."""

import json
import signal
import subprocess
from pathlib import Path
from typing import Any

import psutil
import pytest

from support.server import AUTOMA, Server, until

FUNCTION = '''
import sys

def main(name: str, times: int = 2) -> dict:
    """Greet."""
    for _ in range(times):
        print("hello", name)
    print("done", file=sys.stderr)
    return {"greeted": name}
'''


@pytest.fixture
def shell(home: Path) -> Server:
    """A home without a server."""
    return Server(home)


@pytest.fixture
def script(tmp_path: Path) -> Path:
    path = tmp_path / "greet.py"
    path.write_text(FUNCTION)
    return path


def write(folder: Path, source: str) -> str:
    path = folder / "script.py"
    path.write_text(source)
    return str(path)


def test_output_is_live_and_the_result_comes_last(shell: Server, script: Path) -> None:
    done = shell.command("run", str(script), "--param", "name=Ada")
    assert done.returncode == 0
    assert done.stdout == 'hello Ada\nhello Ada\n{\n  "greeted": "Ada"\n}\n'
    assert done.stderr.startswith("done\n")


def test_json_is_one_object_with_all_there_is_to_know(shell: Server, script: Path) -> None:
    done = shell.command("run", str(script), "--param", "name=Ada", "--param", "times=1", "--json")
    told: dict[str, Any] = json.loads(done.stdout)
    assert {
        "id", "state", "exit_code", "signal", "started_at", "duration_s", "result", "runner", "limits", "log",
    } <= set(told)  # fmt: skip
    assert (told["state"], told["exit_code"], told["signal"]) == ("succeeded", 0, None)
    assert told["result"] == {"greeted": "Ada"}
    assert told["runner"] == "bubblewrap"
    assert sorted((line["stream"], line["text"]) for line in told["log"]) == [
        ("stderr", "done"),
        ("stdout", "hello Ada"),
    ]
    assert [line["seq"] for line in told["log"]] == [1, 2]
    assert all(set(line) == {"seq", "ts", "stream", "text"} for line in told["log"])


class TestExitCodes:
    @pytest.mark.parametrize("source", ["raise SystemExit(5)", "1/0", "import os; os.kill(os.getpid(), 9)"])
    def test_one_if_the_script_failed(self, shell: Server, tmp_path: Path, source: str) -> None:
        assert shell.command("run", write(tmp_path, source)).returncode == 1

    def test_one_if_it_took_too_long(self, shell: Server, tmp_path: Path) -> None:
        script = write(tmp_path, "import time; time.sleep(60)")
        done = shell.command("run", script, "--timeout", "0.3", "--json")
        assert (done.returncode, json.loads(done.stdout)["state"]) == (1, "timed_out")

    @pytest.mark.parametrize(
        "arguments",
        [
            ["--param", "nonsense"],
            ["--param", "times=x", "--param", "name=A"],
            [],
            ["--params", "[1]"],
            ["--nope"],
        ],
    )
    def test_two_for_bad_usage(self, shell: Server, script: Path, arguments: list[str]) -> None:
        done = shell.command("run", str(script), *arguments)
        assert done.returncode == 2
        assert done.stderr
        assert done.stdout == ""

    @pytest.mark.parametrize("content", [b"def main(:\n", b"\xff\xfe\x00", b""])
    def test_two_for_what_is_no_program(self, shell: Server, tmp_path: Path, content: bytes) -> None:
        path = tmp_path / "broken.py"
        path.write_bytes(content)
        done = shell.command("run", str(path))
        assert done.returncode == 2, done.stderr
        assert done.stderr.startswith("error: ")

    def test_two_for_a_file_that_is_not_there(self, shell: Server, tmp_path: Path) -> None:
        assert shell.command("run", str(tmp_path / "missing.py")).returncode == 2

    def test_three_if_there_is_no_sandbox_and_nothing_runs(self, home: Path, tmp_path: Path) -> None:
        shell = Server(home, {"AUTOMA_RUNS__PYTHON": str(tmp_path / "no-python")})
        done = shell.command("run", write(tmp_path, "print('unsafe')"))
        assert done.returncode == 3
        assert "unsafe" not in done.stdout
        assert "sandbox" in done.stderr


def begun(shell: Server, script: str) -> "subprocess.Popen[bytes]":
    """`automa run` on a script that has printed "up"."""
    command = [AUTOMA, "run", script]
    process = subprocess.Popen(
        command, env=shell.env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, bufsize=0
    )
    assert process.stdout is not None
    assert process.stdout.read(3) == b"up\n"
    return process


def test_what_it_started_ends_with_it(shell: Server, tmp_path: Path) -> None:
    process = begun(shell, write(tmp_path, "import time\nprint('up', flush=True)\ntime.sleep(987.5)\n"))
    tree = psutil.Process(process.pid).children(recursive=True)
    assert any("/automa/zygote.pyc" in child.cmdline() for child in tree)
    process.kill()
    process.communicate()
    until(lambda: not any(is_alive(child) for child in tree))


def is_alive(process: psutil.Process) -> bool:
    try:
        return process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


POLITE = """
import signal, sys, time

def leave(*_):
    print("bye", flush=True)
    sys.exit()

signal.signal(signal.SIGTERM, leave)
print("up", flush=True)
time.sleep(99)
"""


def test_ctrl_c_cancels_politely(shell: Server, tmp_path: Path) -> None:
    process = begun(shell, write(tmp_path, POLITE))
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=20)
    assert out == b"bye\n", err
    assert process.returncode == 1
    assert b"cancelled" in err


def test_a_folder_runs_from_its_entry(shell: Server, tmp_path: Path) -> None:
    app = tmp_path / "app"
    (app / "lib").mkdir(parents=True)
    (app / "lib" / "__init__.py").write_text("WORD = 'from the library'")
    (app / "main.py").write_text("from lib import WORD\nprint(WORD, open('data.txt').read())")
    (app / "data.txt").write_text("and data")
    assert shell.command("run", str(app)).stdout == "from the library and data\n"


class TestStrangeTerminals:
    """Somebody reads the first line only, or nothing; or their terminal knows no other script than Latin."""

    def test_a_reader_who_has_had_enough_ends_it_without_a_word(self, shell: Server, tmp_path: Path) -> None:
        path = write(tmp_path, "for n in range(10**9): print(n)")
        process = subprocess.Popen(
            [AUTOMA, "run", path], env=shell.env, stdout=subprocess.PIPE, stderr=subprocess.PIPE
        )
        assert process.stdout is not None
        assert process.stderr is not None
        assert process.stdout.readline() == b"0\n"
        process.stdout.close()
        assert process.wait(20) == 1
        assert process.stderr.read() == b""
        process.stderr.close()

    @pytest.mark.parametrize("streams", [">&-", "2>&-", ">&- 2>&-"])
    def test_streams_may_be_closed(self, shell: Server, tmp_path: Path, streams: str) -> None:
        path = write(tmp_path, "import sys\nprint('out')\nprint('err', file=sys.stderr)\n")
        command = f'"{AUTOMA}" run "{path}" {streams}'
        done = subprocess.run(
            ["sh", "-c", command], env=shell.env, capture_output=True, timeout=60, check=False
        )
        assert done.returncode == 0
        assert b"Traceback" not in done.stdout + done.stderr

    @pytest.mark.parametrize("command", ["run", "plugin ls"])
    def test_a_full_disk_behind_a_redirection_is_told(
        self, shell: Server, tmp_path: Path, command: str
    ) -> None:
        path = write(tmp_path, "print('out')") if command == "run" else ""
        line = f'"{AUTOMA}" {command} {path} > /dev/full'
        done = subprocess.run(["sh", "-c", line], env=shell.env, capture_output=True, timeout=60, check=False)
        assert (done.returncode, b"Traceback" in done.stderr) == (1, False)
        assert b"No space left" in done.stderr

    def test_a_terminal_that_cannot_show_a_character_gets_its_code(
        self, shell: Server, tmp_path: Path
    ) -> None:
        shell.env |= {"PYTHONIOENCODING": "ascii"}
        done = shell.command("run", write(tmp_path, "def main(): return '報'"))
        assert (done.returncode, done.stdout) == (0, '"\\u5831"\n')


class TestParameters:
    @pytest.mark.parametrize("value", ["NaN", "1e999", '["\\ud800"]', "[" * 10_000, "9" * 5000])
    def test_all_parameters_are_as_strict_as_in_the_api(
        self, shell: Server, tmp_path: Path, value: str
    ) -> None:
        done = shell.command("run", write(tmp_path, "print(1)"), "--params", f'{{"a": {value}}}')
        assert (done.returncode, done.stdout) == (2, "")
        assert "--params is not JSON" in done.stderr

    @pytest.mark.parametrize("value", ["NaN", "1e999", "[" * 10_000, "9" * 5000])
    def test_one_that_is_no_json_is_text(self, shell: Server, tmp_path: Path, value: str) -> None:
        path = write(tmp_path, "import json, os; print(json.loads(os.environ['AUTOMA_PARAMS'])['a'])")
        done = shell.command("run", path, "--param", f"a={value}")
        assert (done.returncode, done.stdout) == (0, f"{value}\n")


class TestArtifacts:
    SOURCE = "import os\nos.makedirs('/artifacts/a')\nopen('/artifacts/a/b.txt', 'w').write('kept')\n"

    def test_they_are_copied_to_a_new_folder(self, shell: Server, tmp_path: Path) -> None:
        done = shell.command("run", write(tmp_path, self.SOURCE), "--artifacts", str(tmp_path / "out"))
        assert done.returncode == 0, done.stderr
        assert (tmp_path / "out/a/b.txt").read_text() == "kept"

    def test_a_folder_that_holds_something_is_refused_before_the_run(
        self, shell: Server, tmp_path: Path
    ) -> None:
        done = shell.command("run", write(tmp_path, self.SOURCE), "--artifacts", str(tmp_path))
        assert done.returncode == 2
        assert "is not empty" in done.stderr


class TestGrants:
    ASKS = (
        "# /// script\n# [tool.automa]\n# cpus = 2\n# paths = { books = 'read' }\n# ///\n"
        "print(open('/data/books/one').read())\n"
    )

    def test_nothing_is_granted_by_itself(self, shell: Server, tmp_path: Path) -> None:
        script = write(tmp_path, self.ASKS)
        done = shell.command("run", script, "--json")
        told = json.loads(done.stdout)
        assert (done.returncode, told["code"]) == (2, "not_granted")
        assert told["add"] == ["--allow-path books", "--allow-limits"]
        assert "path books: read, cpus: 2" in done.stderr

    def test_a_path_is_named_here_or_in_the_settings(self, shell: Server, tmp_path: Path) -> None:
        script = write(tmp_path, self.ASKS)
        books = tmp_path / "books"
        books.mkdir()
        (books / "one").write_text("moby dick")
        done = shell.command("run", script, "--allow-all")
        assert (done.returncode, "--allow-path books=" in done.stderr) == (2, True)
        done = shell.command("run", script, "--allow-limits", "--allow-path", f"books={books}")
        assert (done.returncode, done.stdout) == (0, "moby dick\n"), done.stderr
        assert "automa: granted: path books: read" in done.stderr
        shell.home.mkdir(exist_ok=True)
        (shell.home / "automa.toml").write_text(f'[paths.books]\npath = "{books}"\n')
        done = shell.command("run", script, "--allow-all", "--json")
        told = json.loads(done.stdout)
        assert (told["state"], told["limits"]["cpus"]) == ("succeeded", 2)
        assert told["permissions"]["paths"] == {"books": "read"}

    def test_what_it_did_not_ask_for_is_not_given(self, shell: Server, tmp_path: Path) -> None:
        done = shell.command("run", write(tmp_path, "print(1)"), "--allow-path", f"x={tmp_path}")
        assert done.returncode == 2
        assert "declares no such path" in done.stderr
