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


FLOOD = "for n in range(5000): print(n)\n"
LINES = "".join(f"{n}\n" for n in range(5000))


class TestAFlood:
    """Its lines leave the script together. Who looks on, or comes after, sees no difference."""

    async def test_its_last_line_is_shown_while_the_script_goes_on(
        self, lab: Lab, when_it_prints: WhenItPrints
    ) -> None:
        started = await lab.start(FLOOD + "import time\ntime.sleep(60)")
        await when_it_prints(started, "4999")
        started.execution.cancel()
        assert (await started.end()).out == LINES

    async def test_a_line_after_it_is_shown_at_once_again(
        self, lab: Lab, when_it_prints: WhenItPrints
    ) -> None:
        source = f"import time\n{FLOOD}time.sleep(0.5)\nprint('after')\ntime.sleep(60)"
        started = await lab.start(source)
        await when_it_prints(started, "after")
        started.execution.cancel()
        assert (await started.end()).out == LINES + "after\n"

    @pytest.mark.parametrize(
        "ending",
        ["raise SystemExit(0)", "import sys; sys.stdout.buffer.write(b''); sys.stdout.buffer.flush()", "1"],
    )
    async def test_it_is_whole_however_the_script_ends(self, lab: Lab, ending: str) -> None:
        assert (await lab.run(FLOOD + ending)).out == LINES

    @pytest.mark.needs("processes")
    @pytest.mark.parametrize(
        "ending",
        [
            "import os; os._exit(0)",
            "import os; os.kill(os.getpid(), 9)",
            "import os; os.execv('/bin/true', ['true'])",
        ],
    )
    async def test_it_is_whole_though_nothing_is_left_to_flush_it(self, lab: Lab, ending: str) -> None:
        assert (await lab.run(FLOOD + ending)).out == LINES

    @pytest.mark.needs("processes")
    @pytest.mark.parametrize(
        "other",
        [
            "import subprocess; subprocess.run(['echo', 'other'])",
            "import os; os.system('echo other')",
            "import os; os.posix_spawnp('echo', ['echo', 'other'], {}); os.wait()",
            "import sys; sys.stdout.flush(); sys.stdout.buffer.raw.write(b'other\\n')",
            "import os; os.write(1, b'other\\n') if os.fork() == 0 else os.wait()",
        ],
    )
    async def test_what_another_program_prints_comes_after_it(self, lab: Lab, other: str) -> None:
        assert (await lab.run(FLOOD + other)).out == LINES + "other\n"

    @pytest.mark.needs("processes")
    async def test_a_child_that_is_forked_in_it_prints_nothing_twice(self, lab: Lab) -> None:
        source = (
            f"import os\n{FLOOD}"
            "if os.fork() == 0:\n"
            "    for n in range(5000): print('child', n)\n"
            "    if os.fork() == 0: print('grandchild')\n"
            "    else: os.wait()\n"
            "else: os.wait(); print('parent')"
        )
        children = "".join(f"child {n}\n" for n in range(5000))
        assert (await lab.run(source)).out == LINES + children + "grandchild\nparent\n"

    @pytest.mark.needs("order-of-streams")
    async def test_an_error_is_told_after_it(self, lab: Lab) -> None:
        ended = await lab.run(FLOOD + "raise ValueError('why')")
        assert ended.out == LINES
        assert ended.lines[-1].stream is Stream.STDERR
        assert ended.lines[-1].text == "ValueError: why"

    @pytest.mark.needs("threads")
    async def test_several_threads_lose_nothing_of_it(self, lab: Lab) -> None:
        source = (
            "import threading\ndef flood(name):\n    for n in range(3000): print(f'{name} {n}\\n', end='')\n"
            "threads = [threading.Thread(target=flood, args=(name,)) for name in 'abcd']\n"
            "for one in threads: one.start()\nfor one in threads: one.join()"
        )
        lines = (await lab.run(source)).out.splitlines()
        for name in "abcd":
            assert [line for line in lines if line[0] == name] == [f"{name} {n}" for n in range(3000)]
        assert len(lines) == 12000

    async def test_the_streams_are_still_what_scripts_make_of_them(self, lab: Lab) -> None:
        source = (
            f"import io, sys\n{FLOOD}"
            "assert isinstance(sys.stdout, io.TextIOWrapper) and sys.stdout is sys.__stdout__\n"
            "assert isinstance(sys.stdout.buffer, io.BufferedWriter) and sys.stdout.name == '<stdout>'\n"
            "assert (sys.stdout.mode, sys.stdout.encoding, sys.stdout.fileno(), sys.stdout.seekable()) == "
            "('w', 'utf-8', 1, False)\n"
            "sys.stdout = io.TextIOWrapper(sys.stdout.detach(), 'utf-8')\nprint('über')"
        )
        ended = await lab.run(source)
        assert ended.out == LINES + "über\n", ended.explain()
