"""Secrets reach the script and nobody else: no disk has them, and what the script says of them is masked."""

import base64
from collections.abc import Awaitable, Callable

from automa.sdk.runs import RunState
from support.lab import Lab, Started
from support.traces import where_it_shows

WhenItPrints = Callable[[Started, str], Awaitable[None]]
VALUE = "correct-horse/battery+staple"
GIVEN = {"API_KEY": VALUE}

GET = "import sys\nsecrets = sys.modules['_automa_guest'].secrets\n"


class TestTheWayIn:
    async def test_a_script_has_what_it_was_given(self, lab: Lab) -> None:
        seen = await lab.see(GET + "print(sorted(secrets), secrets['API_KEY'][::-1])", secrets=GIVEN)
        assert seen == f"['API_KEY'] {VALUE[::-1]}"

    async def test_without_secrets_there_are_none(self, lab: Lab) -> None:
        assert await lab.see(GET + "print(secrets)") == "{}"

    async def test_large_ones_come_whole(self, lab: Lab) -> None:
        given = {f"KEY_{number}": f"{number}é" * 8000 for number in range(12)}
        ended = await lab.run(GET + "print(sorted(len(one) for one in secrets.values()))", secrets=given)
        assert ended.out.split("[")[1].rstrip("]\n").split(", ") == ["16000"] * 10 + ["24000"] * 2

    async def test_while_it_runs_they_are_in_no_file_and_on_no_command_line(
        self, lab: Lab, when_it_prints: WhenItPrints
    ) -> None:
        source = GET + "import time\nprint(secrets['API_KEY'])\nprint('up')\ntime.sleep(60)"
        started = await lab.start(source, secrets=GIVEN)
        await when_it_prints(started, "up")
        assert where_it_shows(VALUE, lab.folder.parent) == []
        started.execution.cancel()
        ended = await started.end()
        assert where_it_shows(VALUE, lab.folder.parent) == []
        assert ended.out == "***\nup\n"


class TestTheWayOut:
    async def test_the_log_shows_none_however_it_is_written(self, lab: Lab) -> None:
        source = GET + (
            "import base64, json, os, time, urllib.parse\n"
            "value = secrets['API_KEY']\n"
            "for part in value:\n"
            "    os.write(1, part.encode()); os.write(2, part.encode()); time.sleep(0.003)\n"
            "print()\n"
            "print(repr(value), json.dumps([value]), urllib.parse.quote(value, safe=''))\n"
            "print(base64.b64encode(value.encode()).decode(), file=sys.stderr)\n"
        )
        ended = await lab.run(source, secrets=GIVEN)
        assert ended.out == "***\n'***' [\"***\"] ***\n"
        assert ended.err == "******\n" or ended.err == "***\n"
        assert base64.b64encode(VALUE.encode()).decode() not in ended.err

    async def test_the_reason_and_the_trace_show_none(self, lab: Lab) -> None:
        ended = await lab.run(GET + "raise ValueError('no access with ' + secrets['API_KEY'])", secrets=GIVEN)
        assert ended.outcome.state is RunState.FAILED
        assert ended.outcome.reason == "ValueError: no access with ***"
        assert VALUE not in ended.err

    async def test_a_reason_that_was_cut_within_a_secret_shows_nothing_of_it(self, lab: Lab) -> None:
        long = "x" * 375
        ended = await lab.run(GET + f"raise ValueError('{long}' + secrets['API_KEY'])", secrets=GIVEN)
        assert ended.outcome.reason == f"ValueError: {long}***"

    async def test_the_result_shows_none_and_stays_json(self, lab: Lab) -> None:
        source = (
            "import automa\ndef main():\n    key, pin = automa.secret('API_KEY'), automa.secret('PIN')\n"
            "    return {'key': key, 'pin': int(pin), pin: [1.5]}"
        )
        ended = await lab.run(source, secrets={**GIVEN, "PIN": "48151623"}, call_main=True)
        assert ended.result == {"key": "***", "pin": "***", "***": [1.5]}

    async def test_without_secrets_nothing_is_masked(self, lab: Lab) -> None:
        assert await lab.see("print('***', 'correct-horse')") == "*** correct-horse"

    async def test_progress_log_lines_and_names_of_artifacts_show_none(self, lab: Lab) -> None:
        source = (
            "import automa, os, pathlib\nvalue = automa.secret('PIN')\nautoma.progress(0.5, 'at ' + value)\n"
            "automa.log('with ' + value)\n"
            "pathlib.Path(os.environ['AUTOMA_ARTIFACTS'], value + '.txt').write_text('x')\n"
        )
        ended = await lab.run(source, secrets={"PIN": "48151623"})
        assert ended.outcome.state is RunState.SUCCEEDED, ended.explain()
        assert where_it_shows("48151623", ended.attempt_dir) == []
        assert [line.text for line in ended.lines] == ["with ***"]
        assert ended.outcome.progress is not None
        assert ended.outcome.progress.message == "at ***"

    async def test_a_message_that_goes_on_in_further_lines_is_cut_within_none(self, lab: Lab) -> None:
        source = (
            "import automa, base64\nvalue = automa.secret('API_KEY')\n"
            "coded = base64.b64encode(value.encode()).decode()\n"
            "for before in range(3960, 4001):\n"
            "    automa.log('x' * before + value + 'y' * 5000)\n"
            "    automa.log('x' * (before - 8) + ' ' + coded)\n"
            "automa.log(value * 300)\n"
        )
        ended = await lab.run(source, secrets=GIVEN)
        assert ended.outcome.state is RunState.SUCCEEDED, ended.explain()
        told = "".join(line.text for line in ended.lines)
        pieces = [VALUE[start : start + 6] for start in range(len(VALUE) - 5)]
        encoded = base64.b64encode(VALUE.encode()).decode()
        pieces += [encoded[start : start + 6] for start in range(len(encoded) - 5)]
        assert [piece for piece in pieces if piece in told] == []
        assert told.count("y") == 41 * 5000
