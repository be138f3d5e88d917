"""Routes with which people sign in and look after themselves."""

from fastapi import APIRouter, Depends, Request, Response

from automa.audit.change import Changes
from automa.auth import repository
from automa.auth.caller import Caller
from automa.auth.guard import Guard, address_of
from automa.auth.passwords import Passwords
from automa.auth.policy import normalise_name
from automa.auth.schemas import (
    CredentialsView,
    MeView,
    OwnPasswordBody,
    ProfileBody,
    RefreshBody,
    SessionList,
    SessionView,
    SetupBody,
    SignedInView,
    SignInBody,
)
from automa.auth.service import Users
from automa.auth.sessions import Client, Sessions
from automa.auth.setup import Setup
from automa.auth.signin import SignIn
from automa.errors import Forbidden, NotFound
from automa.storage.session import Storage


def client_of(request: Request) -> Client:
    """Where a request comes from, fit to be kept."""
    agent = normalise_name(request.headers.get("user-agent", ""))
    return Client(address_of(request), agent[:200])


def _keep_out_of_caches(response: Response) -> None:
    response.headers["Cache-Control"] = "no-store"  # RFC 6749 §5.1


def sign_in_routes(guard: Guard, sign_in: SignIn, setup: Setup) -> APIRouter:
    """Set-up, sign-in and refresh: what works without being signed in."""
    router = APIRouter(
        prefix="/api/v1", tags=["auth"], dependencies=[Depends(guard.public), Depends(_keep_out_of_caches)]
    )

    @router.post(
        "/setup", operation_id="complete_setup", summary="Make the first administrator", status_code=201
    )
    async def complete_setup(body: SetupBody, request: Request) -> SignedInView:
        user, credentials = await setup.complete(
            token=body.token.get_secret_value(),
            email=body.email,
            name=body.name,
            password=body.password.get_secret_value(),
            client=client_of(request),
        )
        return SignedInView.with_user(user, credentials)

    @router.post("/auth/sign-in", operation_id="sign_in", summary="Sign in with e-mail and password")
    async def with_password(body: SignInBody, request: Request) -> SignedInView:
        user, credentials = await sign_in.with_password(
            body.email, body.password.get_secret_value(), client_of(request)
        )
        return SignedInView.with_user(user, credentials)

    @router.post(
        "/auth/refresh", operation_id="refresh_session", summary="Trade a refresh token for new credentials"
    )
    async def refresh(body: RefreshBody, request: Request) -> CredentialsView:
        credentials = await sign_in.with_refresh_token(
            body.refresh_token.get_secret_value(), client_of(request)
        )
        return CredentialsView.of(credentials)

    return router


def me_routes(
    guard: Guard,
    storage: Storage,
    changes: Changes,
    users: Users,
    sign_in: SignIn,
    passwords: Passwords,
    sessions: Sessions,
) -> APIRouter:
    """One's own profile and password."""
    router = APIRouter(prefix="/api/v1/me", tags=["me"])
    anybody = Depends(guard.signed_in)

    @router.get("", operation_id="get_me", summary="Who am I, and what may I do?")
    async def read_me(caller: Caller = anybody) -> MeView:
        async with storage.read() as session:
            user = await repository.user_by_id(session, caller.user_id)
        if user is None:
            raise NotFound("This user was deleted.")
        return MeView.seen_with(user, caller.scopes)

    @router.patch("", operation_id="update_me", summary="Change my name")
    async def update_me(body: ProfileBody, caller: Caller = anybody) -> MeView:
        _require_session(caller)
        async with changes(caller.actor) as change:
            user = await users.rename(change, caller.user_id, body.name)
        return MeView.seen_with(user, caller.scopes)

    @router.post(
        "/password",
        operation_id="change_my_password",
        summary="Change my password; every session ends, and this answer opens a new one",
        dependencies=[Depends(_keep_out_of_caches)],
    )
    async def change_password(
        body: OwnPasswordBody, request: Request, caller: Caller = anybody
    ) -> SignedInView:
        _require_session(caller)
        client = client_of(request)
        user = await sign_in.confirm(caller.user_id, body.current_password.get_secret_value(), client)
        new_hash = await passwords.make(
            body.new_password.get_secret_value(), email=user.email, name=user.name, field="new_password"
        )
        async with changes(caller.actor) as change:
            user = await users.set_password(change, caller.user_id, new_hash)
            credentials = await sessions.open(change, user, client)
        guard.forget(caller.user_id)
        return SignedInView.with_user(user, credentials)

    return router


def session_routes(guard: Guard, storage: Storage, changes: Changes, sessions: Sessions) -> APIRouter:
    """One's own sessions."""
    router = APIRouter(prefix="/api/v1", tags=["auth"])
    anybody = Depends(guard.signed_in)

    @router.post("/auth/sign-out", operation_id="sign_out", summary="End this session", status_code=204)
    async def sign_out(caller: Caller = anybody) -> None:
        session_id = _require_session(caller)
        async with changes(caller.actor) as change:
            await sessions.end(change, caller.user_id, session_id)
        guard.forget(caller.user_id)

    @router.get("/sessions", operation_id="list_sessions", summary="My live sessions, the newest first")
    async def list_sessions(caller: Caller = anybody) -> SessionList:
        _require_session(caller)
        async with storage.read() as session:
            rows = await repository.sessions_of(session, caller.user_id)
        return SessionList(items=[SessionView.of(row, caller.session_id) for row in rows])

    @router.delete(
        "/sessions", operation_id="end_all_sessions", summary="Sign me out everywhere", status_code=204
    )
    async def end_all_sessions(caller: Caller = anybody) -> None:
        _require_session(caller)
        async with changes(caller.actor) as change:
            await sessions.end_all(change, caller.user_id)
        guard.forget(caller.user_id)

    @router.delete(
        "/sessions/{session_id}",
        operation_id="end_session",
        summary="End one of my sessions",
        status_code=204,
    )
    async def end_session(session_id: str, caller: Caller = anybody) -> None:
        _require_session(caller)
        async with changes(caller.actor) as change:
            await sessions.end(change, caller.user_id, session_id)
        guard.forget(caller.user_id)

    return router


def _require_session(caller: Caller) -> str:
    """A token was made for a purpose; looking after its owner's account is none."""
    if caller.session_id is None:
        raise Forbidden("This needs a signed-in person, not an API token.")
    return caller.session_id
