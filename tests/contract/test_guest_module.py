"""`import automa`: what a script can tell while it runs, and what it cannot."""

# A script in one line is shown in one line.
# ruff: noqa: E501

import json
from collections.abc import Awaitable, Callable
from dataclasses import replace

import pytest

from automa.sdk import attempts
from automa.sdk.runlog import Stream
from automa.sdk.runs import Progress, RunState
from support.lab import QUICK, Lab, Started


class TestProgress:
    async def test_the_last_word_is_in_the_exit_record_and_in_a_file(self, lab: Lab) -> None:
        source = "import automa\nautoma.progress(0.25, 'page 3')\nautoma.progress(0.5, 'page  6\\n')"
        ended = await lab.run(source)
        progress = ended.outcome.progress
        assert progress is not None, ended.explain()
        assert (progress.fraction, progress.message) == (0.5, "page 6")
        assert attempts.read_progress(ended.attempt_dir) == progress

    async def test_it_is_seen_while_the_script_works(
        self, lab: Lab, when_it_prints: Callable[[Started, str], Awaitable[None]]
    ) -> None:
        source = "import automa, time\nautoma.progress(None, 'waiting')\nautoma.log('said')\ntime.sleep(60)"
        started = await lab.start(source)
        await when_it_prints(started, "said")
        seen: Progress | None = None
        while seen is None:
            seen = attempts.read_progress(started.spec.attempt_dir)
        assert (seen.fraction, seen.message) == (None, "waiting")
        started.execution.cancel()
        ended = await started.end()
        assert ended.outcome.progress == seen

    async def test_a_tight_loop_ends_with_its_last_word(self, lab: Lab) -> None:
        source = "import automa\nfor n in range(200_001): automa.progress(n / 400_000, f'line {n}')"
        ended = await lab.run(source)
        progress = ended.outcome.progress
        assert progress is not None, ended.explain()
        assert (progress.fraction, progress.message) == (0.5, "line 200000")

    async def test_what_is_out_of_bounds_is_brought_into_them_and_what_is_no_number_raises(
        self, lab: Lab
    ) -> None:
        source = """
import automa
automa.progress(7, 'x' * 9000)
for wrong in (float('nan'), 'half', [1]):
    try: automa.progress(wrong)
    except (TypeError, ValueError) as error: print(type(error).__name__)
"""
        ended = await lab.run(source)
        progress = ended.outcome.progress
        assert progress is not None, ended.explain()
        assert (progress.fraction, progress.message) == (1.0, "x" * 500)
        assert ended.out == "ValueError\nValueError\nTypeError\n"

    @pytest.mark.needs("processes", "threads")
    async def test_threads_and_forked_children_may_tell_it(self, lab: Lab) -> None:
        source = """
import automa, multiprocessing, threading
def work(n): automa.log(f'child {n}'); automa.progress(n / 8, 'child')
if __name__ == '__main__':
    threads = [threading.Thread(target=automa.log, args=(f'thread {n}',)) for n in range(20)]
    for thread in threads: thread.start()
    for thread in threads: thread.join()
    with multiprocessing.get_context('fork').Pool(4) as pool: pool.map(work, range(8))
    automa.progress(1.0)
"""
        ended = await lab.run(source)
        said = {line.text for line in ended.lines if line.stream is Stream.INFO}
        assert said == {f"thread {n}" for n in range(20)} | {f"child {n}" for n in range(8)}, ended.explain()
        assert ended.outcome.progress is not None
        assert ended.outcome.progress.fraction == 1.0


class TestLog:
    async def test_lines_have_a_level_and_a_stream_of_their_own(self, lab: Lab) -> None:
        source = """
import automa
for level in ('debug', 'info', 'warning', 'error'): automa.log(f'at {level}', level=level)
automa.log('two\\nlines'); automa.log('')
"""
        ended = await lab.run(source)
        seen = [(line.stream.label, line.stream.level, line.text) for line in ended.lines]
        assert seen == [
            ("log", "debug", "at debug"), ("log", "info", "at info"), ("log", "warning", "at warning"),
            ("log", "error", "at error"), ("log", "info", "two"), ("log", "info", "lines"), ("log", "info", ""),
        ]  # fmt: skip
        assert ended.out == ended.err == ended.said == ""

    async def test_an_unknown_level_raises(self, lab: Lab) -> None:
        ended = await lab.run("import automa\nautoma.log('x', level='fatal')")
        assert "ValueError: the level 'fatal' is not one of debug, info, warning, error" in ended.err

    async def test_long_text_goes_on_in_further_lines(self, lab: Lab) -> None:
        ended = await lab.run(
            "import automa\nautoma.log('é' * 5000)\nautoma.log('a' * 3000 + '\\n' + 'b' * 3000)"
        )
        texts = [line.text for line in ended.lines]
        assert "".join(texts[:3]) == "é" * 5000
        assert texts[3:] == ["a" * 3000, "b" * 3000]

    async def test_the_limit_of_the_log_holds_for_it_too(self, lab: Lab) -> None:
        limits = replace(QUICK, log_bytes=10_000)
        ended = await lab.run("import automa\nfor n in range(1000): automa.log('x' * 99)", limits=limits)
        assert ended.state is RunState.SUCCEEDED, ended.explain()
        assert ended.outcome.log_cut_bytes >= 90_000
        assert "were cut here" in ended.said


