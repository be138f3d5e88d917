"""Uploads, honest and hostile: each gets a script or a clear refusal, and leaves nothing behind."""

import errno
import gzip
import os
import stat
import tarfile
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest

from automa.config import Settings, UploadSettings
from support.archives import (
    central_directory_bomb,
    raw_tar_block,
    tar_member,
    tar_of,
    tar_with,
    zip_of,
    zip_with,
)

APP = {"app/main.py": b"def main(n: int): return n\n", "app/data.csv": b"1,2\n", "__MACOSX/x": b"junk"}


@pytest.fixture
def settings(settings: Settings) -> Settings:
    """Limits that a test can reach."""
    uploads = UploadSettings.model_validate(
        {"max_bytes": 1024 * 1024, "max_unpacked_bytes": 8 * 1024 * 1024, "max_files": 20, "max_ratio": 50}
    )
    return settings.model_copy(update={"uploads": uploads})


async def upload(api: httpx.AsyncClient, file_name: str, content: bytes, /, **fields: str) -> httpx.Response:
    return await api.post("/scripts/upload", files={"file": (file_name, content)}, data=fields)


def left_behind(home: Path) -> list[Path]:
    """Files in the store of blobs, and whatever is still being worked on."""
    return [path for folder in ("blobs", "scratch") for path in (home / folder).rglob("*") if path.is_file()]


class TestHonest:
    @pytest.mark.parametrize(
        ("name", "content"),
        [
            ("My app.zip", zip_of(APP)), ("My app.tar.gz", tar_of(APP)), ("My app.tgz", tar_of(APP)),
            ("My app.tar", tar_of(APP, packed=False)), ("MY APP.ZIP", zip_of(APP)),
        ],
    )  # fmt: skip
    async def test_an_application_of_several_files(
        self, api: httpx.AsyncClient, name: str, content: bytes
    ) -> None:
        answer = await upload(api, name, content, note="first")
        assert answer.status_code == 201, answer.text
        script = answer.json()
        assert script["name"].lower() == "my app"
        assert script["current"]["entry"] == "main.py"
        assert script["current"]["note"] == "first"
        assert [file["path"] for file in script["current"]["files"]] == ["data.csv", "main.py"]
        assert script["current"]["parameters"]["required"] == ["n"]

    async def test_the_same_files_have_one_digest_however_they_come(self, api: httpx.AsyncClient) -> None:
        answers = [await upload(api, "a.zip", zip_of(APP)), await upload(api, "b.tar.gz", tar_of(APP))]
        assert len({answer.json()["current"]["digest"] for answer in answers}) == 1

    async def test_a_single_file_keeps_its_name(self, api: httpx.AsyncClient) -> None:
        script = (await upload(api, "resize images.py", b"print(1)", name="Resize")).json()
        assert (script["name"], script["current"]["entry"]) == ("Resize", "resize images.py")

    async def test_the_entry_can_be_said(self, api: httpx.AsyncClient) -> None:
        files = {"x/one.py": b"1", "x/two.py": b"2"}
        unclear = await upload(api, "x.zip", zip_of(files))
        assert (unclear.status_code, unclear.json()["errors"][0]["pointer"]) == (422, "/entry")
        for entry in ("x/two.py", "two.py"):
            answer = await upload(api, "x.zip", zip_of(files), entry=entry, name=entry.replace("/", "-"))
            assert answer.json()["current"]["entry"] == "two.py"

    async def test_a_new_version_from_an_upload(self, api: httpx.AsyncClient) -> None:
        script = (await upload(api, "x.py", b"print(1)")).json()
        url = f"/scripts/{script['id']}/versions/upload"
        answer = await api.post(url, files={"file": ("x.zip", zip_of(APP))}, data={"current": "false"})
        assert (answer.status_code, answer.json()["number"]) == (201, 2)
        assert (await api.get(f"/scripts/{script['id']}")).json()["current"]["number"] == 1

    async def test_a_tree_is_made_for_the_runner(self, api: httpx.AsyncClient, catalog) -> None:
        digest = (await upload(api, "x.zip", zip_of(APP))).json()["current"]["digest"]
        folder = await catalog.service.tree(digest)
        assert (folder / "data.csv").read_bytes() == b"1,2\n"
        assert await catalog.service.tree(digest) == folder


