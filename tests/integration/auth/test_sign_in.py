"""Signing in, being somebody, and being refused."""

import asyncio
from unittest.mock import Mock

import pytest
from argon2 import PasswordHasher, extract_parameters

from automa.auth import signin
from automa.auth.passwords import Passwords
from automa.auth.room import Auth
from support.people import PASSWORD


@pytest.mark.databases
class TestSigningIn:
    async def test_it_gives_credentials_that_say_who_one_is(self, ada):
        me = await ada.call("GET", "/me")
        assert me.status_code == 200
        assert me.json()["email"] == "ada@example.org"
        assert me.json()["role"] == "admin"
        assert me.json()["scopes"] == ["*"]

    async def test_the_case_of_an_e_mail_does_not_matter(self, ada):
        ada.email = "ADA@Example.ORG"
        assert (await ada.sign_in()).status_code == 200

    async def test_it_is_audited(self, ada, audit_of):
        (row,) = await audit_of("session.open")
        assert (row.actor_kind, row.actor_id, row.allowed) == ("user", ada.id, True)
        assert row.address == "127.0.0.1"


class TestBeingRefused:
    async def test_a_wrong_password_and_an_unknown_e_mail_get_the_same_answer(self, ada):
        wrong = await ada.sign_in("another password")
        ada.email = "nobody@example.org"
        unknown = await ada.sign_in(PASSWORD)
        assert wrong.status_code == unknown.status_code == 401
        assert wrong.content == unknown.content
        assert wrong.json()["code"] == "invalid_credentials"
        assert "Bearer" in wrong.headers["www-authenticate"]

    async def test_it_costs_as_much_for_an_e_mail_that_nobody_has(self, ada, passwords, monkeypatch):
        seen = Mock(wraps=passwords._verify)
        monkeypatch.setattr(passwords, "_verify", seen)
        ada.email = "nobody@example.org"
        await ada.sign_in()
        seen.assert_called_once_with(PASSWORD, None)
        own = passwords._hasher
        fake = extract_parameters(passwords._nobodys_hash())
        assert (fake.memory_cost, fake.time_cost, fake.hash_len) == (
            own.memory_cost,
            own.time_cost,
            own.hash_len,
        )

    async def test_it_is_audited_without_what_was_typed(self, ada, audit_of):
        ada.email = "my-password-in-the-wrong-field"
        await ada.sign_in("and-a-wrong-one")
        row = (await audit_of("session.open"))[-1]
        assert not row.allowed
        assert (row.actor_kind, row.target_id) == ("anonymous", "unknown")
        assert "wrong" not in str([row.details, row.actor_name, row.actor_id])

    async def test_a_disabled_user_is_refused_like_anybody(self, ada, bob):
        await ada.call("PATCH", f"/users/{bob.id}", json={"active": False})
        assert (await bob.sign_in()).status_code == 401

    @pytest.mark.parametrize(
        "header",
        ["", "Bearer", "Bearer ", "Basic YTpi", "Bearer a.b.c", "Bearer \xff\xe9", "Bearer automa_x_y"],
    )
    async def test_anything_else_than_credentials_gets_401(self, ada, header):
        ada.headers = {"Authorization": header.encode("latin-1")}
        answer = await ada.call("GET", "/me")
        assert answer.status_code == 401
        assert answer.headers["www-authenticate"].startswith("Bearer")

    async def test_a_body_that_does_not_fit_names_its_fields_and_echoes_nothing(self, client):
        answer = await client.post("/api/v1/auth/sign-in", json={"email": 7, "password": ["s3cret-value"]})
        assert answer.status_code == 422
        assert {error["pointer"] for error in answer.json()["errors"]} == {"/email", "/password"}
        assert "s3cret-value" not in answer.text


class TestTheRateLimit:
    async def test_too_many_wrong_passwords_get_429_with_a_time_to_come_back(self, ada, audit_of):
        answers = [await ada.sign_in("wrong") for _ in range(signin.PER_PERSON.attempts + 3)]
        assert [answer.status_code for answer in answers[-3:]] == [429, 429, 429]
        assert 0 < int(answers[-1].headers["retry-after"]) <= signin.PER_PERSON.window_s
        assert (await ada.sign_in()).status_code == 429, "the right password must not tell that it is right"
        refused = [row for row in await audit_of("session.open") if not row.allowed]
        assert len(refused) == signin.PER_PERSON.attempts

    async def test_attempts_at_once_count_as_well(self, ada):
        answers = await asyncio.gather(*(ada.sign_in("wrong") for _ in range(signin.PER_PERSON.attempts * 2)))
        checked = [answer for answer in answers if answer.status_code == 401]
        assert len(checked) <= signin.PER_PERSON.attempts

    async def test_one_address_cannot_try_many_people(self, ada):
        for number in range(signin.PER_ADDRESS.attempts):
            ada.email = f"person{number}@example.org"
            assert (await ada.sign_in("wrong")).status_code == 401
        ada.email = "another@example.org"
        assert (await ada.sign_in("wrong")).status_code == 429

    async def test_rightful_sign_ins_do_not_count(self, ada):
        for _ in range(signin.PER_ADDRESS.attempts + 5):
            assert (await ada.sign_in()).status_code == 200


class TestPasswordHashes:
    async def test_a_hash_with_old_parameters_is_replaced_at_sign_in(
        self, settings, storage, changes, ada, audit_of
    ):
        newer = Passwords(PasswordHasher(time_cost=2, memory_cost=8, parallelism=1))
        auth = Auth.open(settings, storage, changes, newer)
        user, _ = await auth.sign_in.with_password("ada@example.org", PASSWORD, signin.Client())
        assert not newer.is_outdated(user.password_hash)
        assert len(await audit_of("user.rehash_password")) == 1
        assert (await ada.sign_in()).status_code == 200
