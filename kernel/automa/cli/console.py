"""What the commands share: how they show things, how they fail, how they run."""

import asyncio
import json
import os
import sys
from collections.abc import Coroutine, Generator, Mapping, Sequence
from contextlib import contextmanager, suppress
from enum import IntEnum
from typing import Any, NoReturn, TypeVar

from automa.errors import AutomaError, ConfigError, InvalidRequest, SandboxUnavailable, Unavailable, problem

Answer = TypeVar("Answer")


class Exit(IntEnum):
    """The exit codes of every command."""

    OK = 0
    FAILED = 1
    USAGE = 2
    NO_SANDBOX = 3


def show(data: Any, as_json: bool, columns: Sequence[str] = ()) -> None:
    """Print one object or a list of them: as JSON, or for people (lists as a table of `columns`)."""
    if as_json:
        print(json.dumps(data, indent=2, ensure_ascii=False, default=str))
    elif isinstance(data, Mapping):
        _show_object(data)  # pyright: ignore[reportUnknownArgumentType]
    elif data:
        _show_table(data, columns or tuple(data[0]))
    else:
        note("Nothing yet.")


def note(text: str) -> None:
    """Say something that is not the answer; it goes to stderr, so that pipes stay clean."""
    print(text, file=sys.stderr)


def fail(error: AutomaError, as_json: bool = False) -> NoReturn:
    """Say what went wrong and leave with the exit code that fits."""
    if as_json:
        print(json.dumps(problem(error), ensure_ascii=False))
    note(f"error: {error.detail or error.title}")
    for item in error.errors:
        note(f"  {item.pointer}: {item.detail}")
    raise SystemExit(exit_code_of(error))


def exit_code_of(error: AutomaError) -> Exit:
    if isinstance(error, SandboxUnavailable):
        return Exit.NO_SANDBOX
    return Exit.USAGE if isinstance(error, InvalidRequest | ConfigError) else Exit.FAILED


def run(work: Coroutine[Any, Any, Answer], as_json: bool = False) -> Answer:
    """Run a command's coroutine; what people can mend becomes a message and an exit code, not a traceback."""
    with told(as_json):
        return asyncio.run(work)


@contextmanager
def told(as_json: bool = False) -> Generator[None]:
    """Tell errors of Automa and of the operating system (a full disk, no permission), and leave."""
    try:
        yield
    except AutomaError as error:
        fail(error, as_json)
    except BrokenPipeError:  # `automa … | head`: whoever read has had enough, which is no news to them
        _speak_to_nobody()
        raise SystemExit(Exit.FAILED) from None
    except OSError as error:
        where = f" ({error.filename})" if error.filename else ""
        fail(Unavailable(f"{error.strerror or error}{where}"), as_json)
    except KeyboardInterrupt:
        raise SystemExit(130) from None


def open_streams() -> None:
    """Make output safe to write to: closed streams swallow it, others show codes for what they cannot."""
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if stream is None:
            setattr(sys, name, open(os.devnull, "w", encoding="utf-8"))  # noqa: PTH123, SIM115 - for good
        elif hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")


def _speak_to_nobody() -> None:
    """What is still in the buffer must not fail once more when Python ends."""
    with suppress(OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _show_object(data: Mapping[str, Any]) -> None:
    width = max((len(name) for name in data), default=0)
    for name, value in data.items():
        print(f"{name.replace('_', ' '):<{width}}  {_cell(value)}")


def _show_table(rows: Sequence[Mapping[str, Any]], columns: Sequence[str]) -> None:
    from rich.console import Console
    from rich.table import Table

    table = Table(
        *(name.replace("_", " ") for name in columns), box=None, header_style="bold", pad_edge=False
    )
    for row in rows:
        table.add_row(*(_cell(row.get(name)) for name in columns))
    # Piped output is for programs: no folding to the width of a terminal that is not there.
    width = None if sys.stdout.isatty() else 10_000
    Console(width=width, highlight=False, markup=False).print(
        table, crop=False, no_wrap=not sys.stdout.isatty()
    )


def _cell(value: Any) -> str:
    if value is None:
        return "–"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:.3f}".rstrip("0").rstrip(".")
    return value if isinstance(value, str) else str(value)
