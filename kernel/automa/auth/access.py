"""Access tokens: short-lived signed JSON that names a user and a session."""

import time
from dataclasses import dataclass
from typing import Any

from automa.errors import Unauthenticated

ALGORITHM = "HS256"
ISSUER = "automa"
AUDIENCE = "automa-api"
CLOCK_LEEWAY_S = 5


@dataclass(frozen=True, slots=True)
class Claims:
    """What an access token says; `expires_at` is in seconds since the epoch."""

    user_id: str
    session_id: str
    expires_at: float


class AccessTokens:
    """Issues and reads access tokens that live `ttl_s` seconds."""

    def __init__(self, key: bytes, ttl_s: int) -> None:
        self._key = key
        self.ttl_s = ttl_s

    def issue(self, user_id: str, session_id: str) -> str:
        now = int(time.time())
        claims = {
            "iss": ISSUER,
            "aud": AUDIENCE,
            "sub": user_id,
            "sid": session_id,
            "iat": now,
            "exp": now + self.ttl_s,
        }
        return _jwt().encode(claims, self._key, algorithm=ALGORITHM)

    def read(self, token: str) -> Claims:
        """The claims of a token that we signed and that still lives. Raises Unauthenticated."""
        jwt = _jwt()
        try:
            claims = jwt.decode(
                token,
                self._key,
                algorithms=[ALGORITHM],
                audience=AUDIENCE,
                issuer=ISSUER,
                leeway=CLOCK_LEEWAY_S,
                options={"require": ["iss", "aud", "sub", "sid", "iat", "exp"]},
            )
        except jwt.ExpiredSignatureError:
            raise Unauthenticated("The access token has expired; refresh it.") from None
        except (jwt.InvalidTokenError, ValueError):
            raise Unauthenticated("The access token is not valid.") from None
        return Claims(str(claims["sub"]), str(claims["sid"]), float(claims["exp"]))


def _jwt() -> Any:
    """PyJWT, which loads for long and is not needed before the first sign-in."""
    import jwt

    return jwt
