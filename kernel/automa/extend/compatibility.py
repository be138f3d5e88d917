"""Whether a plugin fits this version of Automa: told by its metadata before, by itself after the import."""

from importlib.metadata import version

from packaging.requirements import InvalidRequirement, Requirement
from packaging.specifiers import InvalidSpecifier, SpecifierSet
from packaging.utils import canonicalize_name

from automa.extend.discovery import OURS, Found
from automa.sdk import API_VERSION


def unmet_requirement(found: Found, have: str | None = None) -> str:
    """Why its metadata says that it does not fit, or nothing; `have` is the version of Automa to judge by."""
    have = have or version(OURS)
    for line in found.requires:
        try:
            requirement = Requirement(line)
        except InvalidRequirement:
            return f"its metadata has a requirement that cannot be read: {line[:100]}"
        if canonicalize_name(requirement.name) != OURS or not _applies(requirement):
            continue
        if not requirement.specifier.contains(have, prereleases=True):
            return f"it needs {OURS} {requirement.specifier}, this is {have}"
    return ""


def unmet_api(api: str) -> str:
    """Why `Plugin.api` does not fit, or nothing."""
    try:
        fits = SpecifierSet(api).contains(API_VERSION)
    except (InvalidSpecifier, AttributeError, TypeError):
        return f"its api range cannot be read: {api!r:.100}"
    return "" if fits else f"it is made for the plugin API {api}, this is {API_VERSION}"


def _applies(requirement: Requirement) -> bool:
    return requirement.marker is None or requirement.marker.evaluate({"extra": ""})