HOSTILE = {
    "picture": ("x.py", b"\x89PNG\r\n\x1a\n\0\0"),
    "not utf-8": ("x.py", b"print('\xff')"),
    "empty": ("x.py", b""),
    "blank": ("x.py", b"\n \n"),
    "syntax": ("x.py", b"def main(:\n"),
    "deep": ("x.py", b"-" * 200_000 + b"1"),
    "wide": ("x.py", b"a" + b".b" * 200_000),
    "document": ("x.docx", b"PK\x03\x04"),
    "no name": ("", b"print(1)"),
    "not a zip": ("x.zip", b"print(1)"),
    "empty zip": ("x.zip", zip_of({})),
    "junk only": ("x.zip", zip_of({"__MACOSX/x": b"1"})),
    "no python": ("x.zip", zip_of({"a.txt": b"1"})),
    "damaged zip": ("x.zip", zip_of(APP)[:-30]),
    "damaged gzip": ("x.tar.gz", tar_of(APP)[:-30]),
    "zip dots": ("x.zip", zip_with("../../../../tmp/evil.py")),
    "zip absolute": ("x.zip", zip_with("/tmp/evil.py")),
    "zip backslash": ("x.zip", zip_with("..\\evil.py")),
    "zip link": ("x.zip", zip_with("main.py", b"/etc/passwd", stat.S_IFLNK | 0o777)),
    "zip case": ("x.zip", zip_of({"main.py": b"1", "MAIN.py": b"2"})),
    "zip bomb": ("x.zip", zip_of({"main.py": b"1", "zeros": bytes(7 * 1024 * 1024)})),
    "zip larger": ("x.zip", zip_of({"main.py": b"1", "zeros": bytes(9 * 1024 * 1024)})),
    "zip files": ("x.zip", zip_of({f"{number}.py": b"1" for number in range(30)})),
    "zip directory": ("x.zip", central_directory_bomb(15_000)),
    "tar dots": ("x.tar.gz", tar_of({"../evil.py": b"1"})),
    "tar absolute": ("x.tar", tar_of({"/tmp/evil.py": b"1"}, packed=False)),
    "tar link": ("x.tar.gz", tar_with([tar_member("main.py", tarfile.SYMTYPE, "/etc/passwd")])),
    "tar hard link": ("x.tar.gz", tar_with([tar_member("main.py", tarfile.LNKTYPE, "../x")])),
    "tar device": ("x.tar.gz", tar_with([tar_member("null", tarfile.CHRTYPE)])),
    "tar pipe": ("x.tar.gz", tar_with([tar_member("pipe", tarfile.FIFOTYPE)])),
    "tar bomb": ("x.tar.gz", tar_of({"main.py": b"1", "zeros": bytes(9 * 1024 * 1024)})),
    "tar claims": ("x.tar", raw_tar_block(size=b"77777777777") + bytes(4096)),
    "gzip bomb": ("x.tar.gz", gzip.compress(raw_tar_block(b"main.py", b"77777777777") + bytes(2**26))),
}


class TestHostile:
    @pytest.mark.parametrize("case", HOSTILE)
    async def test_it_is_refused_clearly_and_leaves_nothing(
        self, api: httpx.AsyncClient, home: Path, case: str
    ) -> None:
        name, content = HOSTILE[case]
        answer = await upload(api, name, content, name="x")
        assert answer.status_code == 422, answer.text
        problem = answer.json()
        assert problem.get("detail") or problem["errors"]
        assert (await api.get("/scripts")).json()["items"] == []
        stored = left_behind(home)
        assert all(path.stat().st_size <= 1024 * 1024 for path in stored)
        assert not (home / "scratch").exists() or not list((home / "scratch").iterdir())
        if problem["code"] == "invalid_archive":
            assert stored == []

    @pytest.mark.parametrize("case", ["zip dots", "zip link", "zip case", "tar device", "tar dots"])
    async def test_the_member_is_named(self, api: httpx.AsyncClient, case: str) -> None:
        name, content = HOSTILE[case]
        problem = (await upload(api, name, content, name="x")).json()
        assert problem["code"] == "invalid_archive"
        assert any(word in problem["detail"] for word in ("evil.py", "main.py", "MAIN.py", "null"))

    async def test_what_is_too_large_is_refused_from_its_announced_length(
        self, api: httpx.AsyncClient
    ) -> None:
        answer = await api.post(
            "/scripts/upload",
            content=b"",
            headers={"Content-Type": "multipart/form-data; boundary=x", "Content-Length": str(200 * 1024**2)},
        )
        assert (answer.status_code, answer.json()["code"]) == (413, "payload_too_large")

    async def test_a_stream_of_200_mb_is_cut_off_at_the_limit(self, api: httpx.AsyncClient) -> None:
        sent = 0

        async def body() -> AsyncIterator[bytes]:
            nonlocal sent
            yield b'--x\r\nContent-Disposition: form-data; name="file"; filename="x.py"\r\n\r\n'
            for _ in range(800):
                sent += 256 * 1024
                yield b"#" * (256 * 1024)
            yield b"\r\n--x--\r\n"

        answer = await api.post(
            "/scripts/upload", content=body(), headers={"Content-Type": "multipart/form-data; boundary=x"}
        )
        assert (answer.status_code, answer.json()["code"]) == (413, "payload_too_large")
        assert sent < 4 * 1024 * 1024

    async def test_a_syntax_error_may_be_kept_as_a_draft_but_a_picture_may_not(
        self, api: httpx.AsyncClient
    ) -> None:
        assert (await upload(api, *HOSTILE["syntax"], name="a", draft="true")).status_code == 201
        assert (await upload(api, *HOSTILE["picture"], name="b", draft="true")).status_code == 422
        assert (await upload(api, *HOSTILE["empty"], name="c", draft="true")).status_code == 422

    @pytest.mark.parametrize("name", ["x.py", "x.zip"])
    async def test_a_full_disk_is_told_as_such_and_leaves_nothing(
        self, api: httpx.AsyncClient, home: Path, monkeypatch: pytest.MonkeyPatch, name: str
    ) -> None:
        def refuse(_: int) -> None:
            raise OSError(errno.ENOSPC, "No space left on device")

        content = zip_of(APP) if name == "x.zip" else b"print(1)"
        with monkeypatch.context() as patched:
            patched.setattr(os, "fsync", refuse)
            answer = await upload(api, name, content)
        assert (answer.status_code, answer.json()["code"]) == (503, "unavailable")
        assert "full" in answer.json()["detail"]
        assert int(answer.headers["retry-after"]) > 0
        assert left_behind(home) == []
        assert (await upload(api, name, content)).status_code == 201

    async def test_fields_beside_the_file_are_checked(self, api: httpx.AsyncClient) -> None:
        for fields in (
            {"note": "a\0b"},
            {"description": "\0"},
            {"name": "a\0"},
            {"draft": "perhaps"},
            {"entry": "\0"},
        ):
            answer = await upload(api, "x.py", b"print(1)", **fields)
            assert answer.status_code in (400, 422) or fields.keys() == {"entry"}, fields
        assert (await api.post("/scripts/upload", data={"name": "x"})).status_code == 422
