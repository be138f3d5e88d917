"""Users, as administrators see and change them."""

import asyncio

import pytest

from support.people import Person

NEW = {"email": "Cy@Example.org", "password": "green kettle 47 spoon", "name": " Cy \t Young\u202e"}


@pytest.mark.databases
class TestCreating:
    async def test_an_administrator_creates_users(self, ada):
        answer = await ada.call("POST", "/users", json=NEW)
        assert answer.status_code == 201
        made = answer.json()
        assert (made["email"], made["name"], made["role"]) == ("cy@example.org", "Cy Young", "user")
        assert (await ada.call("GET", f"/users/{made['id']}")).json() == made
        assert "password" not in answer.text

    async def test_an_e_mail_is_taken_whatever_its_case(self, ada):
        await ada.call("POST", "/users", json=NEW)
        again = await ada.call("POST", "/users", json={**NEW, "email": "CY@EXAMPLE.ORG"})
        assert again.status_code == 409

    async def test_of_two_with_one_e_mail_at_once_one_is_made(self, ada):
        answers = await asyncio.gather(*(ada.call("POST", "/users", json=NEW) for _ in range(2)))
        assert sorted(answer.status_code for answer in answers) == [201, 409]

    @pytest.mark.parametrize(
        ("change", "pointer"),
        [
            ({"email": "nobody"}, "/email"),
            ({"email": "a@b@c.d"}, "/email"),
            ({"email": "a b@example.org"}, "/email"),
            ({"email": "a\n@example.org"}, "/email"),
            ({"password": "short"}, "/password"),
            ({"password": "passwordpassword"}, "/password"),
            ({"role": "boss"}, "/role"),
            ({"surprise": 1}, "/surprise"),
            ({"name": "x" * 300}, "/name"),
        ],
    )
    async def test_what_does_not_fit_is_named(self, ada, change, pointer):
        answer = await ada.call("POST", "/users", json={**NEW, **change})
        assert answer.status_code == 422
        assert [error["pointer"] for error in answer.json()["errors"]] == [pointer]


class TestScopes:
    @pytest.mark.parametrize(
        ("method", "path"),
        [
            ("GET", "/users"),
            ("POST", "/users"),
            ("GET", "/users/x"),
            ("DELETE", "/users/x"),
            ("PATCH", "/users/x"),
        ],
    )
    async def test_others_may_not_and_that_is_audited(self, bob, audit_of, method, path):
        answer = await bob.call(method, path, json={} if method in ("POST", "PATCH") else None)
        assert (answer.status_code, answer.json()["code"]) == (403, "forbidden")
        (row,) = await audit_of("access.deny")
        assert (row.actor_id, row.allowed, row.target_kind) == (bob.id, False, "route")
        assert row.details["scope"].startswith("users:")

    async def test_whoever_goes_on_trying_gets_429_and_no_more_audit_rows(self, bob, audit_of):
        answers = [await bob.call("GET", "/users") for _ in range(65)]
        assert [answer.status_code for answer in answers[-5:]] == [429] * 5
        assert len(await audit_of("access.deny")) == 60


class TestListing:
    async def test_it_pages_from_the_newest(self, ada, bob, person):
        await person("cy@example.org", "viewer")
        page = (await ada.call("GET", "/users?limit=2")).json()
        assert [user["email"] for user in page["items"]] == ["cy@example.org", "bob@example.org"]
        rest = (await ada.call("GET", f"/users?limit=2&cursor={page['next_cursor']}")).json()
        assert [user["email"] for user in rest["items"]] == ["ada@example.org"]
        assert rest["next_cursor"] is None


@pytest.mark.databases
class TestTheLastAdministrator:
    @pytest.mark.parametrize("change", [{"role": "user"}, {"active": False}])
    async def test_cannot_be_demoted_or_disabled(self, ada, change):
        answer = await ada.call("PATCH", f"/users/{ada.id}", json=change)
        assert (answer.status_code, answer.json()["code"]) == (409, "last_admin")
        assert (await ada.call("GET", "/me")).status_code == 200

    async def test_cannot_be_deleted(self, ada):
        assert (await ada.call("DELETE", f"/users/{ada.id}")).json()["code"] == "last_admin"

    async def test_a_disabled_one_does_not_count(self, ada, person):
        eve = await person("eve@example.org", "admin")
        await ada.call("PATCH", f"/users/{eve.id}", json={"active": False})
        assert (await ada.call("PATCH", f"/users/{ada.id}", json={"role": "user"})).status_code == 409

    async def test_of_two_that_demote_each_other_one_remains(self, ada, person):
        eve = await person("eve@example.org", "admin")
        answers = await asyncio.gather(
            ada.call("PATCH", f"/users/{eve.id}", json={"role": "user"}),
            eve.call("PATCH", f"/users/{ada.id}", json={"role": "user"}),
        )
        assert sorted(answer.status_code for answer in answers) in ([200, 401], [200, 409], [200, 403])


