"""Runs checks: all at once, each by itself, and tells what they find in the order in which they are shown."""

import asyncio
import threading
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from inspect import iscoroutinefunction
from typing import Any

from automa.sdk.checks import CheckGroup, Finding, warning
from automa.sdk.plugin import CheckDescriptor

_TEXT_MOST = 1000


@dataclass(frozen=True, slots=True)
class Check:
    """A check, and the plugin that brought it (None: Automa's own)."""

    descriptor: CheckDescriptor
    plugin: str | None = None

    @property
    def name(self) -> str:
        return f"{self.descriptor.group}.{self.descriptor.name}"


@dataclass(frozen=True, slots=True)
class Examined:
    """A check and what it found."""

    check: Check
    finding: Finding


def in_order(checks: Sequence[Check]) -> list[Check]:
    """By group, Automa's own first."""
    groups = list(CheckGroup)
    return sorted(checks, key=lambda one: (groups.index(one.descriptor.group), one.plugin is not None))


async def examine(checks: Sequence[Check]) -> AsyncGenerator[Examined]:
    """Begin all, and give each finding once it and those before it are there. Nothing of theirs is raised."""
    tasks = [asyncio.create_task(_find(check.descriptor), name=check.name) for check in checks]
    try:
        for check, task in zip(checks, tasks, strict=True):
            yield Examined(check, await task)
    finally:
        for task in tasks:
            task.cancel()


async def _find(check: CheckDescriptor) -> Finding:
    call = asyncio.ensure_future(_call(check))
    try:
        # Not asyncio.timeout(): code that swallows its cancellation would hold us for as long as it likes.
        await asyncio.wait({call}, timeout=check.timeout_s)
        if not call.done():
            return warning(f"This could not be found out: it took more than {check.timeout_s:g} s.")
        return _one_line(call.result())
    except asyncio.CancelledError:
        raise
    except BaseException as error:  # a plugin's code, and files of a machine that we do not know
        return warning(f"This could not be found out: {_said(error)}")
    finally:
        call.cancel()


def _call(check: CheckDescriptor) -> "asyncio.Future[Any]":
    function: Callable[[], Any] = check.run
    if iscoroutinefunction(function):
        return asyncio.ensure_future(_awaited(function))
    return _in_thread(function)


async def _awaited(function: Callable[[], Any]) -> Any:
    try:
        return await function()
    except (SystemExit, KeyboardInterrupt) as error:  # these would end the event loop
        raise RuntimeError(type(error).__name__) from error


def _in_thread(function: Callable[[], Any]) -> "asyncio.Future[Any]":
    """In a thread of its own: one that hangs, on a dead network share perhaps, keeps nobody from leaving."""
    loop = asyncio.get_running_loop()
    answer: asyncio.Future[Any] = loop.create_future()

    def settle(value: Any, error: BaseException | None) -> None:
        if answer.done():
            return
        if error is None:
            answer.set_result(value)
        else:
            answer.set_exception(RuntimeError(_said(error)) if isinstance(error, StopIteration) else error)

    def work() -> None:
        value, failure = None, None
        try:
            value = function()
        except BaseException as error:
            failure = error
        with suppress(RuntimeError):  # nobody waits any longer: the loop is closed
            loop.call_soon_threadsafe(settle, value, failure)

    threading.Thread(target=work, daemon=True, name="check").start()
    return answer


def _one_line(found: Any) -> Finding:
    if not isinstance(found, Finding):
        return warning(f"This could not be found out: the check gave {type(found).__name__}, no Finding.")
    return replace(found, text=" ".join(found.text.split())[:_TEXT_MOST])


def _said(error: BaseException) -> str:
    said = ""
    with suppress(Exception):  # an exception of theirs may fail to tell what it is
        said = str(error)
    return f"{type(error).__name__}: {' '.join(said.split())}"[:300].removesuffix(": ")
