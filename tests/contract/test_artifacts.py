"""What a script leaves in $AUTOMA_ARTIFACTS is kept, whatever it made there; nothing else of the host is."""

# A script in one line is shown in one line.
# ruff: noqa: E501

import hashlib
import json
from dataclasses import replace
from typing import Any

import pytest

from automa.sdk import attempts
from automa.sdk.runs import MiB, RunState
from support.lab import QUICK, Ended, Lab

HEAD = (
    "import os\nfrom pathlib import Path\nfolder = Path(os.environ['AUTOMA_ARTIFACTS'])\nos.chdir(folder)\n"
)


def kept(ended: Ended) -> dict[str, bytes]:
    return {item["name"]: content(ended, item) for item in index(ended)}


def index(ended: Ended) -> list[dict[str, Any]]:
    path = ended.attempt_dir / attempts.ARTIFACT_INDEX
    return json.loads(path.read_text())["items"] if path.exists() else []


def content(ended: Ended, item: dict[str, Any]) -> bytes:
    return (ended.attempt_dir / attempts.ARTIFACTS / str(item["number"])).read_bytes()


class TestKeeping:
    async def test_files_are_kept_with_their_names_and_what_is_to_be_known(self, lab: Lab) -> None:
        ended = await lab.run(
            f"{HEAD}Path('a/b').mkdir(parents=True)\nPath('a/b/page.html').write_text('<p>')\nPath('Zoë.csv').write_text('x')"
        )
        assert kept(ended) == {"Zoë.csv": b"x", "a/b/page.html": b"<p>"}, ended.explain()
        page = index(ended)[1]
        assert page["media_type"] == "text/html"
        assert page["sha256"] == hashlib.sha256(b"<p>").hexdigest()
        assert (ended.outcome.artifacts, ended.outcome.artifacts_bytes) == (2, 4)

    async def test_those_of_a_run_that_fails_or_is_ended_are_kept_too(self, lab: Lab) -> None:
        failed = await lab.run(f"{HEAD}Path('shot.png').write_bytes(b'png')\nraise SystemExit(1)")
        assert (failed.state, kept(failed)) == (RunState.FAILED, {"shot.png": b"png"})
        timed_out = await lab.run(
            f"{HEAD}Path('x').write_text('1')\nimport time; time.sleep(60)",
            limits=replace(QUICK, timeout_s=1.5),
        )
        assert (timed_out.state, kept(timed_out)) == (RunState.TIMED_OUT, {"x": b"1"})

    async def test_a_run_that_leaves_nothing_costs_no_file(self, lab: Lab) -> None:
        ended = await lab.run("print(1)")
        assert not (ended.attempt_dir / attempts.ARTIFACTS).exists()
        assert index(ended) == []

    async def test_the_shortest_run_keeps_what_it_wrote(self, lab: Lab) -> None:
        for _ in range(10):
            ended = await lab.run("open('/artifacts/x', 'w').write('1')")
            assert kept(ended) == {"x": b"1"}, ended.explain()


class TestHostileFolders:
    @pytest.mark.needs("system")
    async def test_nothing_but_files_is_kept_and_what_is_not_is_said(self, lab: Lab) -> None:
        source = f"""{HEAD}
import socket
Path('real.txt').write_text('real')
os.symlink('/etc/passwd', 'link'); os.symlink('/proc/self/environ', 'environ'); os.symlink('/', 'root'); os.symlink('real.txt', 'near')
os.mkfifo('fifo'); socket.socket(socket.AF_UNIX).bind('sock')
try: os.mknod('null', 0o20666, os.makedev(1, 3))
except OSError: pass
os.link('real.txt', 'again.txt')
"""
        ended = await lab.run(source)
        assert kept(ended) == {"again.txt": b"real", "real.txt": b"real"}, ended.explain()
        for name, reason in (
            ("link", "a link"),
            ("root", "a link"),
            ("near", "a link"),
            ("fifo", "a FIFO"),
            ("sock", "a socket"),
        ):
            assert f"The artifact '{name}' is not kept: it is {reason}." in ended.said

    async def test_the_folder_itself_cannot_be_turned_into_a_link(self, lab: Lab) -> None:
        source = """
import os
for action in (lambda: os.rmdir('/artifacts'), lambda: os.rename('/artifacts', '/tmp/x'), lambda: os.symlink('/etc', '/artifacts')):
    try: action(); print('done')
    except OSError: print('refused')
"""
        assert await lab.see(source) == "refused\nrefused\nrefused"

    @pytest.mark.needs("system")
    async def test_strange_names_are_left_out_and_unusual_ones_kept(self, lab: Lab) -> None:
        source = f"""{HEAD}
for name in (b'caf\\xe9', b'new\\nline', b'back\\\\slash', b'C:x', 'a\\u202eb'.encode(), b'..x', b'...', b' ', b'-rf', 'ä'.encode() * 127, b'a' * 255):
    open(name, 'w').write('1')
deep = Path('d')
for _ in range(60):
    deep.mkdir(); deep /= 'd'
Path('d/d/ok').write_text('2')
"""
        ended = await lab.run(source)
        assert set(kept(ended)) == {"..x", "...", " ", "-rf", "ä" * 127, "a" * 255, "d/d/ok"}, ended.explain()
        assert "it is deeper than 32 folders" in ended.said
        assert "it holds the character U+000A" in ended.said

    async def test_unreadable_modes_do_not_matter_or_are_said(self, lab: Lab) -> None:
        ended = await lab.run(
            f"{HEAD}Path('x').write_text('1'); os.chmod('x', 0); Path('y').write_text('2'); os.chmod(folder, 0)"
        )
        assert ended.state is RunState.SUCCEEDED
        assert set(kept(ended)) <= {"x", "y"}


class TestQuota:
    async def test_sizes_count_as_they_seem_and_what_fits_is_kept(self, lab: Lab) -> None:
        source = f"""{HEAD}
with open('1-hole', 'wb') as file: file.truncate(10 ** 12)
Path('2-fits').write_bytes(b'x' * 600); Path('3-not').write_bytes(b'x' * 600); Path('4-fits').write_bytes(b'x' * 400)
"""
        ended = await lab.run(source, limits=replace(QUICK, artifacts_bytes=1000))
        assert {name: len(data) for name, data in kept(ended).items()} == {"2-fits": 600, "4-fits": 400}, (
            ended.explain()
        )
        assert "The artifact '1-hole' is not kept: all of them together may have 1000 bytes." in ended.said

    async def test_there_may_be_so_many_files(self, lab: Lab) -> None:
        source = f"{HEAD}for n in range(100): Path(f'{{n:03}}').write_text('x')"
        ended = await lab.run(source, limits=replace(QUICK, artifacts_files=3))
        assert set(kept(ended)) == {"000", "001", "002"}
        assert "77 more artifacts are not kept." in ended.said

    async def test_they_share_the_disk_of_the_run(self, lab: Lab) -> None:
        source = f"{HEAD}\ntry: Path('big').write_bytes(bytes(64 * 1024 * 1024))\nexcept OSError as error: print(error.strerror)"
        ended = await lab.run(source, limits=replace(QUICK, memory_bytes=256 * MiB))
        assert ended.out == "No space left on device\n"