class TestResult:
    async def test_a_plain_script_sets_it_and_the_last_one_counts(self, lab: Lab) -> None:
        ended = await lab.run("import automa\nautoma.result({'n': 1})\nautoma.result({'n': [2, None]})")
        assert ended.result == {"n": [2, None]}

    async def test_what_main_returns_counts_more(self, lab: Lab) -> None:
        source = "import automa\ndef main(give):\n    automa.result('said')\n    return give"
        assert (await lab.run_main(source, give=5)).result == 5
        assert (await lab.run_main(source, give=None)).result == "said"

    async def test_it_is_kept_when_the_script_leaves_early(self, lab: Lab) -> None:
        ended = await lab.run("import automa, os\nautoma.result(list(range(100_000)))\nos._exit(0)")
        assert ended.result == list(range(100_000)), ended.explain()

    async def test_what_is_not_json_or_too_large_raises(self, lab: Lab) -> None:
        source = """
import automa
for wrong in ({1}, 'x' * 3000, {'a': [float('inf')]}):
    try: automa.result(wrong)
    except (TypeError, ValueError) as error: print(error)
"""
        ended = await lab.run(source, limits=replace(QUICK, result_bytes=2000))
        assert ended.out.splitlines() == [
            "automa.result was given a set, which is not JSON",
            "automa.result was given 3002 bytes of JSON; the limit is 2000",
            "automa.result was given inf (at a[0]), which is not JSON",
        ]
        assert not ended.outcome.has_result

    @pytest.mark.needs("processes")
    async def test_a_child_cannot_set_it(self, lab: Lab) -> None:
        source = """
import automa, os
if os.fork() == 0:
    try: automa.result('child')
    except RuntimeError as error: print(error, flush=True)
    os._exit(0)
os.wait()
"""
        ended = await lab.run(source)
        assert ended.out == "only the process that Automa started can set the result\n"
        assert not ended.outcome.has_result


class TestSecret:
    async def test_one_that_was_not_declared_is_a_clear_key_error(self, lab: Lab) -> None:
        source = "import automa\ntry: automa.secret('TOKEN')\nexcept KeyError as error: print(error)"
        said = "the secret 'TOKEN' was not given to this run: declare it under `secrets` of [tool.automa]"
        assert await lab.see(source) == said


@pytest.mark.needs("processes")
class TestWhereNoHarnessIs:
    async def test_interpreters_that_the_script_starts_import_it_and_it_speaks_on_stderr(
        self, lab: Lab
    ) -> None:
        source = """
import multiprocessing, automa
def work(n): automa.log(n, level='warning'); automa.progress(0.5, 'half'); automa.result([n])
if __name__ == '__main__':
    with multiprocessing.get_context('spawn').Pool(1) as pool: pool.map(work, [7])
"""
        ended = await lab.run(source)
        assert ended.err == "warning: 7\nprogress: 50% half\nresult: [7]\n", ended.explain()

    async def test_a_script_s_own_module_of_that_name_is_found_first(self, lab: Lab) -> None:
        ended = await lab.run({"main.py": "import automa\nprint(automa.OWN)", "automa.py": "OWN = 'mine'"})
        assert ended.out == "mine\n"

    async def test_it_is_not_imported_unless_the_script_does(self, lab: Lab) -> None:
        assert await lab.see("import sys\nprint('automa' in sys.modules)") == "False"


@pytest.mark.needs("descriptors")
class TestForgedFrames:
    FORGE = """
import os
def frame(kind, payload=b''): os.write(4, bytes([kind]) + len(payload).to_bytes(4, 'little') + payload)
"""

    async def test_they_change_no_state(self, lab: Lab) -> None:
        source = f"{self.FORGE}\nframe(5, b'\\0' * 8 + b'x'); frame(6, b'\\3forged'); frame(2, b'[1]'); frame(7, b'')\nraise SystemExit(3)"
        ended = await lab.run(source)
        assert (ended.state, ended.outcome.exit_code) == (RunState.FAILED, 3)
        assert not ended.outcome.has_result

    @pytest.mark.parametrize("payload", ["b''", "b'\\xff' * 8", "b'\\x09x'", "b'\\xff' * 4096"])
    async def test_those_that_mean_nothing_are_passed_over(self, lab: Lab, payload: str) -> None:
        ended = await lab.run(f"{self.FORGE}\nfor kind in (5, 6): frame(kind, {payload})\nprint('on')")
        assert (ended.state, ended.out) == (RunState.SUCCEEDED, "on\n")

    async def test_a_flood_waits_for_us_and_not_we_for_it(self, lab: Lab) -> None:
        source = (
            f"{self.FORGE}\nwhile True:\n    frame(5, bytes(8)); frame(6, b'\\1x'); frame(2, b'[' * 4000)"
        )
        started = await lab.start(source, limits=replace(QUICK, timeout_s=1.5, log_bytes=100_000))
        ended = await started.end()
        assert ended.state is RunState.TIMED_OUT, ended.explain()
        assert ended.outcome.log_bytes + ended.outcome.log_cut_bytes < 2_000_000

    async def test_a_result_is_checked_whoever_sends_it(self, lab: Lab) -> None:
        ended = await lab.run(f"{self.FORGE}\nframe(2, b'[1'); frame(7, b', 2]')")
        assert json.loads((ended.attempt_dir / attempts.RESULT).read_bytes()) == [1, 2]
        refused = await lab.run(f"{self.FORGE}\nframe(2, b'[1'); frame(7, b', ')")
        assert refused.outcome.reason == "The result that it sent is not JSON or too large."
