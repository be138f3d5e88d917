"""Scripts over HTTP: made, read, edited, compared, rolled back and deleted."""

from typing import ClassVar

import httpx
import pytest

from automa.auth.caller import Caller
from support.archives import zip_of

HELLO = "def main(name: str = 'you'):\n    return f'hello {name}'\n"


async def create(api: httpx.AsyncClient, name: str = "hello", source: str = HELLO, **more) -> dict:
    answer = await api.post("/scripts", json={"name": name, "source": source, **more})
    assert answer.status_code == 201, answer.text
    return answer.json()


class TestCreate:
    async def test_a_script_from_json(self, api: httpx.AsyncClient, bob: Caller) -> None:
        answer = await api.post(
            "/scripts", json={"name": "hello", "source": HELLO, "description": "Says hello."}
        )
        assert answer.status_code == 201
        body = answer.json()
        assert answer.headers["location"] == f"/api/v1/scripts/{body['id']}"
        assert (body["name"], body["owner_id"], body["description"]) == ("hello", bob.user_id, "Says hello.")
        current = body["current"]
        assert (current["number"], current["kind"], current["entry"]) == (1, "function", "main.py")
        assert current["parameters"]["properties"]["name"] == {"type": "string", "default": "you"}
        assert [file["path"] for file in current["files"]] == ["main.py"]
        assert current["created_by"]["kind"] == "token"

    async def test_a_syntax_error_says_line_and_column_and_what_to_do(self, api: httpx.AsyncClient) -> None:
        body = {"name": "x", "source": "x = 1\nif x\n"}
        answer = await api.post("/scripts", json=body)
        assert answer.status_code == 422
        problem = answer.json()
        assert problem["code"] == "invalid_source"
        assert (problem["problem"]["line"], problem["problem"]["column"]) == (2, 5)
        assert "draft" in problem["detail"]
        saved = await api.post("/scripts", json={**body, "draft": True})
        assert saved.status_code == 201
        assert saved.json()["current"] is None
        version = (await api.get(f"/scripts/{saved.json()['id']}/versions/1")).json()
        assert (version["draft"], version["problem"]["line"]) == (True, 2)

    @pytest.mark.parametrize(
        "body",
        [
            {}, {"name": "x"}, {"source": "1"}, {"name": 1, "source": "1"}, {"name": "x", "source": None},
            {"name": "x", "source": ""}, {"name": "", "source": "1"}, {"name": "x", "source": "1", "y": 1},
            {"name": "x", "source": "1", "file_name": "../main.py"},
            {"name": "x", "source": "1", "note": "n" * 2000}, {"name": "n" * 500, "source": "1"},
        ],
    )  # fmt: skip
    async def test_a_body_that_is_wrong_is_refused(self, api: httpx.AsyncClient, body: dict) -> None:
        answer = await api.post("/scripts", json=body)
        assert answer.status_code == 422, answer.text
        assert answer.headers["content-type"] == "application/problem+json"

    async def test_source_that_no_file_could_hold_is_refused(self, api: httpx.AsyncClient) -> None:
        for source in ('"\\ud800"', '"print(1)\\u0000"'):
            answer = await api.post(
                "/scripts",
                content=f'{{"name": "x", "source": {source}}}',
                headers={"Content-Type": "application/json"},
            )
            assert answer.status_code in (400, 422)

    async def test_a_taken_name_is_a_conflict(self, api: httpx.AsyncClient) -> None:
        await create(api)
        answer = await api.post("/scripts", json={"name": "HELLO", "source": "1"})
        assert (answer.status_code, answer.json()["errors"][0]["pointer"]) == (409, "/name")


