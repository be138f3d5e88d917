"""What a script may be called."""

import re
import unicodedata

from automa.errors import FieldError, InvalidPayload
from automa.storage.paths import collision_key, shown

MAX_CHARS = 100
_MAX_KEY_CHARS = 400

_SUFFIX = re.compile(r"(\.(py|zip|tgz|tar|tar\.gz))$", re.IGNORECASE)


def checked_name(text: str) -> str:
    """The name as it is kept: in normal form, without spaces around it. Raises InvalidPayload."""
    name = unicodedata.normalize("NFC", text).strip()
    reason = _reason_against(name)
    if reason is not None:
        raise InvalidPayload(f"The name {shown(text)} {reason}.", errors=[FieldError("/name", reason)])
    return name


def name_key(name: str) -> str:
    """Names with the same key are the same name."""
    return collision_key(name)


def name_from_file(file_name: str) -> str:
    """`Monthly report.tar.gz` suggests `Monthly report`."""
    return _SUFFIX.sub("", file_name.replace("\\", "/").rpartition("/")[2])


def _reason_against(name: str) -> str | None:
    if not name:
        return "is empty"
    if len(name) > MAX_CHARS or len(name_key(name)) > _MAX_KEY_CHARS:
        return f"is longer than {MAX_CHARS} characters"
    if not name.isprintable() or "/" in name or "\\" in name:
        return "holds a slash or a character that cannot be printed"
    if not name[0].isalnum():
        return "does not begin with a letter or a digit"
    return None
