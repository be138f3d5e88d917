"""The keys under which secrets are encrypted: a file beside the database, never in it.

One key per line, in base64, the one in use first; older ones are there only while a rotation goes on. The
file is read whenever a key is needed, so that a server and a rotation beside it cannot disagree.
"""

import base64
import binascii
import hashlib
import os
import secrets
import stat
from dataclasses import dataclass
from pathlib import Path

from automa.errors import SecretsUnavailable
from automa.sdk.attempts import sync_folder

KEY_BYTES = 32
_FILE_BYTES = 64 * 1024
_HEAD = "# The keys of Automa's secrets. Without them nobody can read these: keep a copy somewhere else.\n"


@dataclass(frozen=True, slots=True)
class Key:
    """256 bits for AES-GCM."""

    material: bytes

    @property
    def id(self) -> str:
        """Names the key and tells nothing about it."""
        return hashlib.sha256(b"automa secrets key\0" + self.material).hexdigest()[:16]


@dataclass(frozen=True, slots=True)
class Keys:
    """The newest first."""

    all: tuple[Key, ...]

    @property
    def current(self) -> Key:
        return self.all[0]

    def find(self, key_id: str) -> Key | None:
        return next((key for key in self.all if key.id == key_id), None)


class KeyFile:
    """Where the keys are. Whoever changes it has a writing transaction open, so that nobody else does."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def read(self) -> Keys | None:
        """The keys; None if there is no file. Raises SecretsUnavailable."""
        try:
            with self.path.open("rb") as file:
                mode = os.fstat(file.fileno()).st_mode
                text = file.read(_FILE_BYTES)
        except FileNotFoundError:
            return None
        except OSError as error:
            raise SecretsUnavailable(f"The key file {self.path} cannot be read: {error.strerror}.") from error
        if stat.S_IMODE(mode) & 0o007:
            raise SecretsUnavailable(f"Everybody may open the key file {self.path}: `chmod 600` it first.")
        return self._parsed(text)

    def require(self) -> Keys:
        """The keys. Raises SecretsUnavailable if there are none."""
        keys = self.read()
        if keys is None:
            raise SecretsUnavailable(
                f"The key file {self.path} is missing, and secrets were encrypted with it: put it back. "
                "If it is lost, delete the secrets and set them again."
            )
        return keys

    def make(self) -> Keys:
        """Make the first key, for an installation that has no secrets yet. Raises SecretsUnavailable."""
        keys = Keys((_new_key(),))
        self._replace(keys)
        return keys

    def add(self, keys: Keys) -> Keys:
        """Put a new key before those that are there. Raises SecretsUnavailable."""
        more = Keys((_new_key(), *keys.all))
        self._replace(more)
        return more

    def keep_current(self, keys: Keys) -> None:
        """Let go of every key but the newest. Raises SecretsUnavailable."""
        self._replace(Keys((keys.current,)))

    def _parsed(self, text: bytes) -> Keys:
        try:
            lines = [line.strip() for line in text.decode("ascii").splitlines()]
            found = [base64.b64decode(line, validate=True) for line in lines if line and line[0] != "#"]
        except (UnicodeDecodeError, binascii.Error):
            found = []
        if not found or any(len(material) != KEY_BYTES for material in found):
            raise SecretsUnavailable(
                f"The key file {self.path} is damaged: it is to hold keys of {KEY_BYTES} bytes in base64, "
                "one per line. Put back a copy of it."
            )
        return Keys(tuple(Key(material) for material in found))

    def _replace(self, keys: Keys) -> None:
        """The file is old or new, whatever happens, and nobody else may look into it."""
        draft = self.path.with_name(f".{self.path.name}.{secrets.token_hex(8)}")
        try:
            self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
                file.write(_encoded(keys))
                file.flush()
                os.fsync(file.fileno())
            draft.rename(self.path)
            sync_folder(self.path.parent)
        except OSError as error:
            draft.unlink(missing_ok=True)
            raise SecretsUnavailable(
                f"The key file {self.path} cannot be written: {error.strerror}."
            ) from error


def _new_key() -> Key:
    return Key(secrets.token_bytes(KEY_BYTES))


def _encoded(keys: Keys) -> bytes:
    lines = [base64.b64encode(key.material).decode() + "\n" for key in keys.all]
    return (_HEAD + "".join(lines)).encode()
