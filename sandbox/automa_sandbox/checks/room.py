"""What the sandbox plugin looks at, put together."""

from functools import partial

from automa.sdk.checks import CheckGroup
from automa.sdk.machine import Machine
from automa.sdk.plugin import CheckDescriptor, PluginContext
from automa_sandbox.checks import bubblewrap, cgroups, container, environments, kernel
from automa_sandbox.runners.bubblewrap.runner import bwrap_candidates
from automa_sandbox.settings import settings_of


def all_checks(context: PluginContext) -> list[CheckDescriptor]:
    here, settings = Machine(), settings_of(context)
    runners = partial(CheckDescriptor, CheckGroup.RUNNERS)
    packages = partial(CheckDescriptor, CheckGroup.ENVIRONMENTS)
    return [
        runners(
            "bwrap",
            "Which bubblewrap there is, its version, and what is known against it.",
            partial(bubblewrap.versions, bwrap_candidates, here),
        ),
        runners(
            "starts",
            "Whether runs start warm, from an interpreter that waits, or cold.",
            partial(bubblewrap.starts, settings.warm, here),
        ),
        runners(
            "user-namespaces",
            "Whether the kernel and AppArmor let an ordinary user make them.",
            partial(kernel.user_namespaces, bwrap_candidates, here),
        ),
        runners(
            "seccomp",
            "Whether system calls can be filtered, and the filter knows this processor.",
            partial(kernel.seccomp, here),
        ),
        runners(
            "container",
            "Whether a container stands in the way of sandboxes.",
            partial(container.container, here),
        ),
        CheckDescriptor(
            CheckGroup.LIMITS,
            "cgroups",
            "Whether this process may make control groups, which hold whole process trees to limits.",
            partial(cgroups.cgroups, here),
        ),
        packages("uv", "The uv that locks and installs packages.", environments.uv),
        packages(
            "interpreters",
            "The Python that scripts run on, and others on this machine.",
            partial(environments.interpreters, context.python),
        ),
    ]
