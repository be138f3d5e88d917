"""Checks are run each by itself: what one does, fails to do or takes too long to do reaches no other."""

import asyncio
import sys
import threading
from collections.abc import Callable
from typing import Any

import pytest

from automa.checks.service import Check, Examined, examine, in_order
from automa.sdk.checks import CheckGroup, Level, ok
from automa.sdk.plugin import CheckDescriptor


def check(run: Callable[[], Any], name: str = "one", group: str = "machine", **more: Any) -> Check:
    return Check(CheckDescriptor(CheckGroup(group), name, "Looks.", run, **more))


async def found(*checks: Check) -> list[Examined]:
    return [one async for one in examine(checks)]


def raises(error: BaseException) -> Callable[[], Any]:
    def run() -> Any:
        raise error

    return run


async def never() -> Any:
    await asyncio.Event().wait()


async def stubborn() -> Any:
    while True:
        try:
            await asyncio.sleep(5)
        except asyncio.CancelledError:
            if _ended.is_set():
                raise


_ended = asyncio.Event()


async def quits() -> Any:
    sys.exit(3)


class TestExamine:
    async def test_findings_come_in_order_however_long_each_takes(self) -> None:
        second_is_done = threading.Event()

        def first() -> Any:
            assert second_is_done.wait(20)
            return ok("first")

        def second() -> Any:
            second_is_done.set()
            return ok("second")

        assert [one.finding.text for one in await found(check(first), check(second))] == ["first", "second"]

    async def test_each_is_shown_as_soon_as_it_is_there(self) -> None:
        may_end = asyncio.Event()

        async def waits() -> Any:
            await may_end.wait()
            return ok("late")

        findings = examine([check(lambda: ok("early")), check(waits)])
        assert (await anext(findings)).finding.text == "early"
        may_end.set()
        assert (await anext(findings)).finding.text == "late"

    @pytest.mark.parametrize(
        ("error", "said"),
        [
            (ValueError("the\nreason"), "ValueError: the reason"),
            (PermissionError(13, "Permission denied", "/x"), "Permission denied"),
            (SystemExit(3), "SystemExit"),
            (KeyboardInterrupt(), "KeyboardInterrupt"),
            (StopIteration(1), "StopIteration"),
            (RecursionError(), "RecursionError"),
        ],
    )
    async def test_one_that_raises_is_a_finding(self, error: BaseException, said: str) -> None:
        broken, sound = await found(check(raises(error)), check(lambda: ok("sound")))
        assert broken.finding.level is Level.WARNING
        assert said in broken.finding.text
        assert "\n" not in broken.finding.text
        assert sound.finding == ok("sound")

    async def test_one_that_would_end_the_process_is_a_finding(self) -> None:
        (one,) = await found(check(quits))
        assert "SystemExit" in one.finding.text

    @pytest.mark.parametrize("run", [never, lambda: threading.Event().wait(30)])
    async def test_one_that_is_too_slow_is_a_finding(self, run: Callable[[], Any]) -> None:
        (one,) = await found(check(run, timeout_s=0.05))
        assert one.finding.level is Level.WARNING
        assert "more than 0.05 s" in one.finding.text

    async def test_one_that_swallows_its_cancellation_keeps_nobody(self) -> None:
        (one,) = await found(check(stubborn, timeout_s=0.05))
        assert "more than 0.05 s" in one.finding.text
        _ended.set()
        left = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
        for task in left:
            task.cancel()
        await asyncio.gather(*left, return_exceptions=True)

    async def test_an_answer_that_is_no_finding_is_one(self) -> None:
        (one,) = await found(check(lambda: "fine"))
        assert (one.finding.level, "str" in one.finding.text) == (Level.WARNING, True)

    async def test_a_text_of_many_lines_becomes_one(self) -> None:
        (one,) = await found(check(lambda: ok("a\n  b\tc" + "d" * 5000)))
        assert one.finding.text.startswith("a b cd")
        assert len(one.finding.text) == 1000

    async def test_whoever_stops_looking_leaves_nothing_behind(self) -> None:
        findings = examine([check(lambda: ok("early")), check(never, timeout_s=60)])
        await anext(findings)
        await findings.aclose()
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        assert not [task for task in asyncio.all_tasks() if task.get_name() == "machine.one"]


class TestOrder:
    def test_groups_stand_in_their_order_and_ours_come_first(self) -> None:
        theirs = Check(CheckDescriptor(CheckGroup.HOME, "theirs", "", lambda: ok("")), "acme")
        checks = [check(lambda: ok(""), "clock"), theirs, check(lambda: ok(""), "folder", "home")]
        assert [one.name for one in in_order(checks)] == ["home.folder", "home.theirs", "machine.clock"]
