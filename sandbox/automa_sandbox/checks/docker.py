"""What Docker lacks here, from the first thing to the last."""

import importlib.util
import os

from automa.sdk.checks import Advice
from automa.sdk.machine import Machine
from automa_sandbox.settings import DockerSettings

_BUILD = "automa plugin run sandbox build-image"


def how_to_get(settings: DockerSettings, machine: Machine) -> tuple[Advice, ...]:
    """The steps that are missing; whether the image is there, only the engine knows."""
    steps: list[Advice] = []
    socket = settings.socket.removeprefix("unix://")
    if importlib.util.find_spec("docker") is None:
        steps.append(Advice("Install the SDK:", ("pip install 'automa-server[docker]'",)))
    if not machine.exists(socket):
        steps.append(_engine(machine))
    elif not os.access(machine.path(socket), os.R_OK | os.W_OK):
        steps.append(
            Advice(
                "Let this user use the engine, which is as good as making it root, and sign in anew:",
                (f"{machine.as_root('usermod -aG docker')} $USER",),
            )
        )
    steps.append(Advice(f"Make the image {settings.image}, unless it is there:", (_builder(machine), _BUILD)))
    return tuple(steps)


def _engine(machine: Machine) -> Advice:
    about = machine.distribution()
    kinds = {about.get("ID", ""), *about.get("ID_LIKE", "").split()}
    package = "moby-engine" if "fedora" in kinds else "docker" if kinds & {"arch", "alpine"} else "docker.io"
    started = machine.exists("/run/systemd/system")
    start = machine.as_root("systemctl enable --now docker" if started else "dockerd &")
    return Advice("Install and start an engine:", (machine.install(package), start))


def _builder(machine: Machine) -> str:
    return machine.install("mmdebstrap")
