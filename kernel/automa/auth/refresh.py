"""Refresh tokens: a session's secret and a generation, sealed with the key of this installation.

The database keeps only a hash of the secret and the latest generation, so neither a stolen database nor a
stolen key makes a token. A sealed token of an older generation proves that somebody kept a used one.
"""

import base64
import hashlib
import hmac
import secrets
from dataclasses import dataclass

PREFIX = "automa_rt_"


@dataclass(frozen=True, slots=True)
class RefreshToken:
    session_id: str
    generation: int
    secret: str

    @property
    def secret_hash(self) -> str:
        return hashlib.sha256(self.secret.encode()).hexdigest()


def new_secret() -> str:
    return secrets.token_urlsafe(32)


def seal(token: RefreshToken, key: bytes) -> str:
    """The text that is handed out; the same one each time for the same token."""
    content = f"{token.session_id}.{token.generation}.{token.secret}"
    return f"{PREFIX}{content}.{_mac(content, key)}"


def unseal(text: str, key: bytes) -> RefreshToken | None:
    """The token in a text, or None unless this installation sealed it."""
    content, _, mac = text.removeprefix(PREFIX).rpartition(".")
    if not text.isascii() or not hmac.compare_digest(_mac(content, key), mac):
        return None
    session_id, generation, secret = content.split(".")
    return RefreshToken(session_id, int(generation), secret)


def _mac(content: str, key: bytes) -> str:
    return base64.urlsafe_b64encode(hmac.digest(key, content.encode(), hashlib.sha256)).decode().rstrip("=")
