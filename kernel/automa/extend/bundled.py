"""The runners that come with Automa, for a command that has neither a server nor a database."""

import logging

from automa.config import Settings
from automa.extend.calls import collect
from automa.extend.discovery import installed
from automa.extend.hooks import Hooks
from automa.extend.loading import Rejected, check_before_import, load
from automa.sdk.plugin import PluginContext, RunnerDescriptor, see_nothing

log = logging.getLogger(__name__)


def bundled_runners(settings: Settings) -> list[tuple[RunnerDescriptor, PluginContext]]:
    """What the bundled plugins offer; their folders are under `settings.home`."""
    hooks = Hooks()
    contexts: dict[str, PluginContext] = {}
    for found in installed():
        if not found.bundled:
            continue
        try:
            check_before_import(found, None, safe=True)
            loaded = load(found, settings, see_nothing, hooks)
        except Rejected as no:
            log.warning("The plugin %s is not loaded: %s", found.name, no.reason)
        else:
            contexts[found.name] = loaded.context
    answers = list(collect(hooks, "register_runners", contexts))
    return [
        (item, contexts[answer.plugin]) for answer in answers if not answer.error for item in answer.value
    ]
