"""What a container in gVisor has that is different, and what its first process is told."""

import marshal
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from automa.sdk.runs import Limits, Mount, RunSpec
from automa_sandbox.inside import HARNESS
from automa_sandbox.runners.docker.container import bind, options
from automa_sandbox.runners.docker.plan import Plan

PLACE = "/.automa"
STREAMS = ("stdout", "stderr", "frames", "artifacts", "told")
"""In the order in which `guest/gvisor.py` numbers them."""
_CAPABILITIES = ("SETUID", "SETGID", "SETPCAP", "KILL", "DAC_OVERRIDE")
"""Of the first process, in gVisor alone: it makes the script somebody else, and opens what no run may."""
_OWN_PROCESSES, _PROCESSES_EACH = 1000, 4
"""gVisor's own threads count outside, and some for each process inside. Inside the limit is exact."""
_MORE_ENTRIES = 2100
"""So many things that are no artifacts may still be told of."""


def gvisor_options(
    plan: Plan, spec: RunSpec, shim: str, shared: Iterable[tuple[Path, str]], uid: int
) -> dict[str, Any]:
    """As everywhere, but for the first process's user and its stdin."""
    post, *users = shared
    made = options(plan, spec, uid, shim, users)
    host: dict[str, Any] = made["HostConfig"]
    host["Runtime"] = plan.gvisor
    host["CapAdd"] = list(_CAPABILITIES)
    host["PidsLimit"] = _OWN_PROCESSES + _PROCESSES_EACH * spec.limits.processes
    host["Mounts"].append(bind(Mount(*post, writable=True)))
    return {
        **made,
        "User": "0:0",
        "Cmd": [plan.executable, "-I", "-S", "-X", "utf8", f"{HARNESS}/gvisor.pyc"],
        "OpenStdin": True,
        "StdinOnce": True,
        "AttachStdin": True,
    }


def order(command: list[str], seccomp: bytes, config: bytes, uid: int, limits: Limits) -> bytes:
    """With the secrets, which so are nowhere but in memory."""
    data = marshal.dumps(
        {
            "command": command,
            "seccomp": seccomp,
            "config": config,
            "uid": uid,
            "processes": limits.processes,
            "artifacts": (limits.artifacts_bytes, limits.artifacts_files + _MORE_ENTRIES),
        },
        2,
    )
    return len(data).to_bytes(4, "little") + data
