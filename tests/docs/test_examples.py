"""Every example on every page: files are what they claim to be, and sessions answer as they are shown."""

import ast
import json
import re
import shutil
import subprocess
import tomllib
from pathlib import Path

import pytest

from support.markdown import PAGES, ROOT, Step, blocks, matches, steps
from support.server import AUTOMA, Server

NAMES = [str(page.relative_to(ROOT)) for page in PAGES]
WITH_SESSIONS = [name for name in NAMES if any(block.language == "console" for block in blocks(ROOT / name))]
MARK = "--- end of the answer:"
SHOWN_URL = "http://127.0.0.1:8001"
LANGUAGES = {"python", "console", "sh", "toml", "json", "csv", "text", "ini", "yaml"}


class TestBlocks:
    @pytest.mark.parametrize("name", NAMES)
    def test_every_block_is_of_its_language(self, name: str) -> None:
        for block in blocks(ROOT / name):
            assert block.language in LANGUAGES, f"{name}:{block.line}"
            match block.language:
                case "python":
                    ast.parse(block.text)
                case "toml":
                    tomllib.loads(block.text)
                case "json":
                    json.loads(block.text.replace("…", ""))
                case "sh":
                    subprocess.run(["bash", "-n"], input=block.text, text=True, check=True)


class Session:
    """One shell for a whole page, in a folder of its own."""

    def __init__(self, folder: Path, server: Server) -> None:
        self.folder = folder
        self.server = server
        path = f"{Path(AUTOMA).parent}:/usr/local/bin:/usr/bin:/bin"
        environment = {
            "PATH": path,
            "AUTOMA_HOME": str(server.home),
            "PYTHONUNBUFFERED": "1",
            "LANG": "C.UTF-8",
        }
        self.shell = subprocess.Popen(
            ["bash", "--norc"],
            cwd=folder,
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def answer(self, command: str) -> list[str]:
        """What the command prints. Its exit code is `$?` for the next one."""
        assert self.shell.stdin is not None
        assert self.shell.stdout is not None
        command = command.replace(SHOWN_URL, self.server.url or SHOWN_URL)
        self.shell.stdin.write(f"{command}\nstatus=$?; printf '\\n{MARK}\\n'; (exit $status)\n")
        self.shell.stdin.flush()
        lines: list[str] = []
        for line in self.shell.stdout:
            if line.startswith(MARK):
                break
            lines.append(line.rstrip("\n"))
        return lines[:-1] if lines and not lines[-1] else lines

    def close(self) -> None:
        assert self.shell.stdin is not None
        assert self.shell.stdout is not None
        self.shell.stdin.close()
        self.shell.wait(30)
        self.shell.stdout.close()


@pytest.mark.skipif(shutil.which("curl") is None, reason="the pages call the API with curl")
class TestSessions:
    @pytest.mark.parametrize("name", WITH_SESSIONS)
    def test_commands_answer_as_the_page_shows(self, name: str, installation: Server, tmp_path: Path) -> None:
        folder = tmp_path / "reader"
        folder.mkdir()
        session = Session(folder, installation)
        try:
            for block in blocks(ROOT / name):
                if block.remark == "server" and installation.process is None:
                    installation.start()
                if block.title:
                    self._save(folder / block.title, block.text)
                elif block.language == "console" and not block.remark.startswith("not run"):
                    self._check(session, steps(block.text), f"{name}:{block.line}")
        finally:
            session.close()

    def _save(self, path: Path, text: str) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, "utf-8")

    def _check(self, session: Session, shown: list[Step], where: str) -> None:
        for step in shown:
            answer = session.answer(step.command)
            assert matches(answer, step.answer), f"{where}: {step.command}\n" + "\n".join(answer)


class TestMatching:
    def test_an_ellipsis_stands_for_a_part_of_a_line_or_for_lines(self) -> None:
        assert matches(["a 12 s", "b", "c", "d"], ["a … s", "…", "d"])
        assert matches([], ["…"])
        assert not matches(["a", "b"], ["a"])
        assert not matches(["ab"], ["a.b"])

    def test_secrets_are_not_in_the_pages(self) -> None:
        for page in PAGES:
            assert not re.search(r"automa_[A-Za-z0-9]{20,}", page.read_text("utf-8")), page
