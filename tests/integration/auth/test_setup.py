"""The first administrator."""

import asyncio

import pytest
from sqlalchemy import select

from automa.auth.models import SetupRow
from automa.auth.setup import ensure_setup_token
from support.people import PASSWORD, Person


@pytest.fixture
async def token(storage, changes):
    return await ensure_setup_token(storage, changes, 3600)


async def complete(client, token, email="ada@example.org", password=PASSWORD):
    body = {"token": token, "email": email, "password": password, "name": "Ada"}
    return await client.post("/api/v1/setup", json=body)


@pytest.mark.databases
class TestSetUp:
    async def test_it_makes_an_administrator_and_signs_in(self, client, token):
        answer = await complete(client, token)
        assert answer.status_code == 201
        ada = Person(answer.json()["user"]["id"], "ada@example.org", client)
        ada.take(answer.json())
        assert (await ada.call("GET", "/me")).json()["scopes"] == ["*"]
        assert (await ada.sign_in()).status_code == 200

    async def test_it_works_once(self, client, token):
        await complete(client, token)
        again = await complete(client, token, "eve@example.org")
        assert (again.status_code, again.json()["code"]) == (409, "setup_closed")

    async def test_of_two_at_once_one_wins(self, client, token):
        answers = await asyncio.gather(
            complete(client, token, "ada@example.org"), complete(client, token, "eve@example.org")
        )
        assert sorted(answer.status_code for answer in answers) == [201, 409]

    async def test_a_new_token_replaces_the_one_before(self, client, token, storage, changes):
        newer = await ensure_setup_token(storage, changes, 3600)
        assert (await complete(client, token)).status_code == 401
        assert (await complete(client, newer)).status_code == 201

    async def test_there_is_none_once_there_is_a_user(self, ada, storage, changes):
        assert await ensure_setup_token(storage, changes, 3600) is None


class TestRefusals:
    async def test_an_expired_token(self, client, storage, changes):
        token = await ensure_setup_token(storage, changes, 0)
        assert (await complete(client, token)).status_code == 401

    async def test_a_guessed_token_is_audited_and_limited(self, client, token, audit_of):
        answers = [await complete(client, "guess") for _ in range(25)]
        assert {answer.status_code for answer in answers[:20]} == {401}
        assert {answer.status_code for answer in answers[20:]} == {429}
        assert len(await audit_of("setup.complete")) == 20

    async def test_a_weak_password_leaves_the_token_alive(self, client, token):
        weak = await complete(client, token, password="password1234")
        assert (weak.status_code, weak.json()["errors"][0]["pointer"]) == (422, "/password")
        assert (await complete(client, token)).status_code == 201

    async def test_a_bad_e_mail_leaves_the_token_alive(self, client, token):
        assert (await complete(client, token, email="nobody")).json()["errors"][0]["pointer"] == "/email"
        assert (await complete(client, token)).status_code == 201


async def test_the_token_is_kept_as_a_hash_only(storage, token):
    async with storage.read() as session:
        row = (await session.execute(select(SetupRow))).scalar_one()
    assert token not in (row.token_hash, str(row.__dict__))
