"""`automa run FILE`: one run in the sandbox, here and now. No server is needed, and none is disturbed."""

import asyncio
import json
import signal
import sys
from collections.abc import Mapping
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from automa.cli.console import Exit, note, told
from automa.cli.console import run as run_coroutine
from automa.cli.givensecrets import read_secrets
from automa.cli.grants import Allowed
from automa.errors import InvalidPayload, InvalidRequest, SandboxUnavailable
from automa.sdk.runlog import LogLine, Stream
from automa.sdk.runs import SECONDS_MOST, BuildsEnvironments, RunState

if TYPE_CHECKING:
    from automa.config import Settings
    from automa.environments.wanted import Wanted
    from automa.runs.local import LocalResult, LocalRun
    from automa.sdk.runs import Runner

app = typer.Typer(add_completion=False)


@app.command()
def run(
    file: Annotated[Path, typer.Argument(help="A Python file, or a folder with main.py.")],
    param: Annotated[list[str] | None, typer.Option(help="A parameter: name=value. May be repeated.")] = None,
    params: Annotated[str | None, typer.Option(help="All parameters as one JSON object.")] = None,
    entry: Annotated[str | None, typer.Option(help="Where a folder's program begins.")] = None,
    timeout: Annotated[
        float | None, typer.Option(min=0.001, max=SECONDS_MOST, help="Seconds after which it is ended.")
    ] = None,
    secret: Annotated[
        list[str] | None,
        typer.Option(
            help="A secret: NAME, whose value is asked for, or NAME=@FILE, where @- is standard input. "
            "May be repeated."
        ),
    ] = None,
    runner: Annotated[str | None, typer.Option(help="The runner to use.")] = None,
    artifacts: Annotated[
        Path | None,
        typer.Option(help="A new or empty folder for the files in AUTOMA_ARTIFACTS."),
    ] = None,
    allow_network: Annotated[
        bool, typer.Option("--allow-network", help="Grant the network that it declares.")
    ] = False,
    allow_path: Annotated[
        list[str] | None,
        typer.Option(help="Grant a path that it declares: a name of the settings, or name=path. Repeatable."),
    ] = None,
    allow_limits: Annotated[
        bool, typer.Option("--allow-limits", help="Grant limits over the defaults.")
    ] = False,
    allow_all: Annotated[bool, typer.Option("--allow-all", help="Grant all that it declares.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object at the end.")] = False,
) -> None:
    """Run a script in the sandbox with its output on the terminal.

    Exit codes: 0 it succeeded, 1 it did not, 2 bad usage or something is to be granted, 3 no sandbox is
    available.
    """
    with told(as_json):
        secrets = read_secrets(secret or [])
    allowed = Allowed(allow_network, tuple(allow_path or ()), allow_limits, allow_all)
    work = _run(file, entry, param or [], params, timeout, secrets, runner, allowed, artifacts, as_json)
    result, facts = run_coroutine(work, as_json)
    if as_json:
        print(json.dumps(_report(result, facts), ensure_ascii=False))
    else:
        _conclude(result)
    raise SystemExit(Exit.OK if result.outcome.state is RunState.SUCCEEDED else Exit.FAILED)


async def _run(
    file: Path,
    entry: str | None,
    given: list[str],
    params: str | None,
    timeout_s: float | None,
    secrets: Mapping[str, str],
    runner_name: str | None,
    allowed: Allowed,
    artifacts: Path | None,
    quiet: bool,
) -> "tuple[LocalResult, dict[str, Any]]":
    from automa import config
    from automa.catalog.local import inspect_path
    from automa.catalog.parameters import check
    from automa.catalog.permissions import in_words
    from automa.extend.bundled import bundled_runners
    from automa.runs.artifacts import copy_out
    from automa.runs.choice import Runners
    from automa.runs.local import LocalRun, Program, scratch_folder

    settings = config.load()
    if artifacts is not None:
        _require_empty(artifacts)
    async with scratch_folder() as scratch:
        found = await asyncio.to_thread(inspect_path, file, scratch / "app", settings.uploads, entry)
        arguments = check(found.schema, _arguments(found.schema, given, params))
        permissions, defaults = found.permissions, settings.limits.to_limits()
        allowed.require(permissions, defaults)
        grants = allowed.grants(permissions, settings)
        mounts = grants.mounts(permissions)
        limits = permissions.limits_in_force(permissions, defaults)
        if timeout_s is not None:
            limits = replace(limits, timeout_s=timeout_s)
        # A home of its own: a server's runner may be at work in the real one.
        runners = Runners(
            bundled_runners(settings.model_copy(update={"home": scratch})), settings.runs.runner
        )
        try:
            runner = await runners.choose(runner_name)
            environment, python = await _environment(runner, found.dependencies, settings)
            program = Program(
                found.folder,
                found.entry,
                found.call_main,
                arguments,
                result_schema=found.result_schema,
                mounts=mounts,
                network=grants.network(permissions),
                environment=environment,
                python=python,
            )
            local = LocalRun(runner, program, limits, scratch, secrets)
            _end_on_signals(local)
            for words in () if quiet else in_words(permissions):
                note(f"automa: granted: {words}")
            facts = {
                "runner": runner.name,
                "limits": asdict(limits),
                "permissions": permissions.to_json(),
            }
            result = await local.execute(_ignore if quiet else _show)
            if artifacts is not None:
                await asyncio.to_thread(copy_out, local.attempt_dir, artifacts)
            return result, facts
        finally:
            await runners.close()


