"""Sessions: refreshed by rotation, ended at once."""

import asyncio
from datetime import timedelta

import jwt
import pytest
from sqlalchemy import update

from automa.auth import sessions
from automa.auth.models import SessionRow
from automa.auth.room import Auth
from automa.storage.tables import utc_now


async def refresh(person, token):
    return await person.client.post("/api/v1/auth/refresh", json={"refresh_token": token})


async def age(storage, session_id, by):
    """Make the session's last rotation lie further back."""
    async with storage.write() as session:
        await session.execute(
            update(SessionRow).where(SessionRow.id == session_id).values(rotated_at=utc_now() - by)
        )


@pytest.mark.databases
class TestRefreshing:
    async def test_it_gives_new_credentials_of_the_same_session(self, bob):
        answer = await refresh(bob, bob.refresh)
        assert answer.status_code == 200
        assert answer.headers["cache-control"] == "no-store"
        assert answer.json()["session_id"] == bob.session_id
        assert answer.json()["refresh_token"] != bob.refresh
        bob.take(answer.json())
        assert (await bob.call("GET", "/me")).status_code == 200

    async def test_a_chain_of_refreshes_goes_on(self, bob):
        for _ in range(5):
            bob.take((await refresh(bob, bob.refresh)).json())
        assert (await bob.call("GET", "/me")).status_code == 200

    async def test_two_at_once_get_the_same_next_token(self, bob):
        one, other = await asyncio.gather(refresh(bob, bob.refresh), refresh(bob, bob.refresh))
        assert (one.status_code, other.status_code) == (200, 200)
        assert one.json()["refresh_token"] == other.json()["refresh_token"]
        assert (await refresh(bob, one.json()["refresh_token"])).status_code == 200

    async def test_a_used_token_ends_the_whole_session(self, bob, storage, audit_of):
        used = bob.refresh
        bob.take((await refresh(bob, used)).json())
        await age(storage, bob.session_id, sessions.ROTATION_GRACE + timedelta(seconds=1))
        assert (await refresh(bob, used)).status_code == 401
        assert (await refresh(bob, bob.refresh)).status_code == 401, "the thief and the owner are both out"
        row = [row for row in await audit_of("session.refresh") if not row.allowed][-1]
        assert (row.actor_id, row.details["reason"]) == (bob.id, "token reused")

    async def test_a_token_from_two_generations_ago_has_no_grace(self, bob):
        oldest = bob.refresh
        bob.take((await refresh(bob, oldest)).json())
        bob.take((await refresh(bob, bob.refresh)).json())
        assert (await refresh(bob, oldest)).status_code == 401
        assert (await refresh(bob, bob.refresh)).status_code == 401

    async def test_a_session_that_was_not_refreshed_in_time_is_over(self, bob, storage):
        async with storage.write() as session:
            await session.execute(update(SessionRow).values(expires_at=utc_now() - timedelta(seconds=1)))
        assert (await refresh(bob, bob.refresh)).status_code == 401


class TestRefreshTokens:
    @pytest.mark.parametrize(
        "change", [lambda text: text[:-2] + "xx", lambda text: text.replace(".1.", ".2.")]
    )
    async def test_a_changed_one_is_refused_and_ends_nothing(self, bob, change):
        assert (await refresh(bob, change(bob.refresh))).status_code == 401
        assert (await refresh(bob, bob.refresh)).status_code == 200

    async def test_neither_they_nor_their_secrets_are_in_the_database(self, bob, storage):
        async with storage.read() as session:
            connection = await session.connection()
            tables = await connection.exec_driver_sql("SELECT * FROM sessions")
            kept = str(tables.all())
        assert bob.refresh.split(".")[2] not in kept


