"""What Automa sees of this package: the plugin, its settings and its hooks."""

import asyncio
import sys

from fastapi.responses import PlainTextResponse
from pydantic import BaseModel, ConfigDict, Field

from automa.sdk.events import Event
from automa.sdk.hookspecs import hookimpl
from automa.sdk.plugin import CommandDescriptor, Plugin, PluginContext, RouteDescriptor
from automa_run_report import report

FAILED = {"run.failed", "run.timed_out", "run.oom_killed", "run.lost", "run.start_failed", "run.expired"}
ENDED = FAILED | {"run.succeeded", "run.cancelled"}


class Settings(BaseModel):
    """What can be set under `[plugins.run-report]`, or as `AUTOMA_PLUGINS__RUN_REPORT__…`."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    file: str = Field("runs.md", pattern=r"^[\w-]+\.md$", description="The report's name, in our folder.")
    only_failures: bool = Field(False, description="Leave out what succeeded or was cancelled.")
    keep: int = Field(200, ge=1, le=10_000, description="How many runs the report holds.")


@hookimpl
async def on_event(event: Event, context: PluginContext) -> None:
    """Add each run that has ended."""
    settings: Settings = context.settings
    if event.name not in (FAILED if settings.only_failures else ENDED):
        return
    # The event tells what happened to which run; the rest is looked up. The run may be deleted by now.
    run = await context.look_up("run", event.subject) or {
        "id": event.subject,
        "state": event.name.removeprefix("run."),
        "finished_at": event.at.isoformat(),
    }
    await asyncio.to_thread(report.add, context.data_dir / settings.file, run, settings.keep)
    context.log.info("Run %s is in the report", event.subject)


@hookimpl
def register_routes(context: PluginContext) -> list[RouteDescriptor]:
    """`GET /api/v1/plugins/run-report/report`. It tells of everybody's runs: the default scope is right."""

    def read_report() -> PlainTextResponse:
        """The report, in Markdown."""
        return PlainTextResponse(_text(context), media_type="text/markdown; charset=utf-8")

    return [RouteDescriptor("/report", read_report, options={"response_class": PlainTextResponse})]


@hookimpl
def register_commands(context: PluginContext) -> list[CommandDescriptor]:
    """`automa plugin run run-report show`."""

    def show() -> None:
        """Print the report."""
        print(_text(context))

    return [CommandDescriptor("show", show)]


def _text(context: PluginContext) -> str:
    path = context.data_dir / context.settings.file
    return path.read_text("utf-8") if path.exists() else "No run has ended yet.\n"


plugin = Plugin(
    name="run-report",
    hooks=sys.modules[__name__],
    api=">=1,<2",
    description="Keeps a Markdown report of the runs that have ended.",
    settings=Settings,
)
