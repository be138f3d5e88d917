"""A script finds what it would find anywhere else: `__main__`, its files, its parameters."""

# A script in one line is shown in one line.
# ruff: noqa: E501

import json
import sys
from dataclasses import replace

import pytest

from automa.sdk.runs import RunState
from support.lab import QUICK, Lab


class TestPlainScripts:
    async def test_it_is_main_and_knows_where_it_lies(self, lab: Lab) -> None:
        source = "import sys\nprint(__name__, __file__, sys.argv, sys.path[0], __spec__, sys.modules['__main__'].__file__)"
        assert await lab.see(source) == "__main__ /app/main.py ['/app/main.py'] /app None /app/main.py"

    async def test_an_entry_in_a_folder_imports_its_neighbours(self, lab: Lab) -> None:
        files: dict[str, str | bytes] = {
            "tool/run.py": "import near, sys\nprint(near.X, sys.path[0])",
            "tool/near.py": "X = 5",
        }
        ended = await lab.run(files, entry="tool/run.py")
        assert ended.out == "5 /app/tool\n"

    async def test_parameters_are_json_in_the_environment(self, lab: Lab) -> None:
        source = "import json, os\nprint(json.loads(os.environ['AUTOMA_PARAMS'])['who'], os.environ['AUTOMA_RUN_ID'])"
        ended = await lab.run(source, params={"who": "Zoë"})
        assert ended.out.startswith("Zoë run-")

    async def test_big_parameters_are_json_in_a_file(self, lab: Lab) -> None:
        source = "import json, os\nprint(len(json.load(open(os.environ['AUTOMA_PARAMS_FILE']))['text']))"
        assert await lab.see(source, params={"text": "x" * 300_000}) == "300000"

    async def test_it_opens_its_own_files_by_name_and_writes_beside_them(self, lab: Lab) -> None:
        source = """
import os
print(open('data/a.txt').read(), os.getcwd())
open('out.txt', 'w').write('written')
print(open('out.txt').read(), sorted(os.listdir('.')))
"""
        seen = await lab.run({"main.py": source, "data/a.txt": "input"})
        assert seen.out == "input /work\nwritten ['data', 'main.py', 'out.txt']\n", seen.explain()

    @pytest.mark.needs("system")
    async def test_it_cannot_change_its_own_files_though_it_may_hide_them(self, lab: Lab) -> None:
        source = """
import os
for action in (lambda: open('/app/main.py', 'w'), lambda: os.unlink('/app/main.py'), lambda: open('/app/x', 'w')):
    try: action()
    except OSError as error: print(error.strerror)
os.unlink('main.py')
"""
        ended = await lab.run(source)
        said = ended.out.splitlines()
        assert len(said) == 3, ended.explain()
        assert set(said) <= {"Read-only file system", "Permission denied"}

    async def test_variables_of_the_spec_are_in_the_environment(self, lab: Lab) -> None:
        source = "import os\nprint(os.environ['TOKEN'], os.environ['HOME'], sorted(os.environ))"
        ended = await lab.run(source, env={"TOKEN": "s3cret"})
        assert ended.out.startswith("s3cret /work [")
        assert "s3cret" not in await lab.see("print(open('/proc/self/environ').read() if 0 else '')")

    @pytest.mark.needs("processes")
    async def test_processes_and_pickles_of_main_work(self, lab: Lab) -> None:
        source = """
import multiprocessing, pickle
from dataclasses import dataclass

@dataclass
class Point:
    x: int

def double(point): return Point(point.x * 2)

if __name__ == '__main__':
    assert pickle.loads(pickle.dumps(Point(1))) == Point(1)
    for method in ('fork', 'spawn', 'forkserver'):
        with multiprocessing.get_context(method).Pool(2) as pool:
            print(method, pool.map(double, [Point(1), Point(2)]))
"""
        expected = [f"{method} [Point(x=2), Point(x=4)]" for method in ("fork", "spawn", "forkserver")]
        assert (await lab.see(source)).splitlines() == expected

    @pytest.mark.needs("this-python")
    async def test_the_interpreter_is_clean(self, lab: Lab) -> None:
        source = """
import sys
for name in ('automa.sdk', 'automa_sandbox', 'automa_guest', 'pydantic', 'fastapi', 'pip', 'setuptools'):
    try:
        __import__(name); print(name)
    except ImportError: pass
sys.path += [p + '/site-packages' for p in sys.path] + ['/usr/lib/python3/dist-packages']
for name in ('pip', 'setuptools', 'pydantic'):
    try:
        __import__(name); print(name)
    except ImportError: pass
print(sys.version_info[:2])
"""
        assert await lab.see(source) == str(sys.version_info[:2])

    async def test_text_is_utf_8_whatever_the_server_speaks(self, lab: Lab) -> None:
        assert (await lab.run("print('žluťoučký 🐎'); print(open(__file__).encoding.lower())")).out == (
            "žluťoučký 🐎\nutf-8\n"
        )

    async def test_a_cookie_in_the_source_is_honoured(self, lab: Lab) -> None:
        source = "# -*- coding: latin-1 -*-\nprint('\xe9')\n".encode("latin-1")
        assert (await lab.run({"main.py": source})).out == "é\n"

    async def test_a_null_byte_in_the_source_fails_clearly(self, lab: Lab) -> None:
        ended = await lab.run({"main.py": b"print(1)\0"})
        assert ended.state is RunState.FAILED
        assert "null byte" in ended.err

    @pytest.mark.needs("processes")
    async def test_subprocesses_find_programs_and_the_run_s_name(self, lab: Lab) -> None:
        source = "import subprocess, getpass, os, pwd\nprint(subprocess.check_output(['whoami'], text=True).strip(), getpass.getuser(), pwd.getpwuid(os.getuid()).pw_dir)"
        assert await lab.see(source) == "automa automa /work"


