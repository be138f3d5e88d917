"""Where the packages of scripts come from."""

from automa.config import EnvironmentSettings
from automa.sdk.checks import Advice, Finding, ok, warning

_PLAIN = "http://"


def index(settings: EnvironmentSettings) -> Finding:
    """What is set; nobody is asked whether it answers."""
    if settings.index is None:
        return ok("The installer's own choice; environments.index names another one", {"index": ""})
    hosts = f", with files at {', '.join(settings.hosts)}" if settings.hosts else ""
    details = {"index": settings.index, "hosts": " ".join(settings.hosts)}
    if settings.index.startswith(_PLAIN):
        secure = settings.index.replace(_PLAIN, "https://", 1)
        return warning(
            f"{settings.index}{hosts}: without TLS anybody on the way can change packages",
            Advice("Use TLS, if the index offers it:", (f"export AUTOMA_ENVIRONMENTS__INDEX={secure}",)),
            details=details,
        )
    return ok(f"{settings.index}{hosts}", details)
