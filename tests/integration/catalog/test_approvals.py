"""Permissions: who may grant what, what waits, and what is decided, on every database and over the API."""

from collections.abc import Awaitable, Callable
from typing import Any

import httpx
import pytest

from automa import config
from automa.audit.change import Changes
from automa.auth.caller import Caller
from automa.catalog.room import Catalog
from automa.catalog.versions import NewVersion
from automa.config import Settings
from automa.errors import ApprovalNeeded, Conflict, Forbidden, InvalidPayload
from automa.storage.home import Home
from automa.storage.session import Storage

pytestmark = pytest.mark.databases

NETWORK = 'network = ["api.example.org:443"]'
MORE = 'network = ["api.example.org:443", "b.example.org:443"]'


def source(*lines: str, body: str = "print(1)") -> str:
    inner = "".join(f"# {line}\n" for line in lines)
    return f"# /// script\n# [tool.automa]\n{inner}# ///\n{body}\n"


@pytest.fixture
def settings(home) -> Settings:
    paths = {"reports": {"path": "/srv/reports", "mode": "write"}, "books": {"path": "/srv/books"}}
    return config.load(home=home, paths=paths)


@pytest.fixture
def create(catalog: Catalog, changes: Changes):
    async def create(caller: Caller, *lines: str, draft: bool = False) -> str:
        package = await catalog.intake.from_source(source(*lines).encode())
        async with changes(caller.actor) as change:
            script, _ = await catalog.service.create(change, caller, "x", NewVersion(package, draft))
        return script.id

    return create


@pytest.fixture
def edit(catalog: Catalog, changes: Changes):
    async def edit(caller: Caller, script_id: str, *lines: str, **options: Any) -> str:
        """The state of the new version's approval."""
        body = f"print({options.pop('body', 2)})"
        package = await catalog.intake.from_source(source(*lines, body=body).encode())
        async with changes(caller.actor) as change:
            row = await catalog.service.add_version(change, caller, script_id, NewVersion(package, **options))
        return row.approval.state if row.approval else "not_needed"

    return edit


@pytest.fixture
def decide(catalog: Catalog, changes: Changes):
    async def decide(caller: Caller, script_id: str, version: int, decision: Any, note: str = "") -> str:
        async with changes(caller.actor) as change:
            row = await catalog.service.decide(change, caller, script_id, str(version), decision, note)
        assert row.approval is not None
        return row.approval.state

    return decide


@pytest.fixture
def runs_now(catalog: Catalog, storage: Storage) -> Callable[..., Awaitable[int]]:
    """The number of the version that would run."""

    async def find(caller: Caller, script_id: str, version: int | None = None) -> int:
        async with storage.read() as session:
            reference = None if version is None else str(version)
            return (await catalog.service.runnable(session, caller, script_id, reference)).version_number

    return find


class TestWhoMayGrant:
    @pytest.mark.parametrize("lines", [(), ('secrets = ["A"]', "cpus = 0.5"), ('network = "none"',)])
    async def test_a_user_grants_what_is_not_beyond_the_defaults(
        self, create, runs_now, bob: Caller, lines: tuple[str, ...]
    ) -> None:
        assert await runs_now(bob, await create(bob, *lines)) == 1

    @pytest.mark.parametrize(
        "line", [NETWORK, "network = true", 'paths = { books = "read" }', "memory_bytes = 1_000_000_000"]
    )
    async def test_the_rest_is_parked(self, create, runs_now, bob: Caller, line: str) -> None:
        script_id = await create(bob, line)
        for version in (None, 1):
            with pytest.raises(ApprovalNeeded, match="waits for approval") as caught:
                await runs_now(bob, script_id, version)
            assert caught.value.extra == {"version": 1, "approval": "needed"}

    async def test_who_may_grant_grants_by_saving(
        self, create, runs_now, ada: Caller, audit_of, event_names
    ) -> None:
        assert await runs_now(ada, await create(ada, NETWORK)) == 1
        (row,) = await audit_of("script.approve")
        assert row.details["permissions"]["network"] == ["api.example.org:443"]
        assert "script.approved" in await event_names()

    async def test_a_token_of_an_administrator_needs_the_scope_for_it(
        self, create, runs_now, ada: Caller
    ) -> None:
        narrow = Caller(ada.actor, ada.user_id, "admin", frozenset({"scripts:write", "scripts:read"}))
        script_id = await create(narrow, NETWORK)
        with pytest.raises(ApprovalNeeded):
            await runs_now(ada, script_id)

    async def test_a_draft_asks_for_nothing_yet(self, create, edit, bob: Caller, audit_of) -> None:
        await create(bob, NETWORK, draft=True)
        assert await audit_of("script.ask_approval") == []

    @pytest.mark.parametrize(
        ("line", "detail"),
        [('paths = { other = "read" }', "not offered"), ('paths = { books = "write" }', "reading only")],
    )
    async def test_paths_have_to_be_offered(self, create, ada: Caller, line: str, detail: str) -> None:
        with pytest.raises(InvalidPayload, match=detail) as caught:
            await create(ada, line)
        assert caught.value.errors[0].pointer.startswith("/paths/")


