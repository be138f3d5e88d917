"""What the person at the terminal grants to a script that is run here. Nothing is granted by itself."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from automa.errors import InvalidPayload, NotGranted
from automa.sdk.runs import Limits

if TYPE_CHECKING:
    from automa.catalog.permissions import Permissions
    from automa.config import Settings
    from automa.runs.grants import Grants


@dataclass(frozen=True, slots=True)
class Allowed:
    """The flags `--allow-…`. A path is a name of the settings, or `name=path` of this machine."""

    network: bool = False
    paths: Sequence[str] = ()
    limits: bool = False
    everything: bool = False

    def require(self, permissions: "Permissions", defaults: Limits) -> None:
        """Raise NotGranted, with the flags to add, if the script declares more than this."""
        from automa.catalog.permissions import in_words

        if self.everything:
            return
        asked = permissions.beyond(defaults)
        named = {item.partition("=")[0] for item in self.paths}
        missing = ["--allow-network"] if asked.network and not self.network else []
        missing += [f"--allow-path {name}" for name in asked.paths if name not in named]
        missing += ["--allow-limits"] if asked.limits and not self.limits else []
        if missing:
            raise NotGranted(
                f"The script asks for {', '.join(in_words(asked))}. To grant it, add {' '.join(missing)} "
                "(or --allow-all).",
                extra={"permissions": asked.to_json(), "add": missing},
            )

    def grants(self, permissions: "Permissions", settings: "Settings") -> "Grants":
        """What can be given: the paths of the settings, and those that were named here."""
        from automa.config import OfferedPath
        from automa.runs.grants import Grants

        offered = dict(settings.paths)
        for item in self.paths:
            name, separator, path = item.partition("=")
            if name not in permissions.paths:
                raise InvalidPayload(f"--allow-path {name}: the script declares no such path.")
            if separator:
                where = Path(path).expanduser().absolute()
                offered[name] = OfferedPath(path=where, mode=permissions.paths[name])
        for name in permissions.paths:
            if name not in offered:
                raise NotGranted(
                    f"The script wants the path {name}, which the settings do not offer: "
                    f"add --allow-path {name}=/its/place."
                )
        return Grants(offered, private_networks=settings.runs.private_networks)
