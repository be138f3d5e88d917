"""A container in gVisor: nothing of it is a process of this machine, and no socket leads into it.

Words go in over its stdin, which the engine hands on; what comes out is in files of a shared folder. Without
an engine the run goes on: words then lie in that folder too, with a beat that tells that we live.
"""

import select
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, replace

from automa.sdk.runs import NO_SECRETS, Enforcement, Limits, RunSpec, Usage
from automa_sandbox import told
from automa_sandbox.guest_config import guest_config
from automa_sandbox.runners.docker.channel import write_users
from automa_sandbox.runners.docker.engine import Engine
from automa_sandbox.runners.docker.gvisor_container import PLACE, STREAMS, gvisor_options, order
from automa_sandbox.runners.docker.mail import FeedingLoop, Pipe, Post
from automa_sandbox.runners.docker.plan import Plan
from automa_sandbox.runners.docker.sandbox import END, START_S, ContainerSandbox, shim_name, why_ended
from automa_sandbox.runners.docker.shortage import Shortage
from automa_sandbox.runners.docker.unpacking import Unpacking
from automa_sandbox.supervision import NotStarted
from automa_sandbox.users import random_uid
from automa_sandbox.watching import Watcher

_KILL = b"K"
_UP = b"up"


class GvisorSandbox(ContainerSandbox):
    """Its first process copies what the script says, and hands over the artifacts when it has ended."""

    def __init__(self, plan: Plan, secrets: Mapping[str, str] = NO_SECRETS) -> None:
        self._feeding = FeedingLoop()
        super().__init__(plan, secrets, self._feeding)
        self._post: Post | None = None
        self._pipes: tuple[Pipe, ...] = ()
        self._unpacking: Unpacking | None = None
        self._is_up = self._was_asked_to_kill = False
        self._watcher: _Watcher | None = None
        self._shortage: Shortage | None = None

    # The start

    def _start(self, engine: Engine, spec: RunSpec) -> None:
        uid = random_uid()
        self._folder.mkdir(mode=0o700)
        self._post = post = Post(shim_name(), STREAMS)
        self._unpacking = Unpacking(self._folder / "artifacts")
        self.artifacts = self._unpacking.folder
        shared = ((post.folder, PLACE), *write_users(self._folder, uid))
        self._container = container = engine.create(
            gvisor_options(self._plan, spec, shim_name(), shared, uid)
        )
        self._connection = engine.attach(container)
        engine.start(container)
        self._hold(engine.state(container)["Pid"])
        self._shortage = Shortage(self.init or 0)
        config = guest_config(spec, self._secrets)
        self._connection.settimeout(START_S)
        with suppress(OSError):  # it has ended: that is told below
            self._connection.sendall(order(self._command, self._plan.seccomp, config, uid, spec.limits))
        self._await_first_word(engine, container, post)
        self._pipes = tuple(Pipe(post.readers[name]) for name in STREAMS[:3])
        self.stdout, self.stderr, self.frames = (pipe.end for pipe in self._pipes)
        self._feeding.feed = self._feed
        self.loop.add(post.news, lambda _: post.forget_news())
        self._follow(self._connection.fileno())

    def _await_first_word(self, engine: Engine, container: str, post: Post) -> None:
        deadline = time.monotonic() + START_S
        while not self._is_up:
            ready = select.select([post.news, self._handle], [], [], max(0.0, deadline - time.monotonic()))[0]
            post.forget_news()
            self._read_told(post)
            if not self._is_up and (not ready or self._handle in ready):
                raise NotStarted(f"The container did not start: {why_ended(engine.state(container))}")

    # While it lives

    def _feed(self) -> None:
        for pipe in self._pipes:
            pipe.feed()
        if self._post is not None:
            self._take_artifacts(self._post)
            self._read_told(self._post)

    def _take_artifacts(self, post: Post) -> None:
        reader = post.readers["artifacts"]
        if self._unpacking is None:
            return
        try:
            while data := reader.look():
                reader.take(len(data))
                self._unpacking.feed(data)
        except (OSError, ValueError):  # what has come is kept, and the disk or whoever sends is at fault
            reader.refuse()
            self._unpacking.close()
            self._unpacking = None

    def _read_told(self, post: Post) -> None:
        reader = post.readers["told"]
        with suppress(ValueError):
            message = reader.look()
            reader.take(len(message))
            if message.startswith(_UP):
                self._is_up, message = True, message[len(_UP) :]
            if message and self._take(told.read(message[:-1])):
                self._note_full(bool(message[-1]))

    def _note_full(self, was_full: bool) -> None:
        """Whether a place that the script could write into was, when it ended."""
        if self._watcher is not None:
            self._watcher.was_full = was_full

    def watcher(self, limits: Limits) -> Watcher:
        memory = "memory_bytes" not in self._plan.holds
        self._watcher = _Watcher(limits, memory=memory, inodes=False, cpu_s=self._cpu_s)
        return self._watcher

    def kill(self) -> None:
        """At first what is in it only: its first process then hands over the artifacts."""
        if self._was_asked_to_kill or not self.is_alive:
            self._say(END)  # it may not be ours to signal
            super().kill()
        else:
            self._was_asked_to_kill = self._ended_by_us = True
            self._say(_KILL)

    def _ran_short(self) -> bool:
        return self._shortage is not None and self._shortage.came()

    def usage(self, peak_bytes: int) -> Usage:
        """What is refused or written inside, nobody counts."""
        return replace(super().usage(peak_bytes), forks_refused=None, bytes_written=None)

    def enforcement(self) -> dict[str, Enforcement]:
        return {**super().enforcement(), "processes": "hard", "disk_inodes": "none"}

    def clear_away(self) -> None:
        super().clear_away()
        if self._post is not None:
            self._post.remove()

    def abandon(self) -> None:
        self._kill_first()
        super().abandon()

    def _say(self, word: bytes) -> None:
        if self._connection is not None:
            super()._say(word)
        if self._post is not None:
            self._post.say(word)

    def _hang_up(self) -> None:
        """The engine is gone, or we go."""
        super()._hang_up()
        if self._post is not None:
            self._feeding.beat = self._post.beat


@dataclass(slots=True)
class _Watcher(Watcher):
    """The writable places are out of sight: their first process tells of them."""

    was_full: bool = False

    def look_at_scratch(self, insider: int | None) -> None:
        """There is nothing to be held."""

    def reached(self) -> tuple[str, ...]:
        return ("disk_bytes",) if self.was_full else ()