class TestParked:
    async def test_the_version_before_it_goes_on_to_run(self, create, edit, runs_now, bob: Caller) -> None:
        script_id = await create(bob)
        assert await edit(bob, script_id, NETWORK) == "needed"
        assert await runs_now(bob, script_id) == 1

    async def test_it_cannot_be_made_current(
        self, create, edit, catalog: Catalog, changes: Changes, bob: Caller
    ) -> None:
        script_id = await create(bob)
        await edit(bob, script_id, NETWORK)
        with pytest.raises(ApprovalNeeded):
            async with changes(bob.actor) as change:
                await catalog.service.make_current(change, bob, script_id, "2")

    async def test_it_is_audited_and_told(self, create, bob: Caller, audit_of, event_names) -> None:
        await create(bob, NETWORK)
        (row,) = await audit_of("script.ask_approval")
        assert (row.actor_id, row.details["number"]) == (bob.actor.id, 1)
        assert "script.approval_requested" in await event_names()


class TestApprove:
    async def test_an_approved_version_becomes_current_and_runs(
        self, create, edit, decide, runs_now, ada: Caller, bob: Caller, audit_of, event_names
    ) -> None:
        script_id = await create(bob)
        await edit(bob, script_id, NETWORK)
        assert await decide(ada, script_id, 2, "approved", "fine") == "approved"
        assert await runs_now(bob, script_id) == 2
        (row,) = await audit_of("script.approve")
        assert (row.actor_id, row.details["number"], row.details["note"]) == (ada.actor.id, 2, "fine")
        assert (await event_names())[-2:] == ["script.approved", "script.current_changed"]

    async def test_one_that_was_not_to_become_current_does_not(
        self, create, edit, decide, runs_now, ada: Caller, bob: Caller
    ) -> None:
        script_id = await create(bob)
        await edit(bob, script_id, NETWORK, make_current=False)
        await decide(ada, script_id, 2, "approved")
        assert await runs_now(bob, script_id) == 1
        assert await runs_now(bob, script_id, 2) == 2

    async def test_a_newer_current_version_stays(
        self, create, edit, decide, runs_now, ada: Caller, bob: Caller
    ) -> None:
        script_id = await create(bob, NETWORK)
        await edit(bob, script_id)
        await decide(ada, script_id, 1, "approved")
        assert await runs_now(bob, script_id) == 2

    async def test_nobody_else_decides(self, create, decide, bob: Caller) -> None:
        script_id = await create(bob, NETWORK)
        for decision in ("approved", "rejected"):
            with pytest.raises(Forbidden):
                await decide(bob, script_id, 1, decision)

    async def test_twice_is_fine_and_nothing_new(
        self, create, decide, ada: Caller, bob: Caller, audit_of
    ) -> None:
        script_id = await create(bob, NETWORK)
        for _ in range(2):
            assert await decide(ada, script_id, 1, "approved") == "approved"
        assert len(await audit_of("script.approve")) == 1

    async def test_what_needs_no_approval_gets_none(self, create, decide, ada: Caller, bob: Caller) -> None:
        script_id = await create(bob)
        with pytest.raises(Conflict, match="needs no approval"):
            await decide(ada, script_id, 1, "approved")


