"""The plugin's command that has to do with WebAssembly."""

import typer

from automa.sdk.errors import SandboxFailed
from automa_sandbox.runners.wasm.engine import Engine, EngineFailed
from automa_sandbox.runners.wasm.runner import compiled_folder, engine_folders


def compile_wasm() -> None:
    """Compile the WebAssembly interpreter for this machine: a minute or two, and about 2 GB of memory."""
    artifacts, _ = engine_folders()
    try:
        engine = Engine(artifacts)
        target = engine.prepare(compiled_folder())
    except (EngineFailed, OSError) as error:
        raise SandboxFailed(str(error)) from error
    typer.echo(f"Python {engine.python_version} is compiled: {target}")
