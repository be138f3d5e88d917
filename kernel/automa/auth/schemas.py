"""Wire types of users, sessions and tokens."""

from datetime import datetime
from typing import Annotated, Literal, Self

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, SecretStr

from automa.auth.models import SessionRow, TokenRow, UserRow
from automa.auth.policy import MIN_LENGTH
from automa.auth.scopes import Role
from automa.auth.sessions import Credentials
from automa.auth.tokens import IssuedToken

Email = Annotated[str, Field(min_length=3, max_length=254, examples=["ada@example.org"])]
Name = Annotated[str, Field(max_length=200)]
Secret = Annotated[SecretStr, Field(min_length=1, max_length=1024)]
NewPassword = Annotated[SecretStr, Field(min_length=MIN_LENGTH, max_length=1024)]
Scope = Annotated[str, Field(max_length=100, examples=["runs:create"])]


class Body(BaseModel):
    """What a request holds: a field that is not known is refused, so that no typo goes unseen."""

    model_config = ConfigDict(extra="forbid")


class SetupBody(Body):
    token: Secret
    email: Email
    password: NewPassword
    name: Name = ""


class SignInBody(Body):
    email: Annotated[str, Field(max_length=254)]
    password: Secret


class RefreshBody(Body):
    refresh_token: Secret


class ProfileBody(Body):
    name: Annotated[str, Field(min_length=1, max_length=200)]


class OwnPasswordBody(Body):
    current_password: Secret
    new_password: NewPassword


class NewUserBody(Body):
    email: Email
    password: NewPassword
    name: Name = ""
    role: Role = "user"


class UserBody(Body):
    """What an administrator changes; what is left out stays."""

    name: Annotated[str, Field(min_length=1, max_length=200)] | None = None
    role: Role | None = None
    active: bool | None = None


class PasswordBody(Body):
    password: NewPassword


class NewTokenBody(Body):
    name: Annotated[str, Field(min_length=1, max_length=100)]
    scopes: Annotated[list[Scope], Field(min_length=1, max_length=100)]
    expires_at: AwareDatetime | None = Field(None, description="No end if left out.")


class UserView(BaseModel):
    id: str
    email: str
    name: str
    role: Role
    active: bool
    created_at: datetime
    updated_at: datetime

    @classmethod
    def of(cls, row: UserRow) -> Self:
        return cls.model_validate({name: getattr(row, name) for name in cls.model_fields})


class MeView(UserView):
    scopes: list[str] = Field(description="What these very credentials allow.")

    @classmethod
    def seen_with(cls, row: UserRow, scopes: frozenset[str]) -> Self:
        return cls(**UserView.of(row).model_dump(), scopes=sorted(scopes))


class CredentialsView(BaseModel):
    access_token: str
    token_type: Literal["Bearer"] = "Bearer"  # noqa: S105
    expires_in: int = Field(description="Seconds until the access token must be refreshed.")
    refresh_token: str = Field(description="Good for one refresh; each refresh gives the next one.")
    session_id: str

    @classmethod
    def of(cls, credentials: Credentials) -> Self:
        return cls(
            access_token=credentials.access_token,
            expires_in=credentials.access_ttl_s,
            refresh_token=credentials.refresh_token,
            session_id=credentials.session_id,
        )


class SignedInView(CredentialsView):
    user: UserView

    @classmethod
    def with_user(cls, user: UserRow, credentials: Credentials) -> Self:
        return cls(**CredentialsView.of(credentials).model_dump(), user=UserView.of(user))


class SessionView(BaseModel):
    id: str
    created_at: datetime
    refreshed_at: datetime
    expires_at: datetime = Field(description="When it ends unless it is refreshed before.")
    address: str | None
    user_agent: str
    current: bool = Field(description="Whether it is the one that asks.")

    @classmethod
    def of(cls, row: SessionRow, current_id: str | None) -> Self:
        return cls(
            id=row.id,
            created_at=row.created_at,
            refreshed_at=row.rotated_at,
            expires_at=row.expires_at,
            address=row.address,
            user_agent=row.user_agent,
            current=row.id == current_id,
        )


class SessionList(BaseModel):
    items: list[SessionView]


class TokenView(BaseModel):
    id: str
    name: str
    prefix: str = Field(description="What its text begins with, after `automa_`.")
    scopes: list[str]
    created_at: datetime
    expires_at: datetime | None
    last_used_at: datetime | None = Field(description="To about ten minutes.")

    @classmethod
    def of(cls, row: TokenRow) -> Self:
        return cls.model_validate({name: getattr(row, name) for name in TokenView.model_fields})


class NewTokenView(TokenView):
    token: str = Field(description="The token itself; it is shown only now.")

    @classmethod
    def issued(cls, issued: IssuedToken) -> Self:
        return cls(**TokenView.of(issued.row).model_dump(), token=issued.text)
