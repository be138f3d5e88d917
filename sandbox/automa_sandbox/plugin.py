"""The sandbox plugin: it brings the runner that Automa prefers."""

from automa.sdk.hookspecs import hookimpl
from automa.sdk.plugin import CheckDescriptor, CommandDescriptor, Plugin, PluginContext, RunnerDescriptor
from automa.sdk.runs import Runner
from automa_sandbox.settings import SandboxSettings


class _Hooks:
    @hookimpl
    def register_runners(self) -> list[RunnerDescriptor]:
        return [
            RunnerDescriptor("bubblewrap", _make_bubblewrap, rank=10),
            RunnerDescriptor("docker", _make_docker, rank=20),
            RunnerDescriptor("wasm", _make_wasm, rank=30, on_request=True),
        ]

    @hookimpl
    def register_commands(self, context: PluginContext) -> list[CommandDescriptor]:
        from automa_sandbox.runners.docker.commands import make_build_image
        from automa_sandbox.runners.wasm.commands import compile_wasm

        return [
            CommandDescriptor("build-image", make_build_image(context)),
            CommandDescriptor("compile-wasm", compile_wasm),
        ]

    @hookimpl
    def register_checks(self, context: PluginContext) -> list[CheckDescriptor]:
        from automa_sandbox.checks.room import all_checks

        return all_checks(context)


def _make_bubblewrap(context: PluginContext) -> Runner:
    from automa_sandbox.runners.bubblewrap.runner import BubblewrapRunner

    return BubblewrapRunner.make(context)


def _make_docker(context: PluginContext) -> Runner:
    from automa_sandbox.runners.docker.runner import DockerRunner

    return DockerRunner.make(context)


def _make_wasm(context: PluginContext) -> Runner:
    from automa_sandbox.runners.wasm.runner import WasmRunner

    return WasmRunner.make(context)


plugin = Plugin(
    name="sandbox",
    hooks=_Hooks(),
    description="Runs scripts in a sandbox of the operating system, with bubblewrap, or in containers.",
    settings=SandboxSettings,
)
