"""Reading programs that strangers wrote, in a process of its own.

A syntax tree can take 900 times the memory of its source, and which depth of nesting ends the interpreter
itself depends on its version: so the server never parses user code. The helper is a fresh interpreter
with bounds on memory and time, about 0.1 s; a file that breaks it is told so, and nothing else happens.
"""

import asyncio
import json
import subprocess
import sys
from collections.abc import Mapping

from automa.catalog.inspect import NOTHING_BESIDE, Inspection, inspect_source
from automa.catalog.source import MAX_SOURCE_BYTES, Problem

TIMEOUT_S = 20.0
_AT_ONCE = 2  # each may take half a gigabyte


class Inspector:
    """Inspects entry files, a few at a time."""

    def __init__(self, timeout_s: float = TIMEOUT_S) -> None:
        self._slots = asyncio.Semaphore(_AT_ONCE)
        self._timeout_s = timeout_s

    async def inspect(self, source: bytes, beside: Mapping[str, bytes] = NOTHING_BESIDE) -> Inspection:
        """`beside` are files that tell what the program needs. Never raises for what is in any of them."""
        if (refusal := _too_large(source, beside)) is not None:
            return refusal
        async with self._slots:
            return await asyncio.to_thread(self._inspect, source, beside)

    def _inspect(self, source: bytes, beside: Mapping[str, bytes]) -> Inspection:
        # -I: neither the environment nor the working directory has a say in what is imported.
        command = [sys.executable, "-I", "-m", "automa.catalog.inspect"]
        command += [f"{name}:{len(content)}" for name, content in beside.items()]
        try:
            done = subprocess.run(
                command,
                input=b"".join((*beside.values(), source)),
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


def inspect_own(source: bytes, beside: Mapping[str, bytes] = NOTHING_BESIDE) -> Inspection:
    """For a command of the file's own owner: here, without the helper and its 0.1 s."""
    return _too_large(source, beside) or inspect_source(source, beside)


def _too_large(source: bytes, beside: Mapping[str, bytes]) -> Inspection | None:
    if len(source) > MAX_SOURCE_BYTES:
        detail = f"the entry file is larger than {MAX_SOURCE_BYTES} bytes; data belongs in other files"
        return Inspection(problem=Problem(1, 1, detail))
    for name, content in beside.items():
        if len(content) > MAX_SOURCE_BYTES:
            return Inspection(problem=Problem(1, 1, f"it is larger than {MAX_SOURCE_BYTES} bytes", name))
    return None
