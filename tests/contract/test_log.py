"""The log holds exactly what was written, in order, and says what it does not hold."""

from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any

import pytest

from automa.sdk.runlog import Stream
from automa.sdk.runs import RunState
from support.lab import QUICK, Lab, Started

WhenItPrints = Callable[[Started, str], Awaitable[None]]


class TestWhatIsWritten:
    async def test_streams_are_told_apart_and_numbers_have_no_gap(self, lab: Lab) -> None:
        source = "import sys\nfor n in range(50):\n    print(n)\n    print(-n, file=sys.stderr)"
        ended = await lab.run(source)
        assert ended.out.split() == [str(n) for n in range(50)]
        assert ended.err.split() == [str(-n) for n in range(50)]
        assert [line.seq for line in ended.lines] == list(range(1, 101))
        assert ended.outcome.log_lines == 100
        assert ended.outcome.log_bytes == len(ended.out) + len(ended.err)

    async def test_any_bytes_come_back_as_they_were(self, lab: Lab) -> None:
        source = "import sys\nsys.stdout.buffer.write(bytes(range(256)) * 500 + b'\\r\\n\\n\\r')"
        ended = await lab.run(source)
        assert ended.bytes_of(Stream.STDOUT) == bytes(range(256)) * 500 + b"\r\n\n\r"

    async def test_a_text_without_its_newline_is_shown_while_the_script_waits(
        self, lab: Lab, when_it_prints: WhenItPrints
    ) -> None:
        started = await lab.start("import time\nprint('Name: ', end='', flush=True)\ntime.sleep(60)")
        await when_it_prints(started, "Name: ")
        started.execution.cancel()
        assert (await started.end()).out == "Name: "

    async def test_a_line_is_shown_while_the_script_goes_on(
        self, lab: Lab, when_it_prints: WhenItPrints
    ) -> None:
        started = await lab.start("import time\nprint('first')\ntime.sleep(60)")
        await when_it_prints(started, "first")
        started.execution.cancel()
        await started.end()

    async def test_a_line_of_a_megabyte_comes_back_whole(self, lab: Lab) -> None:
        assert (await lab.run("print('x' * 1_000_000)")).out == "x" * 1_000_000 + "\n"

    @pytest.mark.needs("processes")
    async def test_what_children_print_is_there_too(self, lab: Lab) -> None:
        source = "import subprocess\nsubprocess.run(['/bin/sh', '-c', 'echo out; echo err >&2'])"
        ended = await lab.run(source)
        assert (ended.out, ended.err) == ("out\n", "err\n")

    async def test_a_hundred_thousand_lines_are_all_there(self, lab: Lab) -> None:
        ended = await lab.run("for n in range(100_000): print(n)")
        assert ended.out == "".join(f"{n}\n" for n in range(100_000))
        assert ended.outcome.log_lines == 100_000

    @pytest.mark.needs("system")
    async def test_the_streams_can_be_opened_by_name(self, lab: Lab) -> None:
        source = """
import os
open("/dev/stdout", "w").write("one\\n")
os.system("echo two > /dev/stdout; echo three > /dev/stderr")
"""
        ended = await lab.run(source)
        assert (ended.state, ended.out, ended.err) == (RunState.SUCCEEDED, "one\ntwo\n", "three\n")

    async def test_closing_the_streams_ends_nothing(self, lab: Lab) -> None:
        ended = await lab.run("import os, time\nos.close(1); os.close(2)\ntime.sleep(0.1)\nos._exit(4)")
        assert (ended.state, ended.outcome.exit_code) == (RunState.FAILED, 4)


class TestTheCut:
    async def test_a_flood_keeps_its_beginning_and_its_end(self, lab: Lab) -> None:
        limits = replace(QUICK, log_bytes=100_000)
        ended = await lab.run("for n in range(200_000): print(n)\nprint('the end')", limits=limits)
        assert ended.state is RunState.SUCCEEDED
        assert ended.out.startswith("0\n1\n2\n")
        assert ended.out.endswith("199999\nthe end\n")
        written = len("".join(f"{n}\n" for n in range(200_000)) + "the end\n")
        assert len(ended.out) + ended.outcome.log_cut_bytes == written
        assert len(ended.out) <= 100_000
        assert f"{ended.outcome.log_cut_bytes} bytes" in ended.said
        assert [line.seq for line in ended.lines] == list(range(1, len(ended.lines) + 1))

    async def test_a_flood_without_newlines_is_cut_too(self, lab: Lab) -> None:
        limits = replace(QUICK, log_bytes=50_000)
        ended = await lab.run(
            "import sys\nfor n in range(50): sys.stdout.write('x' * 100_000)", limits=limits
        )
        assert ended.state is RunState.SUCCEEDED
        assert len(ended.out) + ended.outcome.log_cut_bytes == 5_000_000
        assert len(ended.out) <= 50_000


class TestHints:
    async def test_the_server_is_told_of_the_start_and_of_news(self, lab: Lab, hints: Any) -> None:
        started = await lab.start("import time\nprint('hello')\ntime.sleep(60)", notify_path=hints.path)
        assert await hints.next() == "started"
        assert await hints.next() == "log"
        started.execution.cancel()
        await started.end()

    async def test_nobody_at_the_other_end_is_no_trouble(self, lab: Lab) -> None:
        spec = lab.make_spec("print(1)")
        ended = await lab.run("print(1)", notify_path=spec.attempt_dir / "nobody")
        assert ended.state is RunState.SUCCEEDED