class TestRead:
    async def test_lists_are_paged_and_searched(self, api: httpx.AsyncClient) -> None:
        for number in range(5):
            await create(api, f"script {number}")
        first = (await api.get("/scripts", params={"limit": 3})).json()
        rest = (await api.get("/scripts", params={"limit": 3, "cursor": first["next_cursor"]})).json()
        names = [item["name"][-1] for item in (*first["items"], *rest["items"])]
        assert (names, rest["next_cursor"]) == (list("43210"), None)
        found = (await api.get("/scripts", params={"search": "IPT 3"})).json()["items"]
        assert [item["name"] for item in found] == ["script 3"]

    async def test_a_file_comes_back_byte_for_byte_and_never_as_html(self, api: httpx.AsyncClient) -> None:
        files = {"main.py": b"print(1)", "page.html": b"<script>alert(1)</script>", "dir/x ä.bin": b"\0\xff"}
        answer = await api.post("/scripts/upload", files={"file": ("site.zip", zip_of(files))})
        base = f"/scripts/{answer.json()['id']}/versions/1/files"
        for path, content in files.items():
            found = await api.get(f"{base}/{path}")
            assert found.content == content
            assert found.headers["content-type"] in ("text/plain; charset=utf-8", "application/octet-stream")
            assert found.headers["x-content-type-options"] == "nosniff"
        assert "attachment" in found.headers["content-disposition"]
        assert "%C3%A4.bin" in found.headers["content-disposition"]

    @pytest.mark.parametrize(
        "path", ["none.py", "../../../../etc/passwd", "%2e%2e/x", "/etc/passwd", "main.py/x"]
    )
    async def test_a_file_that_is_not_of_the_version_is_not_found(
        self, api: httpx.AsyncClient, path: str
    ) -> None:
        script = await create(api)
        answer = await api.get(f"/scripts/{script['id']}/versions/1/files/{path}")
        assert answer.status_code in (404, 405)

    async def test_what_is_not_there_is_not_found(self, api: httpx.AsyncClient) -> None:
        script = await create(api)
        versions = f"/scripts/{script['id']}/versions"
        for path in (
            "/scripts/x",
            "/scripts/x/versions",
            *(f"{versions}/{one}" for one in (2, "9" * 30, -1)),
        ):
            assert (await api.get(path)).status_code == 404


class TestEdit:
    async def test_an_edit_replaces_the_entry_and_keeps_the_other_files(self, api: httpx.AsyncClient) -> None:
        files = {"main.py": b"print(1)", "data.csv": b"a,b"}
        made = await api.post("/scripts/upload", files={"file": ("app.zip", zip_of(files))})
        url = f"/scripts/{made.json()['id']}"
        answer = await api.post(f"{url}/versions", json={"source": "print(2)", "note": "better"})
        assert answer.status_code == 201
        version = answer.json()
        assert (version["number"], version["note"]) == (2, "better")
        assert [file["path"] for file in version["files"]] == ["data.csv", "main.py"]
        assert (await api.get(f"{url}/versions/2/files/main.py")).text == "print(2)"
        assert (await api.get(url)).json()["current"]["number"] == 2

    async def test_an_edit_may_start_from_an_older_version(self, api: httpx.AsyncClient) -> None:
        url = f"/scripts/{(await create(api))['id']}"
        await api.post(f"{url}/versions/upload", files={"file": ("other.py", b"print(2)")})
        answer = await api.post(f"{url}/versions", json={"source": "print(3)", "base": "1"})
        assert [file["path"] for file in answer.json()["files"]] == ["main.py"]

    async def test_a_draft_is_mended_by_the_next_version(self, api: httpx.AsyncClient) -> None:
        url = f"/scripts/{(await create(api, source='def', draft=True))['id']}"
        assert (await api.get(url)).json()["current"] is None
        answer = await api.post(f"{url}/versions", json={"source": "print(1)", "current": False})
        assert answer.status_code == 201
        assert (await api.get(url)).json()["current"]["number"] == 2

    async def test_if_match_guards_against_overwriting(self, api: httpx.AsyncClient) -> None:
        made = await api.post("/scripts", json={"name": "x", "source": "1"})
        url, tag = f"/scripts/{made.json()['id']}", made.headers["etag"]
        assert (await api.patch(url, json={"description": "a"}, headers={"If-Match": tag})).status_code == 200
        late = {"If-Match": tag}
        refused = [
            await api.patch(url, json={"description": "b"}, headers=late),
            await api.post(f"{url}/versions", json={"source": "2"}, headers=late),
            await api.put(f"{url}/current", json={"version": "1"}, headers=late),
            await api.delete(f"{url}?runs=keep", headers=late),
            await api.patch(url, json={"description": "b"}, headers={"If-Match": '"x"'}),
        ]
        assert {answer.status_code for answer in refused} == {412}
        assert refused[0].json()["code"] == "precondition_failed"
        now = (await api.get(url)).headers["etag"]
        for tag in (now, f"W/{now}", "*"):
            answer = await api.patch(url, json={"description": "c"}, headers={"If-Match": tag})
            assert (answer.status_code, answer.json()["description"]) == (200, "c")
            now = answer.headers["etag"]
            if tag != "*":
                break


