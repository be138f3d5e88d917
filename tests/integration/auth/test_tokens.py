"""API tokens."""

from datetime import timedelta

import pytest
from sqlalchemy import select, update

from automa.auth.models import TokenRow
from automa.storage.tables import utc_now
from support.people import Person


async def create(person, scopes, **more):
    return await person.call("POST", "/tokens", json={"name": "ci", "scopes": scopes, **more})


def user_of(token, person):
    """Somebody who holds the token."""
    return Person(person.id, person.email, person.client, headers={"Authorization": f"Bearer {token}"})


@pytest.mark.databases
class TestCreating:
    async def test_it_is_shown_once_and_works(self, bob):
        made = (await create(bob, ["runs:read", "scripts:*"])).json()
        assert made["token"].startswith(f"automa_{made['prefix']}_")
        me = (await user_of(made["token"], bob).call("GET", "/me")).json()
        assert (me["email"], me["scopes"]) == ("bob@example.org", ["runs:read", "scripts:*"])
        listed = (await bob.call("GET", "/tokens")).json()["items"]
        assert [item["id"] for item in listed] == [made["id"]]
        assert "token" not in listed[0]

    async def test_only_a_hash_of_it_is_kept(self, bob, storage):
        token = (await create(bob, ["runs:read"])).json()["token"]
        async with storage.read() as session:
            row = (await session.execute(select(TokenRow))).scalar_one()
        assert token.split("_")[2] not in str(row.__dict__)

    @pytest.mark.parametrize(
        ("scopes", "pointer"),
        [
            (["users:write"], "/scopes/0"),
            (["runs:read", "*"], "/scopes/1"),
            (["runs:fly"], "/scopes/0"),
            (["users:*"], "/scopes/0"),
            ([], "/scopes"),
        ],
    )
    async def test_nobody_gives_away_more_than_they_have(self, bob, scopes, pointer):
        answer = await create(bob, scopes)
        assert answer.status_code == 422
        assert [error["pointer"] for error in answer.json()["errors"]] == [pointer]

    async def test_a_token_cannot_make_a_stronger_one(self, bob):
        weak = user_of((await create(bob, ["tokens:write", "runs:read"])).json()["token"], bob)
        assert (await create(weak, ["runs:create"])).status_code == 422
        assert (await create(weak, ["runs:read"])).status_code == 201

    async def test_an_end_in_the_past_is_refused(self, bob):
        answer = await create(bob, ["runs:read"], expires_at="2020-01-01T00:00:00Z")
        assert answer.json()["errors"][0]["pointer"] == "/expires_at"


class TestUsing:
    async def test_a_missing_scope_is_denied_and_audited_for_the_token(self, ada, audit_of):
        made = (await create(ada, ["runs:read"])).json()
        assert (await user_of(made["token"], ada).call("GET", "/users")).status_code == 403
        (row,) = await audit_of("access.deny")
        assert (row.actor_kind, row.actor_id) == ("token", made["id"])

    async def test_it_loses_what_its_owner_loses(self, ada, person):
        eve = await person("eve@example.org", "admin")
        token = user_of((await create(eve, ["*"])).json()["token"], eve)
        assert (await token.call("GET", "/users")).status_code == 200
        await ada.call("PATCH", f"/users/{eve.id}", json={"role": "user"})
        assert (await token.call("GET", "/users")).status_code == 403
        await ada.call("PATCH", f"/users/{eve.id}", json={"active": False})
        assert (await token.call("GET", "/me")).status_code == 401

    async def test_it_ends_when_it_should(self, bob, storage, auth):
        made = (await create(bob, ["runs:read"], expires_at="2100-01-01T00:00:00Z")).json()
        token = user_of(made["token"], bob)
        assert (await token.call("GET", "/me")).status_code == 200
        async with storage.write() as session:
            await session.execute(update(TokenRow).values(expires_at=utc_now() - timedelta(seconds=1)))
        auth.guard.forget(bob.id)
        assert (await token.call("GET", "/me")).status_code == 401

    async def test_its_last_use_is_noted_coarsely(self, bob, storage, auth):
        made = (await create(bob, ["runs:read"])).json()
        assert made["last_used_at"] is None
        await user_of(made["token"], bob).call("GET", "/me")
        first = (await bob.call("GET", "/tokens")).json()["items"][0]["last_used_at"]
        auth.guard.forget(bob.id)
        await user_of(made["token"], bob).call("GET", "/me")
        assert first == (await bob.call("GET", "/tokens")).json()["items"][0]["last_used_at"] is not None

    async def test_it_does_not_look_after_its_owners_account(self, bob, audit_of):
        token = user_of((await create(bob, ["runs:read"])).json()["token"], bob)
        body = {"current_password": "blue horse stapler 9", "new_password": "violet tractor 88 moon"}
        assert (await token.call("POST", "/me/password", json=body)).status_code == 403
        assert "signed-in person" in (await audit_of("access.deny"))[-1].details["reason"]
        assert (await token.call("DELETE", "/sessions")).status_code == 403
        assert (await token.call("POST", "/auth/sign-out")).status_code == 403


class TestRevoking:
    async def test_it_is_dead_at_once(self, bob):
        made = (await create(bob, ["runs:read"])).json()
        token = user_of(made["token"], bob)
        assert (await token.call("GET", "/me")).status_code == 200
        assert (await bob.call("DELETE", f"/tokens/{made['id']}")).status_code == 204
        assert (await token.call("GET", "/me")).status_code == 401

    async def test_somebody_elses_is_not_found_but_an_administrator_may(self, ada, bob, person):
        made = (await create(bob, ["runs:read"])).json()
        cy = await person("cy@example.org")
        assert (await cy.call("DELETE", f"/tokens/{made['id']}")).status_code == 404
        token = user_of(made["token"], bob)
        assert (await token.call("GET", "/me")).status_code == 200
        assert (await ada.call("DELETE", f"/tokens/{made['id']}")).status_code == 204
        assert (await token.call("GET", "/me")).status_code == 401