class TestApprovedBefore:
    async def test_the_same_or_less_needs_no_new_approval(
        self, create, edit, decide, runs_now, ada: Caller, bob: Caller
    ) -> None:
        script_id = await create(bob, MORE, "cpus = 2")
        await decide(ada, script_id, 1, "approved")
        for number, lines in enumerate([(MORE, "cpus = 2"), (NETWORK,), ("cpus = 1.5",), ()], start=2):
            assert await edit(bob, script_id, *lines) in ("approved", "not_needed"), lines
            assert await runs_now(bob, script_id) == number

    @pytest.mark.parametrize("line", ["network = true", "cpus = 9", 'paths = { reports = "write" }', MORE])
    async def test_more_or_other_does(
        self, create, edit, decide, ada: Caller, bob: Caller, line: str
    ) -> None:
        script_id = await create(bob, NETWORK)
        await decide(ada, script_id, 1, "approved")
        assert await edit(bob, script_id, line) == "needed"

    async def test_two_approvals_do_not_add_up(self, create, edit, decide, ada: Caller, bob: Caller) -> None:
        script_id = await create(bob, NETWORK)
        await edit(bob, script_id, "cpus = 2")
        for version in (1, 2):
            await decide(ada, script_id, version, "approved")
        assert await edit(bob, script_id, NETWORK, "cpus = 2") == "needed"

    async def test_of_another_script_it_counts_for_nothing(
        self, create, decide, catalog: Catalog, changes: Changes, ada: Caller, bob: Caller
    ) -> None:
        await decide(ada, await create(bob, NETWORK), 1, "approved")
        package = await catalog.intake.from_source(source(NETWORK).encode())
        async with changes(bob.actor) as change:
            _, current = await catalog.service.create(change, bob, "y", NewVersion(package))
        assert current is None

    async def test_a_rollback_needs_none(
        self, create, edit, decide, catalog: Catalog, changes: Changes, ada: Caller, bob: Caller
    ) -> None:
        script_id = await create(bob, NETWORK)
        await decide(ada, script_id, 1, "approved")
        await edit(bob, script_id)
        async with changes(bob.actor) as change:
            _, current = await catalog.service.make_current(change, bob, script_id, "1")
        assert current is not None
        assert current.number == 1


class TestReject:
    async def test_a_rejected_version_never_runs_and_says_so(
        self, create, decide, runs_now, ada: Caller, bob: Caller
    ) -> None:
        script_id = await create(bob, NETWORK)
        assert await decide(ada, script_id, 1, "rejected", "no") == "rejected"
        with pytest.raises(ApprovalNeeded, match="was rejected") as caught:
            await runs_now(bob, script_id)
        assert caught.value.extra["approval"] == "rejected"

    async def test_an_approval_can_be_taken_back_for_all_versions_that_ask_for_the_same(
        self, create, edit, decide, runs_now, ada: Caller, bob: Caller
    ) -> None:
        script_id = await create(bob, NETWORK)
        await decide(ada, script_id, 1, "approved")
        assert await edit(bob, script_id, NETWORK) == "approved"
        await decide(ada, script_id, 1, "rejected")
        for version in (None, 1, 2):
            with pytest.raises(ApprovalNeeded):
                await runs_now(bob, script_id, version)

    async def test_saving_it_again_asks_again(self, create, edit, decide, ada: Caller, bob: Caller) -> None:
        script_id = await create(bob, NETWORK)
        await decide(ada, script_id, 1, "rejected", "why?")
        assert await edit(bob, script_id, NETWORK) == "needed"


