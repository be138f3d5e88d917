"""Hints: the FIFO from the supervisors and those who are woken by it."""

import asyncio
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from automa.runs.hints import HintListener, Watchers
from automa.sdk.attempts import Hint, HintSender


class Heard:
    """Collects hints and can be waited for."""

    def __init__(self) -> None:
        self.hints: list[Hint] = []
        self._new = asyncio.Event()

    def __call__(self, hint: Hint) -> None:
        self.hints.append(hint)
        self._new.set()

    async def until(self, count: int) -> list[Hint]:
        async with asyncio.timeout(5):
            while len(self.hints) < count:
                self._new.clear()
                await self._new.wait()
        return self.hints


@given(st.sampled_from(["started", "log"]), st.none() | st.integers(1, 10**9 - 1))
def test_a_hint_is_read_as_it_was_written(kind, attempt) -> None:
    hint = Hint("0192-run", kind, attempt)
    assert Hint.decode(hint.encode().removesuffix(b"\n")) == hint


@given(st.binary(max_size=60) | st.from_regex(rb"(log|started) [0-9a-z ]{0,30}", fullmatch=True))
def test_whatever_else_is_there_is_no_hint_or_a_whole_one(line: bytes) -> None:
    hint = Hint.decode(line)
    assert hint is None or Hint.decode(hint.encode().removesuffix(b"\n")) == hint


async def test_a_hint_reaches_the_listener(tmp_path: Path) -> None:
    heard = Heard()
    listener = HintListener(tmp_path / "hints", heard)
    listener.start()
    assert HintSender(tmp_path / "hints").send(Hint("run-1", "started"))
    assert await heard.until(1) == [Hint("run-1", "started")]
    listener.stop()


async def test_the_same_hint_twice_in_one_go_is_told_once(tmp_path: Path) -> None:
    heard = Heard()
    listener = HintListener(tmp_path / "hints", heard)
    listener.start()
    sender = HintSender(tmp_path / "hints")
    for _ in range(50):
        sender.send(Hint("run-1", "log"))
    sender.send(Hint("run-2", "log"))
    assert await heard.until(2) == [Hint("run-1", "log"), Hint("run-2", "log")]
    listener.stop()


async def test_rubbish_in_the_fifo_is_passed_over(tmp_path: Path) -> None:
    heard = Heard()
    listener = HintListener(tmp_path / "hints", heard)
    listener.start()
    with (tmp_path / "hints").open("wb", buffering=0) as fifo:
        fifo.write(b"\xff\xfe nonsense\n\nbegun run-9\nlog run-1\n")
    assert await heard.until(1) == [Hint("run-1", "log")]
    listener.stop()


async def test_a_sender_finds_the_fifo_of_the_next_server(tmp_path: Path) -> None:
    sender = HintSender(tmp_path / "hints")
    assert not sender.send(Hint("run-1", "log"))
    first = HintListener(tmp_path / "hints", Heard())
    first.start()
    assert sender.send(Hint("run-1", "log"))
    first.stop()
    assert not sender.send(Hint("run-1", "log"))
    heard = Heard()
    second = HintListener(tmp_path / "hints", heard)
    second.start()
    assert sender.send(Hint("run-1", "log"))
    await heard.until(1)
    second.stop()


def test_a_full_fifo_is_told_to_the_sender_and_blocks_nobody(tmp_path: Path) -> None:
    import os

    os.mkfifo(tmp_path / "hints")
    reader = os.open(tmp_path / "hints", os.O_RDONLY | os.O_NONBLOCK)
    sender = HintSender(tmp_path / "hints")
    sent = 0
    while sender.send(Hint("0" * 36, "log")):
        sent += 1
    assert sent > 1000
    os.close(reader)


def test_only_those_who_watch_a_run_are_woken() -> None:
    watchers = Watchers()
    with watchers.watch("a") as first, watchers.watch("b") as other:
        watchers.wake("a", ended=True)
        assert first.woken.is_set()
        assert first.ended
        assert not other.woken.is_set()
    watchers.wake("a")  # nobody is left to be woken


def test_the_end_of_the_server_ends_all_watches() -> None:
    watchers = Watchers()
    with watchers.watch("a") as first, watchers.watch("b") as second:
        watchers.end_all()
        assert first.ended
        assert second.ended
