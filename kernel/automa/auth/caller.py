"""Who calls, and what they may do."""

from dataclasses import dataclass

from automa.auth.scopes import covers
from automa.errors import Forbidden, NotFound
from automa.sdk.actors import Actor


@dataclass(frozen=True, slots=True)
class Caller:
    """A signed-in user or a token of theirs. Scopes are `domain:action`, `domain:*` or `*`."""

    actor: Actor
    user_id: str
    role: str
    scopes: frozenset[str]
    session_id: str | None = None
    """The session behind an access token; None for API tokens and the command line."""

    def may(self, scope: str) -> bool:
        return covers(self.scopes, scope)

    def require(self, scope: str) -> None:
        """Raise Forbidden unless the caller has the scope."""
        if not self.may(scope):
            raise Forbidden(f"This needs the scope {scope}.")

    @property
    def sees_all(self) -> bool:
        """Administrators and viewers see everybody's things; users see their own."""
        return self.role in ("admin", "viewer")

    def require_sight(self, owner_id: str | None, what: str = "such thing") -> None:
        """Raise NotFound, as if it were not there, for what belongs to somebody else."""
        if not self.sees_all and owner_id != self.user_id:
            raise NotFound(f"There is no {what}.")
