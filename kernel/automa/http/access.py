"""What endpoints need to know about who calls. The rooms below `auth` see its guard and callers as this."""

from typing import Any, Protocol

from automa.sdk.actors import Actor


class Caller(Protocol):
    """Whoever is signed in (`automa.auth.caller.Caller`)."""

    @property
    def actor(self) -> Actor: ...

    @property
    def user_id(self) -> str: ...

    @property
    def role(self) -> str: ...

    def may(self, scope: str) -> bool: ...


class Guard(Protocol):
    """Makes the dependency that admits callers with a scope (`automa.auth.guard.Guard`)."""

    def require(self, scope: str) -> Any: ...