class TestLimits:
    async def test_what_was_fine_when_it_was_saved_is_no_more_than_the_defaults_of_now(
        self, create, storage: Storage, home, changes: Changes, bob: Caller, ada: Caller, decide
    ) -> None:
        script_id = await create(bob, "memory_bytes = 400_000_000", "cpus = 4")
        await decide(ada, script_id, 1, "approved")
        lower = config.load(home=home, limits={"memory_bytes": 2**28, "cpus": 0.5})
        catalog = Catalog.open(lower, Home(home), storage, changes)
        async with storage.read() as session:
            found = await catalog.service.runnable(session, bob, script_id)
        limits = found.limits(lower.limits.to_limits())
        assert (limits.memory_bytes, limits.cpus) == (2**28, 4)


class TestApi:
    async def save(self, api: httpx.AsyncClient, *lines: str, script: str | None = None) -> Any:
        body: dict[str, Any] = {"source": source(*lines)}
        path = "/scripts" if script is None else f"/scripts/{script}/versions"
        answer = await api.post(path, json=body | ({"name": "x"} if script is None else {}))
        assert answer.status_code == 201, answer.text
        return answer.json()

    async def test_from_the_request_to_the_approval(self, client_of, ada: Caller, bob: Caller) -> None:
        bobs, adas = await client_of(bob), await client_of(ada)
        script = (await self.save(bobs, "cpus = 1"))["id"]
        version = await self.save(bobs, NETWORK, 'paths = { reports = "write" }', script=script)
        assert version["approval"] == {"state": "needed", "by": None, "at": None, "note": ""}
        assert version["permissions"] == {
            "network": ["api.example.org:443"], "secrets": [], "paths": {"reports": "write"}, "limits": {},
        }  # fmt: skip
        (waiting,) = (await adas.get("/approvals")).json()["items"]
        assert (waiting["script_name"], waiting["version_number"]) == ("x", 2)
        path = f"/scripts/{script}/versions/2"
        diff = (await adas.get(f"{path}/permissions")).json()
        assert diff["against"]["number"] == 1
        told = [(one["permission"], one["name"], one["change"]) for one in diff["changes"]]
        assert told == [
            ("network", "api.example.org:443", "added"),
            ("paths", "reports", "added"),
            ("limits", "cpus", "removed"),
        ]
        denied = await bobs.post(f"{path}/approve", json={})
        assert (denied.status_code, denied.json()["code"]) == (403, "forbidden")
        approved = (await adas.post(f"{path}/approve", json={"note": "ok"})).json()
        assert (approved["approval"]["state"], approved["approval"]["note"]) == ("approved", "ok")
        assert approved["approval"]["by"]["name"].startswith("ada@example.org")
        assert (await bobs.get(f"/scripts/{script}")).json()["current"]["number"] == 2
        assert (await adas.get("/approvals")).json()["items"] == []
        (decided,) = (await adas.get("/approvals", params={"state": "approved"})).json()["items"]
        assert decided["id"] == waiting["id"]

    async def test_lists_show_what_one_may_see(self, client_of, add_caller, bob: Caller) -> None:
        await self.save(await client_of(bob), NETWORK)
        eves = await client_of(await add_caller("eve"))
        assert (await eves.get("/approvals")).json()["items"] == []

    async def test_a_bad_block_is_422_with_its_line_or_a_draft(self, api: httpx.AsyncClient) -> None:
        body = {"name": "x", "source": source("cpus = 1", "netwrok = true")}
        refused = await api.post("/scripts", json=body)
        assert (refused.status_code, refused.json()["code"]) == (422, "invalid_source")
        assert refused.json()["problem"]["line"] == 4
        assert "did you mean `network`?" in refused.json()["detail"]
        draft = await api.post("/scripts", json={**body, "draft": True})
        assert draft.status_code == 201

    async def test_a_script_is_deleted_with_what_it_asked_for(
        self, client_of, ada: Caller, bob: Caller
    ) -> None:
        bobs = await client_of(bob)
        script = (await self.save(bobs, NETWORK))["id"]
        assert (await bobs.delete(f"/scripts/{script}", params={"runs": "keep"})).status_code == 204
        assert (await (await client_of(ada)).get("/approvals")).json()["items"] == []
