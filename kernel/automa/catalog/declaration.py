"""`[tool.automa]`: what a program declares about itself, read strictly.

It stands in the inline block of the entry file (PEP 723), or in the `pyproject.toml` of a tree.
"""

import difflib
import ipaddress
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from automa.catalog.inline import Block, read_block, read_toml
from automa.catalog.permissions import Mode, Permissions
from automa.catalog.source import SourceError
from automa.sdk.runs import SECONDS_MOST, MiB

PROJECT = "pyproject.toml"
TABLE = ("tool", "automa")

Entry = Literal["main", "script"]

MAX_ITEMS = 100
_BYTES_MOST = 2**50
_SHOWN_CHARS = 60


@dataclass(frozen=True, slots=True)
class Bounds:
    """What a limit may be."""

    least: float
    most: float
    whole: bool = False


BOUNDS: Mapping[str, Bounds] = {
    "memory_bytes": Bounds(16 * MiB, _BYTES_MOST, whole=True),
    "processes": Bounds(1, 4_194_304, whole=True),
    "cpus": Bounds(0.01, 4096),
    "cpu_time_s": Bounds(0.001, SECONDS_MOST),
    "disk_bytes": Bounds(MiB, _BYTES_MOST, whole=True),
    "disk_inodes": Bounds(100, 2**31, whole=True),
    "open_files": Bounds(16, 1_048_576, whole=True),
    "log_bytes": Bounds(1024, _BYTES_MOST, whole=True),
    "result_bytes": Bounds(1024, _BYTES_MOST, whole=True),
    "artifacts_bytes": Bounds(0, _BYTES_MOST, whole=True),
    "artifacts_files": Bounds(0, 100_000, whole=True),
    "timeout_s": Bounds(0.001, SECONDS_MOST),
    "grace_s": Bounds(0, SECONDS_MOST),
}

_LABEL = re.compile(r"[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?")
_PORT = re.compile(r"[1-9][0-9]{0,4}")
_SECRET = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]{0,99}")
PATH_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,39}")


@dataclass(frozen=True, slots=True)
class Declaration:
    """`entry` says how to start the file, None: by its shape."""

    entry: Entry | None = None
    permissions: Permissions = Permissions()  # noqa: RUF009 - frozen
    block: Block = Block()  # noqa: RUF009 - frozen
    """Where it was read: errors about it are raised with `error`."""

    def error(self, message: str, *path: str) -> SourceError:
        return self.block.error(message, *TABLE, *path)


def read_declaration(source: str, project: bytes | None = None) -> Declaration:
    """What the entry file, or else the tree's `pyproject.toml`, declares. Raises SourceError."""
    own = _read(read_block(source))
    shared = _read_project(project) if project is not None else None
    if own is not None and shared is not None:
        raise own.error(f"there is a `[tool.automa]` here and another in {PROJECT}: keep one of them")
    return own or shared or Declaration()


def _read_project(project: bytes) -> Declaration | None:
    try:
        return _read(read_toml(PROJECT, project.decode("utf-8")))
    except UnicodeDecodeError:
        raise SourceError(1, 1, f"{PROJECT} is not text in UTF-8").in_file(PROJECT) from None
    except SourceError as error:
        raise error.in_file(PROJECT) from None


def _read(block: Block) -> Declaration | None:
    tool = _table(block, "`tool`", block.content.get("tool", {}), "tool")
    if "automa" not in tool:
        return None
    return _Reader(block, _table(block, "`automa` of `[tool]`", tool["automa"], *TABLE)).read()