def _require_empty(folder: Path) -> None:
    """What is there already is nobody's to overwrite."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        is_empty = not any(folder.iterdir())
    except OSError as error:
        raise InvalidPayload(f"--artifacts {folder} cannot be used: {error.strerror}.") from error
    if not is_empty:
        raise InvalidPayload(f"--artifacts {folder} is not empty.")


async def _environment(
    runner: "Runner", wanted: "Wanted", settings: "Settings"
) -> tuple[Path | None, str | None]:
    """The packages that the program declares, and its interpreter."""
    from automa.environments.local import prepare

    if wanted.is_nothing:
        return None, None
    if not isinstance(runner, BuildsEnvironments):
        raise SandboxUnavailable(f"The runner {runner.name} cannot install the dependencies of a script.")
    note(f"automa: packages: {', '.join(wanted.requirements) or 'none'}")
    return await prepare(runner, wanted, settings)


def _arguments(schema: dict[str, Any], given: list[str], params: str | None) -> dict[str, Any]:
    """What was given as `name=value`, read as JSON unless the parameter is a string, over `--params`."""
    arguments = _object(params) if params is not None else {}
    properties: dict[str, Any] = schema.get("properties", {})
    for item in given:
        name, separator, value = item.partition("=")
        if not separator or not name:
            raise InvalidPayload(f"--param {item!r} is not of the form name=value.")
        arguments[name] = _value(value, properties.get(name, {}))
    return arguments


def _object(text: str) -> dict[str, Any]:
    try:
        value = _json(text)
    except (ValueError, InvalidRequest) as error:
        raise InvalidPayload(f"--params is not JSON: {str(error).rstrip('.')}.") from None
    if not isinstance(value, dict):
        raise InvalidPayload("--params is not a JSON object.")
    return value  # pyright: ignore[reportUnknownVariableType]


def _value(text: str, schema: dict[str, Any]) -> Any:
    if schema.get("type") == "string":
        return text
    try:
        return _json(text)
    except (ValueError, InvalidRequest):
        return text


def _json(text: str) -> Any:
    """As strict as the API: what a run takes here, it takes there. Raises ValueError or InvalidRequest."""
    from automa.http.portable_json import check_json

    check_json(text.encode("utf-8", "surrogateescape"))
    return json.loads(text)


def _end_on_signals(local: "LocalRun") -> None:
    """Ctrl-C or TERM ends the run, politely; the run's own grace sees to the rest."""
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        loop.add_signal_handler(number, local.cancel)


def _ignore(_line: LogLine) -> None:
    """With --json only the object is printed."""


def _show(line: LogLine) -> None:
    if line.stream is Stream.SYSTEM:
        note(f"automa: {line.text}")
        return
    if line.stream.level is not None:
        note(f"{line.stream.level}: {line.text}")
        return
    out = sys.stdout.buffer if line.stream is Stream.STDOUT else sys.stderr.buffer
    out.write(line.data)
    out.flush()


def _conclude(result: "LocalResult") -> None:
    outcome = result.outcome
    if outcome.has_result:
        print(json.dumps(result.result, indent=2, ensure_ascii=False))
    took = f"{outcome.state} after {outcome.duration_s:.2f} s"
    if outcome.state is RunState.SUCCEEDED:
        note(f"automa: {took}")
    else:
        note(f"automa: {took}: {outcome.reason or f'exit code {outcome.exit_code}'}")


def _report(result: "LocalResult", facts: dict[str, Any]) -> dict[str, Any]:
    from automa.runs.news import moment

    outcome = result.outcome
    started = moment(outcome.started_at)
    return {
        "id": result.run_id,
        "state": outcome.state.value,
        "exit_code": outcome.exit_code,
        "signal": outcome.signal,
        "reason": outcome.reason,
        "ended_by": outcome.ended_by,
        "started_at": started.isoformat() if started else None,
        "duration_s": round(outcome.duration_s, 6),
        "result": result.result,
        **facts,
        "enforcement": outcome.enforcement,
        "usage": {
            "cpu_s": outcome.usage.cpu_s,
            "peak_memory_bytes": outcome.usage.peak_memory_bytes,
            "bytes_written": outcome.usage.bytes_written,
        },
        "progress": asdict(outcome.progress) if outcome.progress else None,
        "artifacts": [
            {"name": item.name, "size_bytes": item.size, "sha256": item.sha256, "media_type": item.media_type}
            for item in result.artifacts
        ],
        "log": [_as_json(line) for line in result.log],
    }


def _as_json(line: LogLine) -> dict[str, Any]:
    """A line; `level` is there only if the script gave it one."""
    level = {"level": line.stream.level} if line.stream.level is not None else {}
    return {"seq": line.seq, "ts": line.ts, "stream": line.stream.label, **level, "text": line.text}
