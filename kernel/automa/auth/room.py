"""The room put together: what the composition root and the command line need of it."""

from dataclasses import dataclass
from typing import Self

from fastapi import APIRouter

from automa.audit.change import Changes
from automa.auth.access import AccessTokens
from automa.auth.admin_endpoints import token_routes, user_routes
from automa.auth.endpoints import me_routes, session_routes, sign_in_routes
from automa.auth.guard import Guard
from automa.auth.identity import Identities
from automa.auth.keys import derive, load_key
from automa.auth.passwords import Passwords
from automa.auth.service import Users
from automa.auth.sessions import Sessions
from automa.auth.setup import Setup
from automa.auth.signin import SignIn
from automa.auth.tokens import Tokens
from automa.config import Settings
from automa.storage.session import Storage


@dataclass(frozen=True, slots=True)
class Auth:
    """Everything about who may do what, wired."""

    storage: Storage
    changes: Changes
    guard: Guard
    users: Users
    tokens: Tokens
    sessions: Sessions
    passwords: Passwords
    sign_in: SignIn
    setup: Setup

    @classmethod
    def open(
        cls, settings: Settings, storage: Storage, changes: Changes, passwords: Passwords | None = None
    ) -> Self:
        """Makes the key of this installation on first use. Raises ConfigError."""
        key = load_key(settings.home / "keys" / "sign-in.key")
        passwords = passwords or Passwords()
        access = AccessTokens(derive(key, "access"), settings.auth.access_ttl_s)
        users = Users()
        sessions = Sessions(access, derive(key, "refresh"), settings.auth.refresh_ttl_s)
        return cls(
            storage=storage,
            changes=changes,
            guard=Guard(Identities(storage, access), changes),
            users=users,
            tokens=Tokens(),
            sessions=sessions,
            passwords=passwords,
            sign_in=SignIn(storage, changes, users, sessions, passwords),
            setup=Setup(storage, changes, users, sessions, passwords),
        )

    def routes(self) -> list[APIRouter]:
        """The routers of this room, to be included as they are."""
        return [
            sign_in_routes(self.guard, self.sign_in, self.setup),
            me_routes(
                self.guard,
                self.storage,
                self.changes,
                self.users,
                self.sign_in,
                self.passwords,
                self.sessions,
            ),
            session_routes(self.guard, self.storage, self.changes, self.sessions),
            user_routes(self.guard, self.storage, self.changes, self.users, self.passwords),
            token_routes(self.guard, self.storage, self.changes, self.tokens),
        ]