@pytest.mark.databases
class TestEndingSessions:
    async def test_signing_out_ends_the_access_token_at_once(self, bob):
        assert (await bob.call("GET", "/me")).status_code == 200
        assert (await bob.call("POST", "/auth/sign-out")).status_code == 204
        assert (await bob.call("GET", "/me")).status_code == 401
        assert (await refresh(bob, bob.refresh)).status_code == 401

    async def test_signing_out_everywhere_ends_the_others_too(self, bob):
        first = dict(bob.headers)
        await bob.sign_in()
        assert (await bob.call("DELETE", "/sessions")).status_code == 204
        for headers in (first, bob.headers):
            bob.headers = headers
            assert (await bob.call("GET", "/me")).status_code == 401

    async def test_one_of_several_can_be_ended(self, bob):
        first, first_headers = bob.session_id, bob.headers
        await bob.sign_in()
        listed = (await bob.call("GET", "/sessions")).json()["items"]
        assert [item["id"] for item in listed if item["current"]] == [bob.session_id]
        assert first in {item["id"] for item in listed}
        assert (await bob.call("DELETE", f"/sessions/{first}")).status_code == 204
        assert (await bob.call("GET", "/me")).status_code == 200
        bob.headers = first_headers
        assert (await bob.call("GET", "/me")).status_code == 401

    async def test_somebody_elses_session_is_not_found(self, ada, bob):
        assert (await ada.call("DELETE", f"/sessions/{bob.session_id}")).status_code == 404
        assert (await bob.call("GET", "/me")).status_code == 200

    async def test_a_new_password_ends_all_of_them_and_opens_one(self, bob):
        before = dict(bob.headers)
        body = {"current_password": "blue horse stapler 9", "new_password": "violet tractor 88 moon"}
        answer = await bob.call("POST", "/me/password", json=body)
        assert answer.status_code == 200
        bob.headers = before
        assert (await bob.call("GET", "/me")).status_code == 401
        bob.take(answer.json())
        assert (await bob.call("GET", "/me")).status_code == 200
        assert (await bob.sign_in("violet tractor 88 moon")).status_code == 200
        assert (await bob.sign_in()).status_code == 401

    async def test_a_new_role_ends_them(self, ada, bob):
        await ada.call("PATCH", f"/users/{bob.id}", json={"role": "viewer"})
        assert (await bob.call("GET", "/me")).status_code == 401

    async def test_another_process_notices_within_a_second(
        self, settings, storage, changes, bob, monkeypatch
    ):
        now = 100.0
        elsewhere = Auth.open(settings, storage, changes)
        monkeypatch.setattr(elsewhere.guard._identities, "_clock", lambda: now)
        assert (await elsewhere.guard._identities.of(bob.access)).user_id == bob.id
        await bob.call("POST", "/auth/sign-out")
        now += 1.0
        with pytest.raises(Exception, match="ended"):
            await elsewhere.guard._identities.of(bob.access)

    async def test_the_oldest_goes_when_there_are_too_many(self, bob, monkeypatch):
        monkeypatch.setattr(sessions, "MAX_SESSIONS", 3)
        oldest = bob.headers
        for _ in range(3):
            await bob.sign_in()
        assert len((await bob.call("GET", "/sessions")).json()["items"]) == 3
        bob.headers = oldest
        assert (await bob.call("GET", "/me")).status_code == 401


class TestAccessTokens:
    @pytest.fixture
    def key(self, auth):
        return auth.sessions._access._key

    @pytest.fixture
    def claims(self, bob, key):
        return jwt.decode(bob.access, key, algorithms=["HS256"], audience="automa-api", issuer="automa")

    def test_they_hold_no_more_than_who_and_until_when(self, claims, bob):
        assert set(claims) == {"iss", "aud", "sub", "sid", "iat", "exp"}
        assert claims["exp"] - claims["iat"] == 600

    @pytest.mark.parametrize(
        "change",
        [
            {"exp": 1},
            {"aud": "another"},
            {"iss": "another"},
            {"sid": "another"},
            {"sub": "another"},
            {"iat": 1 << 40},
            {"sub": None},
            {"exp": None},
            {"exp": "soon"},
        ],
    )
    async def test_other_claims_are_refused(self, bob, key, claims, change):
        forged = {name: value for name, value in {**claims, **change}.items() if value is not None}
        bob.headers = {"Authorization": f"Bearer {jwt.encode(forged, key)}"}
        assert (await bob.call("GET", "/me")).status_code == 401

    async def test_other_algorithms_and_keys_are_refused(self, bob, key, claims):
        forgeries = [
            jwt.encode(claims, None, algorithm="none"),
            jwt.encode(claims, key * 2, algorithm="HS512"),
            jwt.encode(claims, b"another key of thirty-two bytes!!"),
        ]
        for forged in forgeries:
            bob.headers = {"Authorization": f"Bearer {forged}"}
            assert (await bob.call("GET", "/me")).status_code == 401
