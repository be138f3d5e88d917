"""API tokens as text: `automa_<prefix>_<secret>`. The prefix finds the row, the rest proves the right."""

import hashlib
import hmac
import re
import secrets
import string
from dataclasses import dataclass

_ALPHABET = string.ascii_letters + string.digits
_SHAPE = re.compile(r"automa_([a-z0-9]{10})_[A-Za-z0-9]{43}")


@dataclass(frozen=True, slots=True)
class NewToken:
    """A token in the only moment in which its text exists."""

    text: str
    prefix: str

    @property
    def hash(self) -> str:
        return digest(self.text)


def new_token() -> NewToken:
    """43 letters and digits are 256 bits of chance."""
    prefix = "".join(secrets.choice(string.ascii_lowercase + string.digits) for _ in range(10))
    return NewToken(f"automa_{prefix}_{random_text(43)}", prefix)


def random_text(length: int) -> str:
    """Letters and digits, each worth 5.95 bits; a double click selects them and no shell minds them."""
    return "".join(secrets.choice(_ALPHABET) for _ in range(length))


def prefix_of(text: str) -> str | None:
    """The prefix of something that looks like an API token, else None."""
    match = _SHAPE.fullmatch(text)
    return match and match[1]


def digest(text: str) -> str:
    """What is kept of a secret. It is random and long, so it needs no slow hash."""
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def matches(text: str, kept: str) -> bool:
    """Whether this is the secret that a digest was kept of, in constant time."""
    return hmac.compare_digest(digest(text), kept)
