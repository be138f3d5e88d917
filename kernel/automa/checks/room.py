"""All checks of Automa and its plugins, put together for one machine."""

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

from automa import __version__, config
from automa.checks import database, environments, home, install, machine, runners
from automa.checks.schemas import ChecksView, FindingView, limits_view
from automa.checks.service import Check, Examined, in_order
from automa.config import Settings
from automa.extend.records import PluginRecord
from automa.runs.choice import Runners
from automa.sdk.checks import CheckGroup, Finding
from automa.sdk.machine import Machine
from automa.sdk.plugin import CheckDescriptor

PROBE_TIMEOUT_S = 40.0


@dataclass(frozen=True, slots=True)
class Subject:
    """What is looked at: an installation, as a server or a command sees it."""

    settings: Settings
    runners: Runners
    plugins: Callable[[], Sequence[PluginRecord]]
    plugin_checks: Sequence[tuple[str, CheckDescriptor]] = ()
    settings_error: str | None = None
    """Why the settings cannot be read; `settings` are the defaults then."""
    plugins_unread: str | None = None
    """Why it is not known which plugins were enabled."""


def all_checks(subject: Subject) -> list[Check]:
    """In the order in which they are shown."""
    own = [
        *_of_install(subject),
        *_of_home(subject),
        *_of_runners(subject.runners),
        _of_environments(subject.settings),
        *_of_machine(subject.settings),
    ]
    theirs = [Check(descriptor, plugin) for plugin, descriptor in subject.plugin_checks]
    return in_order([*(Check(descriptor) for descriptor in own), *theirs])


async def report(subject: Subject, found: Sequence[Examined]) -> ChecksView:
    """Everything that was found, with the table of limits."""
    choice = next(one for one in found if one.check.name == "runners.choice")
    runner = choice.finding.details.get("runner")
    return ChecksView(
        version=__version__,
        home=str(subject.settings.home),
        can_run=runner is not None and subject.settings_error is None,
        runner=runner,
        checks=[FindingView.of(one) for one in found],
        limits=await limits_view(subject.runners),
    )


def _of_install(subject: Subject) -> list[CheckDescriptor]:
    def settings() -> Finding:
        names = config.unknown_variables()
        return install.settings(config.settings_file(subject.settings), subject.settings_error, names)

    def plugins() -> Finding:
        return install.plugins(subject.plugins(), subject.plugins_unread)

    return [
        CheckDescriptor(
            CheckGroup.INSTALL, "version", "Automa, its Python, and where they are.", install.version
        ),
        CheckDescriptor(
            CheckGroup.INSTALL,
            "settings",
            "Whether the settings can be read, and variables that set nothing.",
            settings,
        ),
        CheckDescriptor(
            CheckGroup.INSTALL, "plugins", "The plugins that are installed, and whether they work.", plugins
        ),
    ]


def _of_home(subject: Subject) -> list[CheckDescriptor]:
    settings, here, at = subject.settings, Machine(), partial(CheckDescriptor, CheckGroup.HOME)
    folder = settings.home
    uses_sqlite = settings.database_url is None
    return [
        at(
            "folder",
            "Whether the home is there, private, and can be written.",
            partial(home.folder, folder, here),
        ),
        at("space", "Free bytes and inodes of its disk.", partial(home.space, folder)),
        at(
            "filesystem",
            "The kind of its file system: SQLite is unsafe over a network.",
            partial(home.filesystem, folder, uses_sqlite, here),
        ),
        at(
            "database",
            "Whether the database can be reached, its revision and its size.",
            partial(database.database, settings),
        ),
        at(
            "keys",
            "Whether anybody else can read keys, or the file of settings.",
            partial(home.keys, folder, settings.secrets_key_file),
        ),
        at("server", "Whether a server works on it.", partial(home.server, folder, here)),
    ]


def _of_runners(found: Runners) -> list[CheckDescriptor]:
    def at(group: CheckGroup, name: str, about: str, run: Callable[[], object]) -> CheckDescriptor:
        return CheckDescriptor(group, name, about, run, PROBE_TIMEOUT_S)  # pyright: ignore[reportArgumentType]

    probes = [
        at(
            CheckGroup.RUNNERS,
            name,
            "Whether this runner can be used: a sandbox is started, and looked at from the inside.",
            partial(runners.runner, found, name),
        )
        for name in found.names
    ]
    return [
        *probes,
        at(CheckGroup.RUNNERS, "choice", "Which runner runs use.", partial(runners.choice, found)),
        at(
            CheckGroup.LIMITS,
            "enforcement",
            "How firmly the runner in use holds each limit.",
            partial(runners.enforcement, found),
        ),
    ]


def _of_environments(settings: Settings) -> CheckDescriptor:
    look = partial(environments.index, settings.environments)
    about = "The index that packages of scripts are installed from."
    return CheckDescriptor(CheckGroup.ENVIRONMENTS, "index", about, look)


def _of_machine(settings: Settings) -> list[CheckDescriptor]:
    here, at = Machine(), partial(CheckDescriptor, CheckGroup.MACHINE)
    about = os.uname()
    return [
        at(
            "kernel",
            "The kernel's release and the kind of processor.",
            partial(machine.kernel, about.release, about.machine),
        ),
        at("clock", "Whether the clock is synchronised.", partial(machine.clock, machine.clock_status, here)),
        at(
            "timezone",
            "The time zone, and whether the data of others is there.",
            partial(machine.timezone, here),
        ),
        at("processors", "How many processors there are.", partial(machine.processors, settings)),
        at(
            "memory",
            "Memory that is available, against what one run may use.",
            partial(machine.memory, settings),
        ),
        at("open-files", "How many files may be open.", partial(machine.open_files, settings)),
        at(
            "port",
            "Whether the server's port is free, ours, or somebody else's.",
            partial(machine.port, settings, here),
        ),
    ]
