"""Why a limit is not held hard here, and what would make a runner usable."""

from collections.abc import Mapping

from automa.sdk.runs import Enforcement

_WATCHED = "without a control group it is watched, twice a second"
_BUBBLEWRAP = {
    "memory_bytes": f"{_WATCHED}, and each process has a limit of its own",
    "processes": "before Linux 5.14 all processes of the user count, those of other runs too",
    "cpus": "without a control group with the controller cpu nothing holds it",
    "cpu_time_s": "without a control group each process is held to it, and the tree is watched",
    "disk_inodes": "an ordinary user's tmpfs takes no limit of inodes: they are counted, twice a second",
    "disk_bytes": "a writable folder of the host is watched, not held",
}
_DOCKER = {
    "memory_bytes": "the engine's kernel does not limit memory; see `docker info`",
    "processes": "the engine's kernel does not limit processes; see `docker info`",
    "cpus": "the engine's kernel does not limit processors; see `docker info`",
    "cpu_time_s": "the container's control group cannot be read from here: each process is held to it",
    "disk_inodes": "gVisor does not limit how many files there are; they take memory, which is limited",
}
_WASM = {
    "memory_bytes": "without a control group the engine holds its memory, but not the files it writes",
    "cpus": _BUBBLEWRAP["cpus"],
    "disk_bytes": _BUBBLEWRAP["disk_bytes"],
    "disk_inodes": _BUBBLEWRAP["disk_bytes"],
}


def of_bubblewrap(enforcement: Mapping[str, Enforcement]) -> dict[str, str]:
    return _of(_BUBBLEWRAP, enforcement)


def of_docker(enforcement: Mapping[str, Enforcement]) -> dict[str, str]:
    return _of(_DOCKER, enforcement)


def of_wasm(enforcement: Mapping[str, Enforcement]) -> dict[str, str]:
    return _of(_WASM, enforcement)


def _of(reasons: Mapping[str, str], enforcement: Mapping[str, Enforcement]) -> dict[str, str]:
    return {limit: reasons.get(limit, "") for limit, how in enforcement.items() if how != "hard"}