class TestChanging:
    async def test_half_of_a_change_is_never_kept(self, ada):
        answer = await ada.call("PATCH", f"/users/{ada.id}", json={"name": "Countess", "role": "user"})
        assert answer.status_code == 409
        assert (await ada.call("GET", "/me")).json()["name"] == "ada"

    @pytest.mark.parametrize("body", [{}, {"name": None, "role": None, "active": None}])
    async def test_nothing_to_change_is_said(self, ada, bob, body):
        answer = await ada.call("PATCH", f"/users/{bob.id}", json=body)
        assert (answer.status_code, answer.json()["code"]) == (422, "invalid_payload")

    async def test_a_user_is_disabled_and_enabled(self, ada, bob):
        assert (await ada.call("PATCH", f"/users/{bob.id}", json={"active": False})).json()["active"] is False
        assert (await bob.call("GET", "/me")).status_code == 401
        await ada.call("PATCH", f"/users/{bob.id}", json={"active": True})
        assert (await bob.sign_in()).status_code == 200

    async def test_an_administrator_sets_a_password(self, ada, bob):
        body = {"password": "violet tractor 88 moon"}
        assert (await ada.call("PUT", f"/users/{bob.id}/password", json=body)).status_code == 204
        assert (await bob.call("GET", "/me")).status_code == 401
        assert (await bob.sign_in("violet tractor 88 moon")).status_code == 200

    async def test_a_deleted_user_is_gone_with_sessions_and_tokens(self, ada, bob):
        token = (await bob.call("POST", "/tokens", json={"name": "ci", "scopes": ["runs:read"]})).json()[
            "token"
        ]
        assert (await ada.call("DELETE", f"/users/{bob.id}")).status_code == 204
        assert (await ada.call("GET", f"/users/{bob.id}")).status_code == 404
        for credential in (bob.access, token):
            bob.headers = {"Authorization": f"Bearer {credential}"}
            assert (await bob.call("GET", "/me")).status_code == 401

    @pytest.mark.parametrize("path", ["/users/unknown", "/users/" + "x" * 36])
    async def test_an_unknown_one_is_not_found(self, ada, path):
        assert (await ada.call("GET", path)).status_code == 404
        assert (await ada.call("PATCH", path, json={"name": "x"})).status_code == 404
        assert (await ada.call("DELETE", path)).status_code == 404


class TestOneself:
    async def test_changes_the_name(self, bob):
        assert (await bob.call("PATCH", "/me", json={"name": "Robert"})).json()["name"] == "Robert"

    async def test_must_know_the_password_to_change_it(self, bob):
        body = {"current_password": "wrong", "new_password": "violet tractor 88 moon"}
        assert (await bob.call("POST", "/me/password", json=body)).status_code == 401

    async def test_is_told_which_field_a_weak_password_is_in(self, bob):
        body = {"current_password": "blue horse stapler 9", "new_password": "bob@example.org"}
        answer = await bob.call("POST", "/me/password", json=body)
        assert answer.json()["errors"][0]["pointer"] == "/new_password"


class TestTokensOfAdministrators:
    """A token with few scopes must not be a ladder."""

    @pytest.fixture
    async def ladder(self, ada):
        body = {"name": "ladder", "scopes": ["users:read", "users:write"]}
        token = (await ada.call("POST", "/tokens", json=body)).json()["token"]
        return Person(ada.id, ada.email, ada.client, headers={"Authorization": f"Bearer {token}"})

    async def test_cannot_make_an_administrator(self, ladder, bob):
        assert (await ladder.call("POST", "/users", json={**NEW, "role": "admin"})).status_code == 403
        assert (await ladder.call("PATCH", f"/users/{bob.id}", json={"role": "admin"})).status_code == 403

    async def test_cannot_take_over_an_administrator(self, ladder, ada):
        body = {"password": "violet tractor 88 moon"}
        assert (await ladder.call("PUT", f"/users/{ada.id}/password", json=body)).status_code == 403
        assert (await ladder.call("DELETE", f"/users/{ada.id}")).status_code == 403
        assert (await ada.sign_in()).status_code == 200