def _table(block: Block, what: str, value: Any, *path: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise block.error(f"{what} must be a table", *path)
    table: Any = value  # pyright: ignore[reportUnknownVariableType]
    return table


class _Reader:
    """Reads one table. Everything that is not known is an error: a misspelt limit would not be one."""

    def __init__(self, block: Block, table: dict[str, Any]) -> None:
        self._block = block
        self._table = table

    def read(self) -> Declaration:
        known = ("entry", "network", "secrets", "paths", *BOUNDS)
        for name in self._table:
            if name not in known:
                close = difflib.get_close_matches(name, known, 1)
                hint = f": did you mean `{close[0]}`?" if close else f"; known are {', '.join(known)}"
                raise self._error(f"`{_shown(name)}` is not known in `[tool.automa]`{hint}", name)
        permissions = Permissions(self._network(), self._secrets(), self._paths(), self._limits())
        return Declaration(self._entry(), permissions, self._block)

    def _entry(self) -> Entry | None:
        entry = self._table.get("entry")
        if entry not in (None, "main", "script"):
            raise self._wrong("entry", 'must be "main" (call it) or "script" (run the file)')
        return entry

    def _network(self) -> bool | tuple[str, ...]:
        value = self._table.get("network", False)
        if isinstance(value, bool):
            return value
        if value == "none":
            return False
        wanted = 'false, true, or a list like ["api.example.org:443"]'
        return self._names("network", value, _host, wanted) or False

    def _secrets(self) -> tuple[str, ...]:
        return self._names("secrets", self._table.get("secrets", []), _secret, 'a list like ["API_TOKEN"]')

    def _names(
        self, field: str, value: Any, check: Callable[[str], str | None], wanted: str
    ) -> tuple[str, ...]:
        if not isinstance(value, list) or not all(isinstance(item, str) for item in value):  # pyright: ignore[reportUnknownVariableType]
            raise self._wrong(field, f"must be {wanted}")
        items: Any = value  # pyright: ignore[reportUnknownVariableType]
        if len(items) > MAX_ITEMS:
            raise self._wrong(field, f"names more than {MAX_ITEMS}")
        found: set[str] = set()
        for item in items:
            checked = check(item)
            if checked is None:
                raise self._wrong(field, f"names `{_shown(item)}`, which is not {_WANTED[field]}")
            found.add(checked)
        return tuple(sorted(found))

    def _paths(self) -> dict[str, Mode]:
        paths: Any = self._table.get("paths", {})
        if not isinstance(paths, dict):
            raise self._wrong("paths", 'must be a table like { reports = "read" }')
        return self._modes(paths)  # pyright: ignore[reportUnknownArgumentType]

    def _modes(self, paths: dict[str, Any]) -> dict[str, Mode]:
        if len(paths) > MAX_ITEMS:
            raise self._wrong("paths", f"names more than {MAX_ITEMS}")
        for name, mode in paths.items():
            if not PATH_NAME.fullmatch(name):
                raise self._wrong("paths", f"names `{_shown(name)}`, which is not {_WANTED['paths']}", name)
            if mode not in ("read", "write"):
                raise self._wrong("paths", f'must say "read" or "write" of `{name}`', name)
        return dict(sorted(paths.items()))

    def _limits(self) -> dict[str, float]:
        return {
            name: self._limit(name, self._table[name], bounds)
            for name, bounds in sorted(BOUNDS.items())
            if name in self._table
        }

    def _limit(self, name: str, value: Any, bounds: Bounds) -> float:
        kinds = int if bounds.whole else int | float
        if isinstance(value, bool) or not isinstance(value, kinds):
            raise self._wrong(name, f"must be a {'whole ' if bounds.whole else ''}number")
        if not bounds.least <= value <= bounds.most:  # nor NaN
            raise self._wrong(name, f"must be between {bounds.least:,} and {bounds.most:,}")
        return value

    def _wrong(self, field: str, problem: str, *inner: str) -> SourceError:
        return self._error(f"`{field}` of `[tool.automa]` {problem}", field, *inner)

    def _error(self, message: str, *path: str) -> SourceError:
        return self._block.error(message, *TABLE, *path)


_WANTED = {
    "network": "a host and a port like api.example.org:443, *.example.org:443 or [2001:db8::1]:443 "
    "(other scripts than Latin in punycode)",
    "secrets": "the name of a secret: letters, digits, `_`, `.`, `-`",
    "paths": "the name of a path: small letters, digits, `_`, `-`",
}


def _host(text: str) -> str | None:
    """The one spelling of `host:port`; None if it is none."""
    host, _, port = text.rpartition(":")
    if not _PORT.fullmatch(port) or int(port) > 65535:
        return None
    name = _address(host) or _domain(host.lower())
    return f"{name}:{port}" if name else None


def _address(host: str) -> str | None:
    try:
        if host.startswith("[") and host.endswith("]") and "%" not in host:
            return f"[{ipaddress.IPv6Address(host[1:-1]).compressed}]"
        return str(ipaddress.IPv4Address(host))
    except ValueError:
        return None


def _domain(host: str) -> str | None:
    wildcard = host.startswith("*.")
    labels = host.removeprefix("*.").removesuffix(".").split(".")
    if len(host) > 253 or not all(_LABEL.fullmatch(label) for label in labels):
        return None
    # `*.org` is everybody; what ends in a number is read as an address by some, in many spellings.
    if (wildcard and len(labels) < 2) or _is_number(labels[-1]):
        return None
    return ("*." if wildcard else "") + ".".join(labels)


def _is_number(label: str) -> bool:
    return label.isdigit() or bool(re.fullmatch(r"0x[0-9a-f]*", label))


def _secret(text: str) -> str | None:
    return text if _SECRET.fullmatch(text) else None


def _shown(text: str) -> str:
    """Somebody else's text in a message: short, and with nothing that a terminal would obey."""
    return text[:_SHOWN_CHARS].encode("ascii", "backslashreplace").decode("ascii").translate(_ESCAPED)


_ESCAPED = {code: f"\\x{code:02x}" for code in (*range(32), 127)}
