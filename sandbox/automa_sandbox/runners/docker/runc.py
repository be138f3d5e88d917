"""A container whose processes are processes of this machine: it is spoken to over a socket in it."""

import os
from collections.abc import Mapping

from automa.sdk.runs import NO_SECRETS, RunSpec
from automa_sandbox.descriptors import file_with
from automa_sandbox.egress.gate import open_gate, write_hosts
from automa_sandbox.guest_config import guest_config
from automa_sandbox.loop import Loop
from automa_sandbox.runners.docker.channel import Channel, WrongCaller, receive_pipes, send_order
from automa_sandbox.runners.docker.container import options
from automa_sandbox.runners.docker.engine import Engine
from automa_sandbox.runners.docker.plan import Plan
from automa_sandbox.runners.docker.sandbox import START_S, ContainerSandbox, shim_name, why_ended
from automa_sandbox.supervision import NotStarted
from automa_sandbox.users import random_uid


class RuncSandbox(ContainerSandbox):
    """All is done over its channel, with or without an engine."""

    def __init__(self, plan: Plan, secrets: Mapping[str, str] = NO_SECRETS) -> None:
        super().__init__(plan, secrets, Loop())

    def _start(self, engine: Engine, spec: RunSpec) -> None:
        uid = random_uid()
        channel = Channel(self._folder, uid)
        made = options(self._plan, spec, uid, shim_name(), (*channel.mounts, *write_hosts(spec)))
        self._container = container = engine.create(made)
        engine.start(container)
        try:
            called = channel.accept(START_S, lambda: bool(engine.state(container)["Running"]))
        except WrongCaller as error:
            said = "The container's runtime hides it from its supervisor. If it is gVisor, name it as such."
            raise NotStarted(said) from error
        finally:
            channel.close()
        if called is None:
            raise NotStarted(f"The container did not start: {why_ended(engine.state(container))}")
        self._connection, init = called
        self._hold(init)
        self.gate = open_gate(spec, init, as_root=True)
        self._connection.settimeout(START_S)
        config = file_with(guest_config(spec, self._secrets))
        try:
            send_order(self._connection, self._command, self._plan.seccomp, config)
            self.stdout, self.stderr, self.frames = receive_pipes(self._connection)
        except OSError as error:
            raise NotStarted(f"The container's first process did not start: {error}") from error
        finally:
            os.close(config)
        self._follow(self._connection.fileno())
