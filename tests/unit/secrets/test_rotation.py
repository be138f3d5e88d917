"""A rotation encrypts everything anew, loses nothing wherever it is cut off, and lets the old key go."""

import pytest

from automa.audit.change import Changes
from automa.auth.caller import Caller
from automa.errors import SecretsUnavailable
from automa.sdk.actors import SYSTEM
from automa.secrets import repository, rotation
from automa.secrets.keys import KeyFile, Keys
from automa.secrets.rotation import Rotation
from automa.secrets.service import SecretService
from automa.secrets.use import SecretUse, User
from automa.storage.session import Storage

NAMES = tuple(f"KEY_{number}" for number in range(7))


@pytest.fixture
async def kept(changes: Changes, service: SecretService, bob: Caller) -> Caller:
    async with changes(bob.actor) as change:
        for name in NAMES:
            await service.create(change, bob, name, f"value of {name}")
    return bob


@pytest.fixture(autouse=True)
def small_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rotation, "BATCH", 3)


async def values(changes: Changes, use: SecretUse, who: Caller) -> list[str]:
    async with changes(SYSTEM) as change:
        return list((await use.give(change, User("r", who.user_id, None, NAMES))).values())


async def key_ids(storage: Storage) -> set[str]:
    async with storage.read() as session:
        return {row.key_id for row in await repository.all_of(session, None)}


class Interrupted(Exception):
    pass


@pytest.mark.databases
class TestRotation:
    async def test_everything_is_under_the_new_key_and_the_old_one_is_gone(
        self,
        storage: Storage,
        changes: Changes,
        use: SecretUse,
        rotation: Rotation,
        key_file: KeyFile,
        kept: Caller,
    ) -> None:
        old = key_file.require().current
        assert await rotation.run(SYSTEM) == 7
        new = key_file.require()
        assert len(new.all) == 1
        assert new.find(old.id) is None
        assert await key_ids(storage) == {new.current.id}
        assert await values(changes, use, kept) == [f"value of {name}" for name in NAMES]

    @pytest.mark.parametrize("steps", range(4))
    async def test_wherever_it_is_interrupted_all_can_be_read_and_it_goes_on(
        self,
        storage: Storage,
        changes: Changes,
        use: SecretUse,
        rotation: Rotation,
        key_file: KeyFile,
        kept: Caller,
        monkeypatch: pytest.MonkeyPatch,
        steps: int,
    ) -> None:
        done, batch = [], rotation._batch

        async def interrupted(change, keys: Keys) -> int:
            if len(done) == steps:
                raise Interrupted
            done.append(1)
            return await batch(change, keys)

        monkeypatch.setattr(rotation, "_batch", interrupted)
        with pytest.raises(Interrupted):
            await rotation.run(SYSTEM)
        assert len(key_file.require().all) == 2
        assert await values(changes, use, kept) == [f"value of {name}" for name in NAMES]
        monkeypatch.undo()
        assert await Rotation(key_file, changes).run(SYSTEM) == 7 - min(7, 3 * steps)
        assert len(key_file.require().all) == 1
        assert await values(changes, use, kept) == [f"value of {name}" for name in NAMES]


class TestAtTheEdges:
    async def test_with_no_secrets_it_just_makes_a_key(self, rotation: Rotation, key_file: KeyFile) -> None:
        assert await rotation.run(SYSTEM) == 0
        assert len(key_file.require().all) == 1

    async def test_what_is_kept_meanwhile_is_not_lost(
        self,
        changes: Changes,
        use: SecretUse,
        service: SecretService,
        rotation: Rotation,
        kept: Caller,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        batch = rotation._batch

        async def slow(change, keys: Keys) -> int:
            if (await batch(change, keys)) == 0:
                return 0
            row = await service.by_name(change.session, kept, NAMES[0])
            await service.update(change, kept, row.id, value="new meanwhile")
            return 1

        monkeypatch.setattr(rotation, "_batch", slow)
        await rotation.run(SYSTEM)
        assert (await values(changes, use, kept))[0] == "new meanwhile"

    async def test_without_the_key_it_changes_nothing(
        self, rotation: Rotation, key_file: KeyFile, kept: Caller
    ) -> None:
        key_file.path.unlink()
        with pytest.raises(SecretsUnavailable, match="missing"):
            await rotation.run(SYSTEM)
        assert not key_file.path.exists()

    async def test_a_row_that_does_not_open_stops_it_and_the_old_key_stays(
        self, storage: Storage, rotation: Rotation, key_file: KeyFile, kept: Caller
    ) -> None:
        async with storage.write() as session:
            row = await repository.by_name(session, kept.user_id, NAMES[6])
            assert row is not None
            await repository.change(session, row.id, sealed=b"damaged" * 5)
        with pytest.raises(SecretsUnavailable, match=NAMES[6]):
            await rotation.run(SYSTEM)
        assert len(key_file.require().all) == 2
