"""Turn what `main` returned into strict JSON, without the cost of importing the json module."""

# What scripts hold has any type.
# pyright: basic

import sys
from _json import encode_basestring_ascii as quote

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


def to_json(value: "Any", said: str = "main returned") -> str:
    """The JSON text of a value; TypeError or ValueError says what in it is not JSON, and where."""
    try:
        return _encode(value, "", [])
    except (TypeError, ValueError) as error:
        raise type(error)(str(error).replace("main returned", said, 1)) from None


def _encode(value: "Any", where: str, above: "list[Any]") -> str:
    simple = _encode_simple(value, where)
    if simple is not None:
        return simple
    if any(value is one for one in above):
        raise ValueError(f"main returned something that contains itself{_at(where)}, which is not JSON")
    if len(above) > 200:
        raise ValueError(f"main returned something nested deeper than 200 levels{_at(where)}")
    above = [*above, value]
    if isinstance(value, dict):
        return "{" + ",".join(_member(key, item, where, above) for key, item in value.items()) + "}"
    if isinstance(value, (list, tuple)):
        return "[" + ",".join(_encode(item, f"{where}[{n}]", above) for n, item in enumerate(value)) + "]"
    replaced = _replace(value)
    if replaced is None:
        name = type(value).__name__
        raise TypeError(f"main returned {_article(name)} {name}{_at(where)}, which is not JSON")
    return _encode(replaced[0], where, above)


def _encode_simple(value: "Any", where: str) -> "str | None":
    if value is None:
        return "null"
    if value is True:
        return "true"
    if value is False:
        return "false"
    kind = type(value)
    if kind is str:
        return _quote(value, where)
    if kind is int:
        return int.__repr__(value)
    if kind is float:
        if value != value or value in (float("inf"), float("-inf")):
            raise ValueError(f"main returned {value}{_at(where)}, which is not JSON")
        return float.__repr__(value)
    return None


def _member(key: "Any", item: "Any", where: str, above: "list[Any]") -> str:
    if isinstance(key, bool) or key is None or not isinstance(key, (str, int, float)):
        replaced = _replace(key)
        if replaced is None or not isinstance(replaced[0], str):
            name = type(key).__name__
            raise TypeError(f"main returned {_article(name)} {name} as a key{_at(where)}, which is not JSON")
        key = replaced[0]
    text = str.__str__(key) if isinstance(key, str) else str(key)
    return _quote(text, where) + ":" + _encode(item, f"{where}.{text}", above)


def _quote(text: str, where: str) -> str:
    """JSON could spell half a surrogate pair, which is no text: most readers refuse it."""
    try:
        text.encode()
    except UnicodeEncodeError:
        raise ValueError(f"main returned text that is not Unicode{_at(where)}: {text[:80]!a}") from None
    return quote(text)


def _replace(value: "Any") -> "tuple[Any] | None":
    """The JSON-like stand-in for a value, in a tuple, or None. Looks only at modules the script imported."""
    if _is_a(value, "enum", "Enum"):
        return (value.value,)
    for kind in (str, int, float):
        if isinstance(value, kind):
            return (kind(value),)
    if _is_a(value, "datetime", "date") or _is_a(value, "datetime", "time"):
        return (value.isoformat(),)
    if _is_a(value, "pathlib", "PurePath"):
        return (str(value),)
    if hasattr(type(value), "__dataclass_fields__"):
        return ({name: getattr(value, name) for name in type(value).__dataclass_fields__},)
    return None


def _is_a(value: "Any", module: str, name: str) -> bool:
    loaded = sys.modules.get(module)
    kind = getattr(loaded, name, None)
    return kind is not None and isinstance(value, kind)


def _at(where: str) -> str:
    return f" (at {where.lstrip('.')})" if where else ""


def _article(name: str) -> str:
    return "an" if name[:1].lower() in "aeiou" else "a"
