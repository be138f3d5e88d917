"""Every hook there is, in three families told by their names.

`register_*()` is called once at start and returns descriptors. `on_*(event, context)` is told, its answer
ignored. `resolve_*(…)` is asked, and the first answer that is not None, after awaiting, wins.
"""

import pluggy

from automa.sdk.plugin import RunnerDescriptor

PROJECT = "automa"
hookspec = pluggy.HookspecMarker(PROJECT)
hookimpl = pluggy.HookimplMarker(PROJECT)


@hookspec
def register_runners() -> list[RunnerDescriptor]:  # pyright: ignore[reportReturnType]
    """The runners this plugin brings."""
