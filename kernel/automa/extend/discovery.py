"""Which plugins are installed: read from the metadata of distributions, without importing any of them."""

import logging
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from importlib.metadata import Distribution, EntryPoint, distributions

from packaging.utils import canonicalize_name

GROUP = "automa.plugins"
OURS = "automa-server"

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Found:
    """One entry point of the group `automa.plugins`."""

    name: str
    entry: EntryPoint
    dist: Distribution
    distribution: str
    version: str
    summary: str = ""
    clash: str = ""
    """Why this one cannot have the name, if somebody else has it too."""

    @property
    def bundled(self) -> bool:
        """Whether it came with Automa itself."""
        return self.distribution == OURS

    @property
    def requires(self) -> tuple[str, ...]:
        return tuple(self.dist.requires or ())


def installed(among: Iterable[Distribution] | None = None) -> list[Found]:
    """Every plugin there is, the bundled ones first. Broken metadata is logged and passed over."""
    found: dict[tuple[str, str], Found] = {}
    for dist in distributions() if among is None else among:
        for plugin in _plugins_of(dist):
            # Of two copies of one distribution, the import system takes the first: so do we.
            found.setdefault((plugin.distribution, plugin.name), plugin)
    ordered = sorted(found.values(), key=lambda item: (not item.bundled, item.name, item.distribution))
    return _without_clashes(ordered)


def _plugins_of(dist: Distribution) -> Iterator[Found]:
    try:
        entries = dist.entry_points.select(group=GROUP)
        if not entries:
            return
        metadata = dist.metadata
        name, version = metadata["Name"], metadata["Version"]
        summary = metadata["Summary"] if "Summary" in metadata else ""  # noqa: SIM401 (it has no `get`)
        for entry in entries:
            yield Found(entry.name, entry, dist, canonicalize_name(name), version, summary)
    except Exception as error:  # a broken distribution is somebody else's; it must not stop us
        log.warning("The metadata of %r cannot be read: %s", dist, error)


def _without_clashes(plugins: list[Found]) -> list[Found]:
    """Mark those whose name is taken: a bundled plugin keeps its name, and no stranger gets one by chance."""
    ours = {plugin.name for plugin in plugins if plugin.bundled}
    strangers = Counter(plugin.name for plugin in plugins if not plugin.bundled)
    marked: list[Found] = []
    for plugin in plugins:
        if not plugin.bundled and plugin.name in ours:
            marked.append(replace(plugin, clash="A bundled plugin has this name."))
        elif not plugin.bundled and strangers[plugin.name] > 1:
            rivals = sorted(p.distribution for p in plugins if p.name == plugin.name)
            marked.append(replace(plugin, clash=f"Several distributions bring it: {', '.join(rivals)}."))
        else:
            marked.append(plugin)
    return marked
