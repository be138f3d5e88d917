"""How a secret may look in text: as it is, and in the encodings that programs write without being asked.

Standard library without heavy modules: a shim pays for each import.
"""

import json
from binascii import b2a_base64
from collections.abc import Iterator

SHORTEST = 4
"""What is shorter is no secret: it would be found, and hidden, everywhere."""
_LINE_CHARS = 8
_UNRESERVED = frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_.-~")
# What urllib's quote and JavaScript's encodeURIComponent leave as it is, too.
_ALSO_SAFE = (frozenset(b""), frozenset(b"/"), frozenset(b"!'()*"))
_URL_SAFE = bytes.maketrans(b"+/", b"-_")


def spellings(value: str) -> frozenset[bytes]:
    """All that is to be hidden for the sake of one secret."""
    found: set[bytes] = set()
    for text in {value, value.strip()}:
        if len(text) >= SHORTEST:
            found.update(_encoded(text))
    # Keys and certificates are often shown line by line.
    found.update(line.encode("utf-8", "surrogatepass") for line in _telling_lines(value))
    return frozenset(one for one in found if len(one) >= SHORTEST)


def _telling_lines(value: str) -> Iterator[str]:
    lines = [line.strip() for line in value.splitlines()]
    for line in lines if len(lines) > 1 else ():
        if len(line) >= _LINE_CHARS and not line.startswith("-----"):  # the frame of a PEM file is no secret
            yield line


def _encoded(text: str) -> Iterator[bytes]:
    raw = text.encode("utf-8", "surrogatepass")
    yield raw
    yield raw.hex().encode()
    yield raw.hex().upper().encode()
    yield from _in_base64(raw)
    for also in _ALSO_SAFE:
        quoted = _in_url(raw, also)
        yield from (quoted, quoted.replace(b"%20", b"+"))
    for spelled in (*_in_json(text), *_in_python(text, raw), *_in_markup(text)):
        yield spelled.encode("utf-8", "surrogatepass")


def _in_base64(raw: bytes) -> Iterator[bytes]:
    """Alone and, at each of the three alignments, what is the same within something longer."""
    whole = b2a_base64(raw, newline=False)
    yield from (whole, whole.translate(_URL_SAFE))
    for before in range(3):
        encoded = b2a_base64(bytes(before) + raw, newline=False)
        first, last = -(-before * 8 // 6), (before + len(raw)) * 8 // 6
        yield from (encoded[first:last], encoded[first:last].translate(_URL_SAFE))


def _in_url(raw: bytes, also_safe: frozenset[int]) -> bytes:
    safe = _UNRESERVED | also_safe
    return b"".join(bytes((byte,)) if byte in safe else b"%%%02X" % byte for byte in raw)


def _in_json(text: str) -> Iterator[str]:
    for ensure_ascii in (True, False):
        encoded = json.dumps(text, ensure_ascii=ensure_ascii)[1:-1]
        yield from (encoded, encoded.replace("/", "\\/"))


def _in_python(text: str, raw: bytes) -> Iterator[str]:
    """As `repr` shows it, alone or as a part of something with other quotes in it."""
    for shown in (repr(text)[1:-1], ascii(text)[1:-1], repr(raw)[2:-1]):
        plain = shown.replace("\\'", "'")
        yield from (plain, plain.replace("'", "\\'"))


def _in_markup(text: str) -> Iterator[str]:
    """In HTML with and without its quotes, and within single quotes of a shell."""
    escaped = text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    yield from (escaped, escaped.replace('"', "&quot;").replace("'", "&#x27;"))
    yield from (text.replace("'", "'\"'\"'"), text.replace("'", "'\\''"))
