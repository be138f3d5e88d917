"""Hashing: real argon2id, never more than a few at once."""

import asyncio
import threading

import pytest
from argon2 import PasswordHasher

from automa.auth import passwords
from automa.auth.passwords import Passwords
from automa.errors import TooManyRequests

CHEAP = {"time_cost": 1, "memory_cost": 8, "parallelism": 1}


@pytest.fixture
def cheap() -> Passwords:
    return Passwords(PasswordHasher(**CHEAP))


async def test_a_hash_is_verified_by_its_password_alone(cheap):
    kept = await cheap.make("blue horse stapler 9")
    assert kept.startswith("$argon2id$")
    assert await cheap.verify("blue horse stapler 9", kept)
    assert not await cheap.verify("blue horse stapler 8", kept)
    assert not await cheap.verify("blue horse stapler 9", None)
    assert not await cheap.verify("blue horse stapler 9", "damaged")


async def test_the_default_is_rfc_9106_low_memory(cheap):
    default = Passwords()
    assert default._hasher.memory_cost == 64 * 1024
    assert default._hasher.time_cost == 3
    assert default.is_outdated(await cheap.make("blue horse stapler 9"))


async def test_a_few_are_computed_at_once_and_a_crowd_is_sent_away(cheap, monkeypatch):
    going_on = threading.Event()
    at_once, most = 0, 0
    lock = threading.Lock()

    def slow(password: str) -> str:
        nonlocal at_once, most
        with lock:
            at_once += 1
            most = max(most, at_once)
        going_on.wait(10)
        with lock:
            at_once -= 1
        return "hash"

    monkeypatch.setattr(cheap, "_hash", slow)
    working = [asyncio.ensure_future(cheap.rehash("x")) for _ in range(passwords.MAX_WAITING)]
    await asyncio.sleep(0)
    with pytest.raises(TooManyRequests):
        await cheap.rehash("one too many")
    going_on.set()
    await asyncio.gather(*working)
    assert most <= passwords.MAX_AT_ONCE
    assert await cheap.rehash("again") == "hash"