class TestFunctionScripts:
    async def test_main_is_called_with_its_parameters_and_returns_the_result(self, lab: Lab) -> None:
        ended = await lab.run_main("def main(a, b=2):\n    return {'sum': a + b}", a=1)
        assert (ended.state, ended.result) == (RunState.SUCCEEDED, {"sum": 3})
        assert ended.outcome.has_result

    @pytest.mark.needs("sockets")
    async def test_an_async_main_is_run(self, lab: Lab) -> None:
        source = "import asyncio\nasync def main():\n    await asyncio.sleep(0)\n    return [1]"
        assert (await lab.run_main(source)).result == [1]

    async def test_values_of_the_standard_library_become_json(self, lab: Lab) -> None:
        source = """
import datetime, enum, pathlib, dataclasses
class Colour(enum.Enum): RED = 'red'
class Level(enum.IntEnum): HIGH = 3
@dataclasses.dataclass
class Row:
    day: datetime.date
    where: pathlib.Path
def main():
    return {'c': Colour.RED, 'l': Level.HIGH, 't': (1, 2.5, None, True), 'rows': [Row(datetime.date(2026, 1, 2), pathlib.Path('/x'))],
            'at': datetime.datetime(2026, 1, 2, 3, 4, tzinfo=datetime.timezone.utc), 5: 'five', 'text': 'é"\\\\ \\U0001f600'}
"""
        ended = await lab.run_main(source)
        assert ended.result == {
            "c": "red", "l": 3, "t": [1, 2.5, None, True], "rows": [{"day": "2026-01-02", "where": "/x"}],
            "at": "2026-01-02T03:04:00+00:00", "5": "five", "text": 'é"\\ \U0001f600',
        }  # fmt: skip

    @pytest.mark.parametrize(
        ("value", "said"),
        [
            ("{1, 2}", "TypeError: main returned a set, which is not JSON"),
            ("{'a': [object()]}", "TypeError: main returned an object (at a[0]), which is not JSON"),
            ("float('nan')", "ValueError: main returned nan, which is not JSON"),
            ("b'x'", "TypeError: main returned a bytes, which is not JSON"),
            ("{(1, 2): 3}", "TypeError: main returned a tuple as a key, which is not JSON"),
            ("(lambda x: x.append(x) or x)([])", "contains itself"),
            (r"['\udc80']", r"ValueError: main returned text that is not Unicode (at [0]): '\udc80'"),
            (r"{'\ud800': 1}", "main returned text that is not Unicode"),
        ],
    )
    async def test_what_is_not_json_fails_the_run_and_says_why(self, lab: Lab, value: str, said: str) -> None:
        ended = await lab.run_main(f"def main():\n    return {value}")
        assert ended.state is RunState.FAILED
        assert said in ended.err
        assert said in (ended.outcome.reason or "")
        assert not ended.outcome.has_result
        assert "<automa" not in ended.err

    async def test_a_result_above_the_limit_fails_the_run(self, lab: Lab) -> None:
        limits = replace(QUICK, result_bytes=2000)
        ended = await lab.run("def main(): return 'x' * 3000", call_main=True, limits=limits)
        assert ended.state is RunState.FAILED
        assert "3002 bytes" in (ended.outcome.reason or "")

    async def test_a_result_of_a_megabyte_arrives(self, lab: Lab) -> None:
        limits = replace(QUICK, result_bytes=1024 * 1024)
        ended = await lab.run("def main(): return 'x' * 1_000_000", call_main=True, limits=limits)
        assert ended.result == "x" * 1_000_000

    async def test_a_main_that_raises_has_no_result(self, lab: Lab) -> None:
        ended = await lab.run_main("def main(): raise KeyError('x')")
        assert (ended.state, ended.outcome.reason) == (RunState.FAILED, "KeyError: 'x'")
        assert '  File "/app/main.py", line 1, in main' in ended.err.splitlines()

    async def test_annotations_make_values_of_their_kind(self, lab: Lab) -> None:
        source = """
from __future__ import annotations
import datetime, enum
from datetime import date
from typing import Literal, Optional
class Colour(enum.Enum):
    RED = 'red'
    BLUE = 'blue'
def main(day: date, at: Optional[datetime.datetime], colour: Colour, ratio: float, days: list[date], by: dict[str, Colour],
         mode: Literal['a', 'b'] = 'a', either: int | date = 1, none: Optional[date] = None, plain=None):
    print(repr((day, at, colour, ratio, days, by, mode, either, none, plain)))
"""
        params = {
            "day": "2026-01-02", "at": "2026-01-02T03:04:05Z", "colour": "red", "ratio": 3, "days": ["2026-01-03"],
            "by": {"x": "blue"}, "mode": "b", "either": "2026-01-04", "none": None, "plain": "2026-01-05",
        }  # fmt: skip
        ended = await lab.run_main(source, **params)
        assert ended.out == (
            "(datetime.date(2026, 1, 2), datetime.datetime(2026, 1, 2, 3, 4, 5, tzinfo=datetime.timezone.utc), "
            "<Colour.RED: 'red'>, 3.0, [datetime.date(2026, 1, 3)], {'x': <Colour.BLUE: 'blue'>}, 'b', "
            "datetime.date(2026, 1, 4), None, '2026-01-05')\n"
        ), ended.explain()

    @pytest.mark.needs("processes")
    async def test_a_child_that_runs_to_the_end_of_the_file_is_not_the_run(self, lab: Lab) -> None:
        source = "import os, time\ndef main():\n    if os.fork() == 0: return 'child'\n    os.wait()\n    return 'parent'"
        ended = await lab.run_main(source)
        assert ended.result == "parent"


async def test_the_result_file_is_strict_json(lab: Lab) -> None:
    ended = await lab.run_main("def main(): return [1e22, -0.0, 10**30]")
    assert json.loads((ended.attempt_dir / "result.json").read_text()) == [1e22, -0.0, 10**30]
