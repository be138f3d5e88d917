"""Docstrings: what they say in general, and of each parameter, in Google, NumPy or Sphinx style."""

import re
from dataclasses import dataclass, field

from automa.catalog.names import is_writable

# Without one of these there is nothing for griffe to find, and importing it takes longer than all the rest.
_SECTIONS = re.compile(
    r"^\s*(?:(?:Args|Arguments|Params|Parameters|Keyword Args|Other Parameters)\s*:?\s*$|:param\b)",
    re.MULTILINE,
)
_MAX_CHARS = 20_000


@dataclass(frozen=True, slots=True)
class Documentation:
    text: str | None = None
    """What is said before the first section."""
    parameters: dict[str, str] = field(default_factory=dict[str, str])


def read_docstring(docstring: str | None) -> Documentation:
    if not docstring or not is_writable(docstring):
        return Documentation()
    docstring = docstring[:_MAX_CHARS]
    if not _SECTIONS.search(docstring):
        return Documentation(docstring)
    return _read_sections(docstring)


def _read_sections(docstring: str) -> Documentation:
    import griffe

    text: str | None = None
    parameters: dict[str, str] = {}
    quiet: griffe.PerStyleOptions = {
        "google": {"warnings": False},
        "numpy": {"warnings": False},
        "sphinx": {"warnings": False},
    }
    sections = griffe.parse_auto(griffe.Docstring(docstring), per_style_options=quiet)
    for section in sections:
        if isinstance(section, griffe.DocstringSectionText):
            text = text or section.value
        elif isinstance(section, griffe.DocstringSectionParameters | griffe.DocstringSectionOtherParameters):
            parameters |= {item.name.lstrip("*"): item.description.strip() for item in section.value}
    return Documentation(text, parameters)