class TestDiffAndRollBack:
    async def test_two_versions_are_compared(self, api: httpx.AsyncClient) -> None:
        old = {"main.py": b"print(1)\n", "gone.txt": b"x", "logo.png": b"\0", "a.csv": b"1,2,3"}
        new = {"main.py": b"print(2)\n", "logo.png": b"\0\1", "data/a.csv": b"1,2,3"}
        made = await api.post("/scripts/upload", files={"file": ("a.zip", zip_of(old))})
        url = f"/scripts/{made.json()['id']}/versions"
        await api.post(f"{url}/upload", files={"file": ("a.zip", zip_of(new))})
        answer = (await api.get(f"{url}/2/diff", params={"against": "1"})).json()
        assert (answer["old"]["number"], answer["new"]["number"]) == (1, 2)
        found = {file["path"]: (file["status"], file["binary"]) for file in answer["files"]}
        assert found == {
            "main.py": ("changed", False), "gone.txt": ("removed", False), "logo.png": ("changed", True),
            "data/a.csv": ("renamed", False),
        }  # fmt: skip
        (lines,) = [file["lines"] for file in answer["files"] if file["path"] == "main.py"]
        assert "-print(1)\n+print(2)\n" in lines

    async def test_rolling_back_makes_an_older_version_current(self, api: httpx.AsyncClient) -> None:
        url = f"/scripts/{(await create(api))['id']}"
        await api.post(f"{url}/versions", json={"source": "print(2)"})
        answer = await api.put(f"{url}/current", json={"version": "1"})
        assert (answer.status_code, answer.json()["current"]["number"]) == (200, 1)
        assert answer.json()["last_number"] == 2
        listed = (await api.get(f"{url}/versions")).json()["items"]
        assert [version["number"] for version in listed] == [2, 1]


class TestDelete:
    async def test_what_becomes_of_the_runs_must_be_said(self, api: httpx.AsyncClient, runs) -> None:
        url = f"/scripts/{(await create(api))['id']}"
        assert (await api.delete(url)).status_code == 400
        runs.active = 1
        answer = await api.delete(f"{url}?runs=remove")
        assert (answer.status_code, answer.json()["unfinished_runs"]) == (409, 1)
        runs.active = 0
        assert (await api.delete(f"{url}?runs=remove")).status_code == 204
        assert (await api.get(url)).status_code == 404
        assert runs.asked[0].startswith("forget")


class TestAccess:
    ROUTES = (
        ("GET", ""), ("PATCH", ""), ("DELETE", "?runs=keep"), ("PUT", "/current"), ("GET", "/versions"),
        ("POST", "/versions"), ("GET", "/versions/1"), ("GET", "/versions/1/diff?against=1"),
        ("GET", "/versions/1/files/main.py"),
    )  # fmt: skip
    BODIES: ClassVar = {"PATCH": {"name": "mine"}, "PUT": {"version": "1"}, "POST": {"source": "1"}}

    async def call(self, api: httpx.AsyncClient, script_id: str, method: str, path: str) -> int:
        body = self.BODIES.get(method)
        return (await api.request(method, f"/scripts/{script_id}{path}", json=body)).status_code

    async def test_what_belongs_to_somebody_else_is_not_found(self, api, client_of, add_caller) -> None:
        script_id = (await create(api))["id"]
        eve = await client_of(await add_caller("eve"))
        for method, path in self.ROUTES:
            assert await self.call(eve, script_id, method, path) == 404, (method, path)
        upload = await eve.post(f"/scripts/{script_id}/versions/upload", files={"file": ("x.py", b"1")})
        assert upload.status_code == 404
        assert (await eve.get("/scripts")).json()["items"] == []

    async def test_a_viewer_sees_and_may_not_touch(self, api, client_of, add_caller) -> None:
        script_id = (await create(api))["id"]
        vic = await client_of(await add_caller("vic", "viewer"))
        for method, path in self.ROUTES:
            expected = 200 if method == "GET" else 403
            assert await self.call(vic, script_id, method, path) == expected, (method, path)
        assert (await vic.post("/scripts", json={"name": "x", "source": "1"})).status_code == 403

    async def test_nobody_in_particular_is_asked_to_sign_in(self, api: httpx.AsyncClient) -> None:
        script_id = (await create(api))["id"]
        del api.headers["Authorization"]
        for method, path in self.ROUTES:
            assert await self.call(api, script_id, method, path) == 401, (method, path)
