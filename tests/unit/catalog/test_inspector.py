"""The helper process: whatever is in a file, the answer is an inspection."""

import asyncio
import time

import pytest

from automa.catalog.inspector import Inspector, inspect_own
from automa.catalog.source import MAX_SOURCE_BYTES


@pytest.fixture
def inspector() -> Inspector:
    return Inspector()


class TestInspect:
    async def test_the_helper_answers_as_the_function_does(self, inspector: Inspector) -> None:
        for source in (b"def main(size: int = 3): ...", b"print(1)", b"def f(:"):
            assert await inspector.inspect(source) == inspect_own(source)

    @pytest.mark.parametrize(
        "source",
        [
            b"x\n" * (MAX_SOURCE_BYTES // 2),
            b"x=[" + b"1," * (MAX_SOURCE_BYTES // 2 - 10) + b"]",
            b"-" * (MAX_SOURCE_BYTES - 1) + b"1",
            b"a" + b".b" * (MAX_SOURCE_BYTES // 2 - 1),
        ],
        ids=["lines", "list", "minus", "dots"],
    )
    async def test_the_most_expensive_sources_end_with_an_answer(
        self, inspector: Inspector, source: bytes
    ) -> None:
        found = await inspector.inspect(source)
        assert found.kind == "plain"

    async def test_a_large_file_is_not_even_handed_over(self, inspector: Inspector) -> None:
        for found in (await inspector.inspect(b"x" * 10_000_000), inspect_own(b"x" * 10_000_000)):
            assert found.problem is not None
            assert "larger than" in found.problem.message

    async def test_a_helper_that_takes_too_long_is_ended(self) -> None:
        found = await Inspector(timeout_s=0.001).inspect(b"print(1)")
        assert found.problem is not None
        assert "too long" in found.problem.message

    async def test_the_server_goes_on_meanwhile(self, inspector: Inspector) -> None:
        inspecting = asyncio.create_task(inspector.inspect(b"x\n" * 200_000))
        longest, before = 0.0, time.monotonic()
        while not inspecting.done():
            await asyncio.sleep(0.005)
            now = time.monotonic()
            longest, before = max(longest, now - before), now
        assert longest < 0.5
