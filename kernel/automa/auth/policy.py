"""What a name to sign in with and a password must be like."""

import re
import unicodedata

from automa.errors import FieldError, InvalidPayload

MIN_LENGTH = 12
MAX_BYTES = 1024

# Deliberately narrower than RFC 5321: no quoted local parts, no address literals, no white space.
_EMAIL = re.compile(r"[^\s@\"(),:;<>\[\]\\]{1,64}@[a-z0-9](?:[a-z0-9.-]*[a-z0-9])?")

# What the passwords that people choose most often are made of (Have I Been Pwned, NCSC top 100,000).
_COMMON = re.compile(
    r"passw(?:or)?[dt]?|p[a@][s$5]{2}w[o0]rd|qwert[yz]?(?:uiop)?|asdf(?:gh)?(?:jkl)?|[zy]xcv(?:bnm)?|1q2w3e(?:4r)?(?:5t)?"
    r"|letmein|welcome|iloveyou|admin(?:istrator)?|automa|monkey|dragon|football|baseball|sunshine|princess|master"
    r"|superman|batman|trustno1|secret|login|changeme|hello|computer|internet|whatever|michael|jordan|summer"
    r"|winter|spring|autumn|abc|xyz|test(?:ing)?|default|root|user|server",
    re.IGNORECASE,
)
_RUNS = ("abcdefghijklmnopqrstuvwxyz", "01234567890", "qwertyuiop", "qwertzuiop", "asdfghjkl", "zxcvbnm")


def normalise_email(email: str) -> str:
    """The one spelling of an address under which it is kept. Raises InvalidPayload."""
    folded = unicodedata.normalize("NFKC", email).strip().casefold()
    spelled = unicodedata.normalize("NFKC", folded)
    if len(spelled) > 254 or ".." in spelled or not _EMAIL.fullmatch(spelled) or not spelled.isprintable():
        raise InvalidPayload(errors=[FieldError("/email", "This is not an e-mail address.")])
    return spelled


def normalise_name(name: str) -> str:
    """A person's or a token's name without control characters and surplus white space."""
    return " ".join("".join(char if char.isprintable() else " " for char in name).split())


def normalise(password: str) -> bytes:
    """The bytes that are hashed: the same ones however a keyboard composes accents."""
    return unicodedata.normalize("NFKC", password).encode("utf-8", "surrogatepass")


def check_password(password: str, *, email: str = "", name: str = "", field: str = "password") -> None:
    """Raise InvalidPayload for a password that is too short, too long or among the first to be guessed."""
    reason = _weakness(password, [*re.split(r"[@.+_-]", email), *name.split()])
    if reason:
        raise InvalidPayload(errors=[FieldError(f"/{field}", reason)])


def _weakness(password: str, personal: list[str]) -> str | None:
    if len(password) < MIN_LENGTH:
        return f"Use at least {MIN_LENGTH} characters."
    if len(normalise(password)) > MAX_BYTES:
        return f"Use at most {MAX_BYTES} bytes."
    if len(set(password)) < 5:
        return "Use more than a few different characters."
    if password in (password + password)[1:-1]:
        return "This repeats one short piece."
    if len(_unguessable(password.casefold(), personal)) < 6:
        return "This is among the first passwords that anybody would guess."
    return None


def _unguessable(password: str, personal: list[str]) -> str:
    """What is left of a password without common words, rows of keys, and the person's own names."""
    for word in personal:
        if len(word) > 2:
            password = password.replace(word.casefold(), "")
    password = _COMMON.sub("", password)
    for row in _RUNS:
        password = _without_pieces(password, row)
        password = _without_pieces(password, row[::-1])
    return re.sub(r"(.)\1{2,}", r"\1", password)


def _without_pieces(password: str, row: str) -> str:
    """Without every stretch of four or more characters that stand next to each other in the row."""
    start = 0
    while start <= len(password) - 4:
        end = start + 4
        if password[start:end] not in row:
            start += 1
            continue
        while end < len(password) and password[start : end + 1] in row:
            end += 1
        password = password[:start] + password[end:]
    return password
