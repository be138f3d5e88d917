"""Results that are promised, progress that is seen, files that are kept: over the API of a real server."""

import json

from support.server import Client, until

FILES = """
import automa, os
from pathlib import Path
folder = Path(os.environ['AUTOMA_ARTIFACTS'])
(folder / 'sub').mkdir()
(folder / 'sub/Zoë "1".html').write_text('<script>alert(1)</script>')
(folder / 'table.csv').write_text('a,b\\n1,2\\n3,4\\n')
(folder / 'dot.png').write_bytes(b'\\x89PNG\\r\\n\\x1a\\n' + bytes(100))
automa.progress(1, 'written')
"""


class TestArtifacts:
    def test_they_are_listed_downloaded_and_looked_at(self, admin: Client) -> None:
        run = admin.wait(admin.submit(admin.script(FILES, "files"))["id"])
        assert (run["state"], run["artifacts"]) == ("succeeded", {"files": 3, "bytes": 145})
        base = f"/runs/{run['id']}/artifacts"
        first = admin.get(base, params={"limit": 2}).json()
        rest = admin.get(base, params={"cursor": first["next_cursor"]}).json()["items"]
        listed = [(item["number"], item["name"]) for item in first["items"] + rest]
        assert listed == [(1, "dot.png"), (2, 'sub/Zoë "1".html'), (3, "table.csv")]

        page = admin.get(f"{base}/2")
        assert page.content == b"<script>alert(1)</script>"
        assert page.headers["content-type"] == "application/octet-stream"
        assert page.headers["content-disposition"] == "attachment; filename*=UTF-8''Zo%C3%AB%20%221%22.html"
        assert page.headers["content-security-policy"].startswith("sandbox")
        assert page.headers["x-content-type-options"] == "nosniff"
        part = admin.get(f"{base}/2", headers={"Range": "bytes=1-6"})
        assert (part.status_code, part.content) == (206, b"script")

        shown = admin.get(f"{base}/2/preview")
        assert shown.headers["content-type"] == "application/json"
        assert shown.json()["text"] == "<script>alert(1)</script>"
        table = admin.get(f"{base}/3/preview", params={"offset": 1}).json()
        assert (table["columns"], table["rows"], table["cut"]) == (["a", "b"], [["3", "4"]], False)
        image = admin.get(f"{base}/1/preview")
        assert (image.headers["content-type"], len(image.content)) == ("image/png", 108)

    def test_what_is_not_there_is_not_found(self, admin: Client) -> None:
        run = admin.wait(admin.submit(admin.script("print(1)", "none"))["id"])
        assert admin.get(f"/runs/{run['id']}/artifacts").json() == {"items": [], "next_cursor": None}
        for path in ("1", "1/preview"):
            assert admin.get(f"/runs/{run['id']}/artifacts/{path}").status_code == 404
        assert admin.get(f"/runs/{run['id']}/artifacts/..%2F..%2Fspec.json").status_code == 404


class TestTypedResults:
    def test_a_result_that_is_not_as_annotated_fails_the_run_and_names_the_place(self, admin: Client) -> None:
        script = admin.script("def main(n: int) -> list[int]:\n    return [1, 'x'][:n]\n", "typed")
        version = admin.get(f"/scripts/{script}").json()["current"]
        assert version["result_schema"]["items"] == {"type": "integer"}
        good = admin.wait(admin.submit(script, params={"n": 1})["id"])
        assert (good["state"], good["has_result"]) == ("succeeded", True)
        bad = admin.wait(admin.submit(script, params={"n": 2})["id"])
        assert (bad["state"], bad["has_result"], bad["exit_code"]) == ("failed", False, 0)
        assert bad["reason"].startswith("The result at /1 must be a whole number, not a string:")
        assert admin.get(f"/runs/{bad['id']}/result").status_code == 404


class TestProgress:
    def test_it_is_seen_while_the_run_goes_on_and_at_its_end(self, admin: Client) -> None:
        source = "import automa, time\nautoma.progress(0.4, 'page 12')\ntime.sleep(600)\n"
        run = admin.submit(admin.script(source, "slow"))["id"]
        with admin.stream(f"/runs/{run}/log/stream") as stream:
            lines = stream.iter_lines()
            assert "event: progress" in lines
            told = json.loads(next(lines).removeprefix("data: "))
            assert (told["fraction"], told["message"]) == (0.4, "page 12")
        until(lambda: admin.run(run)["state"] == "running")
        assert admin.run(run)["progress"] == told
        (listed,) = [item for item in admin.get("/runs").json()["items"] if item["id"] == run]
        assert listed["progress"] == told
        admin.post(f"/runs/{run}/cancel")
        assert admin.wait(run)["progress"] == told
