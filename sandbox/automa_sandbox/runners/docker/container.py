"""What a container looks like: the options of one run, as the engine's API takes them."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from automa.sdk.runs import Limits, Mount, RunSpec
from automa_sandbox.artifacts import FOLDER as ARTIFACTS
from automa_sandbox.inside import APP, ENVIRONMENT, HARNESS
from automa_sandbox.runners.docker.plan import Plan

SOCKET, PASSWD, GROUP = "/.automa", "/etc/passwd", "/etc/group"
HOME_LABEL, SHIM_LABEL, RUN_LABEL = "automa.home", "automa.supervisor", "automa.run"

_PERIOD_US, _LEAST_QUOTA_US = 100_000, 1000
_LEAST_MEMORY_BYTES = 6 * 1024 * 1024
"""What the engine takes as a limit."""
_INIT_PROCESSES = 1

_OWN_RESOLVER = {"Dns": ["127.0.0.1"], "DnsSearch": ["."]}
"""Names are looked up where the egress proxy answers, and as they are written."""


def options(
    plan: Plan, spec: RunSpec, uid: int, shim: str, extra: Iterable[tuple[Path, str]] = ()
) -> dict[str, Any]:
    """Never privileged, never with the engine's socket inside: there is no way to ask for either.

    `extra`: files of the host that the runner shows besides what the spec asks for, and where.
    """
    with_network = spec.network.mode == "host"
    return {
        "Image": plan.image_id,
        "User": f"{uid}:{uid}",
        "WorkingDir": "/",
        "Entrypoint": [],
        "Cmd": [plan.executable, "-I", "-S", "-X", "utf8", f"{HARNESS}/init.pyc"],
        "Env": [],
        "Labels": {HOME_LABEL: plan.home, SHIM_LABEL: shim, RUN_LABEL: spec.run_id},
        **({} if with_network else {"Hostname": "automa"}),
        "HostConfig": {
            **_privileges(plan),
            **_limits(spec.limits),
            "NetworkMode": "host" if with_network else "none",
            **(_OWN_RESOLVER if spec.network.mode == "allow" else {}),
            "Mounts": [
                *_mounts(plan, spec),
                *(bind(Mount(source, target)) for source, target in extra),
            ],
            "Tmpfs": _tmpfs(spec.limits, uid),
            "LogConfig": {"Type": "none"},
            "RestartPolicy": {"Name": "no"},
        },
    }


def _privileges(plan: Plan) -> dict[str, Any]:
    return {
        "Privileged": False,
        "CapDrop": ["ALL"],
        # The engine's own filter stays in place; ours comes on top of it, in the container's first process.
        "SecurityOpt": ["no-new-privileges:true"],
        "ReadonlyRootfs": True,
        "IpcMode": "private",
        "CgroupnsMode": "private",
        "Init": False,
        **({"Runtime": plan.runtime} if plan.runtime else {}),
    }


def _limits(limits: Limits) -> dict[str, Any]:
    memory = max(limits.memory_bytes, _LEAST_MEMORY_BYTES)
    ulimits = {"core": 0, "nofile": limits.open_files}
    if limits.cpu_time_s is not None:
        ulimits["cpu"] = max(1, round(limits.cpu_time_s))
    return {
        "Memory": memory,
        "MemorySwap": memory,
        "PidsLimit": limits.processes + _INIT_PROCESSES,
        "CpuPeriod": _PERIOD_US,
        "CpuQuota": max(_LEAST_QUOTA_US, round(limits.cpus * _PERIOD_US)),
        "Ulimits": [{"Name": name, "Soft": value, "Hard": value} for name, value in ulimits.items()],
    }


def _tmpfs(limits: Limits, uid: int) -> dict[str, str]:
    sized = f"rw,exec,nosuid,nodev,size={limits.disk_bytes},nr_inodes={limits.disk_inodes}"
    empty = "ro,noexec,nosuid,nodev,size=4096,nr_inodes=1,mode=0555"
    return {
        "/tmp": f"{sized},mode=1777",  # noqa: S108 - the run's own
        "/work": f"{sized},mode=0700,uid={uid},gid={uid}",
        ARTIFACTS: f"{sized},mode=0700,uid={uid},gid={uid}",
        "/dev/shm": f"{sized},mode=1777",  # noqa: S108
        # The engine would show the machine's devices, and a place to write that has no size.
        "/sys": "ro,noexec,nosuid,nodev,mode=0555",
        "/dev/mqueue": empty,
    }


def _mounts(plan: Plan, spec: RunSpec) -> Iterable[dict[str, Any]]:
    yield bind(Mount(plan.harness, HARNESS))
    yield bind(Mount(spec.app_dir, APP))
    if spec.environment is not None:
        yield bind(Mount(spec.environment, ENVIRONMENT))
    for mount in spec.mounts:
        yield bind(mount)


def bind(mount: Mount) -> dict[str, Any]:
    return {
        "Type": "bind",
        "Source": str(mount.source),
        "Target": mount.target,
        "ReadOnly": not mount.writable,
        # What is mounted below a folder would stay writable in a read-only one.
        "BindOptions": {"Propagation": "rprivate", "NonRecursive": True},
    }
