"""Reading programs that strangers wrote, in a process of its own.

A syntax tree can take 900 times the memory of its source, and which depth of nesting ends the interpreter
itself depends on its version: so the server never parses user code. The helper is a fresh interpreter
with bounds on memory and time, about 0.1 s; a file that breaks it is told so, and nothing else happens.
"""

import asyncio
import json
import subprocess
import sys

from automa.catalog.declaration import PROJECT
from automa.catalog.inspect import Inspection, inspect_source
from automa.catalog.source import MAX_SOURCE_BYTES, Problem

TIMEOUT_S = 20.0
_AT_ONCE = 2  # each may take half a gigabyte


class Inspector:
    """Inspects entry files, a few at a time."""

    def __init__(self, timeout_s: float = TIMEOUT_S) -> None:
        self._slots = asyncio.Semaphore(_AT_ONCE)
        self._timeout_s = timeout_s

    async def inspect(self, source: bytes, project: bytes | None = None) -> Inspection:
        """`project` is the program's `pyproject.toml`. Never raises for what is in the files."""
        if (refusal := _too_large(source, project)) is not None:
            return refusal
        async with self._slots:
            return await asyncio.to_thread(self._inspect, source, project)

    def _inspect(self, source: bytes, project: bytes | None) -> Inspection:
        # -I: neither the environment nor the working directory has a say in what is imported.
        command = [sys.executable, "-I", "-m", "automa.catalog.inspect"]
        command += [] if project is None else [str(len(project))]
        try:
            done = subprocess.run(
                command,
                input=(project or b"") + source,
                capture_output=True,
                env={},
                cwd="/",
                timeout=self._timeout_s,
                check=False,
            )
        except subprocess.TimeoutExpired:
            return Inspection.failed(
                "the file takes too long to be read: it is nested too deeply, or too large"
            )
        if done.returncode != 0:
            return Inspection.failed("the file cannot be read: it is nested too deeply, or too large")
        return Inspection.from_json(json.loads(done.stdout))


def inspect_own(source: bytes, project: bytes | None = None) -> Inspection:
    """For a command of the file's own owner: here, without the helper and its 0.1 s."""
    return _too_large(source, project) or inspect_source(source, project)


def _too_large(source: bytes, project: bytes | None) -> Inspection | None:
    if len(source) > MAX_SOURCE_BYTES:
        detail = f"the entry file is larger than {MAX_SOURCE_BYTES} bytes; data belongs in other files"
        return Inspection(problem=Problem(1, 1, detail))
    if project is not None and len(project) > MAX_SOURCE_BYTES:
        return Inspection(problem=Problem(1, 1, f"it is larger than {MAX_SOURCE_BYTES} bytes", PROJECT))
    return None
