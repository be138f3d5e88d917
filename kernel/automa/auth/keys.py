"""The key of this installation, from which access and refresh tokens are signed."""

import hashlib
import hmac
import os
import secrets
from pathlib import Path

from automa.errors import ConfigError

KEY_BYTES = 32


def load_key(path: Path) -> bytes:
    """The key in this file, made on first use; only the server's own user can read it. Raises ConfigError."""
    try:
        if not path.exists():
            _make(path)
        key = path.read_bytes()
    except OSError as error:
        raise ConfigError(f"The key {path} cannot be read or made: {error.strerror}") from error
    if len(key) != KEY_BYTES:
        raise ConfigError(f"The key {path} is damaged; remove it to make a new one and sign everybody out.")
    return key


def derive(key: bytes, purpose: str) -> bytes:
    """A key of its own for one purpose, so that no two uses can be played against each other."""
    return hmac.digest(key, purpose.encode(), hashlib.sha256)


def _make(path: Path) -> None:
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    draft = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    try:
        with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            file.write(secrets.token_bytes(KEY_BYTES))
            file.flush()
            os.fsync(file.fileno())
        # Linking shows the file complete or not at all, and never replaces one that another process made.
        os.link(draft, path)
    except FileExistsError:
        pass
    finally:
        draft.unlink(missing_ok=True)
