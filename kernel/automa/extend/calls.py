"""Calls one implementation of a hook after another, each with its own try, its own time and its own await."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import pluggy

from automa.extend.hooks import Hooks
from automa.sdk.errors import PluginFailed
from automa.sdk.plugin import PluginContext

Contexts = Mapping[str, PluginContext]


@dataclass(frozen=True, slots=True)
class Answer:
    """What one plugin answered, or how it failed."""

    plugin: str
    value: Any = None
    error: PluginFailed | None = None


def collect(hooks: Hooks, hook: str, contexts: Contexts) -> Iterator[Answer]:
    """Ask each plugin for its descriptors (`register_*`). A plugin's answer is a whole list, or its error."""
    for implementation in hooks.implementations(hook):
        name = implementation.plugin_name
        try:
            function: Callable[..., Any] = implementation.function
            value = function(*_arguments(implementation, {"context": contexts[name]}))
            yield Answer(name, list(value))
        except BaseException as error:
            yield Answer(name, error=_failure(hook, error))


async def tell(
    hooks: Hooks,
    hook: str,
    contexts: Contexts,
    timeout_s: float,
    *,
    only: str | None = None,
    **arguments: Any,
) -> list[Answer]:
    """Tell all plugins at once (`on_*`), or `only` one, and return when each has ended or timed out."""
    told = [item for item in hooks.implementations(hook) if only in (None, item.plugin_name)]
    return list(await asyncio.gather(*(_call(hook, item, contexts, timeout_s, arguments) for item in told)))


async def ask(
    hooks: Hooks, hook: str, contexts: Contexts, timeout_s: float, **arguments: Any
) -> AsyncIterator[Answer]:
    """Ask one plugin after the other (`resolve_*`); whoever iterates stops at the answer it likes."""
    for implementation in hooks.implementations(hook):
        yield await _call(hook, implementation, contexts, timeout_s, arguments)


async def _call(
    hook: str,
    implementation: pluggy.HookImpl,
    contexts: Contexts,
    timeout_s: float,
    arguments: Mapping[str, Any],
) -> Answer:
    name = implementation.plugin_name
    values = {"context": contexts[name], **arguments}
    function: Callable[..., Any] = implementation.function

    async def guarded() -> Answer:
        try:
            return Answer(name, await function(*_arguments(implementation, values)))
        except asyncio.CancelledError:
            raise
        except BaseException as error:  # a SystemExit would otherwise end the server's loop
            return Answer(name, error=_failure(hook, error))

    return await _within(timeout_s, asyncio.create_task(guarded()), hook, name)


async def _within(timeout_s: float, call: asyncio.Task[Answer], hook: str, name: str) -> Answer:
    # Not asyncio.timeout(): code that swallows its cancellation would hold us for as long as it likes.
    try:
        await asyncio.wait({call}, timeout=timeout_s)
    finally:
        if not call.done():
            call.cancel()
    if not call.done():
        return Answer(name, error=PluginFailed(f"{hook} took more than {timeout_s:g} s"))
    if call.cancelled():
        return Answer(name, error=PluginFailed(f"{hook} cancelled itself"))
    return call.result()


def _arguments(implementation: pluggy.HookImpl, values: Mapping[str, Any]) -> list[Any]:
    return [values[name] for name in implementation.argnames]


def _failure(hook: str, error: BaseException) -> PluginFailed:
    said = ""
    with contextlib.suppress(Exception):  # an exception of theirs may fail to tell what it is
        said = str(error)
    failure = PluginFailed(f"{hook}: {type(error).__name__}{f': {said}' if said else ''}"[:500])
    failure.__cause__ = error
    return failure
