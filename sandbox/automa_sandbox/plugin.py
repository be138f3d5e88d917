"""The sandbox plugin: it brings the runner that Automa prefers."""

from automa.sdk.hookspecs import hookimpl
from automa.sdk.plugin import Plugin, PluginContext, RunnerDescriptor
from automa.sdk.runs import Runner


class _Hooks:
    @hookimpl
    def register_runners(self) -> list[RunnerDescriptor]:
        return [RunnerDescriptor("bubblewrap", _make, rank=10)]


def _make(context: PluginContext) -> Runner:
    from automa_sandbox.runner import BubblewrapRunner

    return BubblewrapRunner.make(context)


plugin = Plugin(
    name="sandbox",
    hooks=_Hooks(),
    description="Runs scripts in a sandbox of the operating system, with bubblewrap.",
)
