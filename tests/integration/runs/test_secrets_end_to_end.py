"""A script that says its secrets wherever it can: nobody but itself has them anywhere.

What is looked through, byte by byte: the whole home (database, its write-ahead log, logs, folders of runs),
what the server writes to its terminal, the command line and the environment of every process, and what the
API tells. What may have a secret: the memory of the script's own processes, and files that it fills itself.
"""

import base64
import json
import urllib.parse
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from support.server import Client, Server, until
from support.storm import every
from support.traces import where_it_shows

API_KEY = 'q7/Zp+x"é&Tok en-ÄKq\\93'
HOST_KEY = "Kx9LongTokenOfHosts7"
GIVEN = {"API_KEY": API_KEY, "HOST_KEY": HOST_KEY}

SCRIPT = r"""# /// script
# [tool.automa]
# secrets = ["API_KEY", "HOST_KEY"]
# network = ["allowed.example.org:80"]
# ///
import automa, base64, json, os, pathlib, socket, sys, time, traceback, urllib.parse, urllib.request


def main(how: str = "returns"):
    key, host = automa.secret("API_KEY"), automa.secret("HOST_KEY")
    for part in key:
        os.write(1, part.encode())
        time.sleep(0.002)
    print()
    for _ in range(3):
        sys.stderr.write(host[:9]); sys.stderr.flush(); sys.stderr.write(host[9:])
    raw = key.encode()
    print(json.dumps({key: host}), repr(key), raw.hex())
    print(urllib.parse.quote(key), urllib.parse.quote_plus(key))
    print(base64.b64encode(raw), base64.b64encode(b"user:" + raw), base64.urlsafe_b64encode(raw))
    automa.log(f"the key is {key}")
    automa.progress(0.5, f"with {key} at {host}")
    folder = pathlib.Path(os.environ["AUTOMA_ARTIFACTS"])
    for name in (f"{host}.txt", f"of {host}.txt", f"{key[:2]}{host}{host}.txt"):
        (folder / name).write_text("harmless")
    os.mkfifo(folder / f"fifo {host}")
    for name in (f"{host}.example.org", f"{'x' * 40}.{host}.org"):
        try:
            urllib.request.urlopen(f"http://{name}/{host}", timeout=10)
        except Exception as error:
            print("refused:", error)
    os.environ["KEY"] = key
    print("said all", flush=True)
    if how == "waits":
        time.sleep(600)
    if how == "raises":
        raise RuntimeError(f"no access with {key} to {host}")
    if how == "exits":
        sys.exit(f"no access with {key}")
    return {"key": key, "of": [host, key + host], host: 1}
"""


@pytest.fixture
def server(home: Path, tmp_path: Path) -> Iterator[Server]:
    with (tmp_path / "stdout").open("wb") as stdout:
        server = Server(home, {"AUTOMA_LOG_LEVEL": "debug"}, stdout=stdout.fileno()).start()
        yield server
        server.close()


def traces_of(value: str) -> set[str]:
    """How a value may look: written down here anew, so that the masking is not measured by itself."""
    raw = value.encode()
    found = {value, raw.hex(), raw.hex().upper(), urllib.parse.quote(value), urllib.parse.quote_plus(value)}
    found |= {urllib.parse.quote(value, safe=""), json.dumps(value)[1:-1]}
    found |= {json.dumps(value, ensure_ascii=False)[1:-1], repr(value)[1:-1], value.lower()}
    for before in range(3):  # what is the same whatever stands before and after it
        encoded = base64.b64encode(bytes(before) + raw)[4 if before else 0 :]
        middle = encoded[: len(encoded) // 4 * 4 - 4].decode()
        found |= {middle, middle.replace("+", "-").replace("/", "_")}
    return found


TRACES = traces_of(API_KEY) | traces_of(HOST_KEY)


def leaks(server: Server, tmp_path: Path) -> dict[str, list[str]]:
    """What is to be seen of the secrets, and where; the test's own processes are no part of it."""
    found = {trace: where_it_shows(trace, tmp_path) for trace in TRACES}
    said = "".join(server.said)
    for trace in TRACES:
        found[trace] += ["stderr"] if trace in said else []
    return {trace: places for trace, places in found.items() if places}


def shown(admin: Client, run: str) -> str:
    """All that the API tells of a run, as text."""
    paths = ["", "/log", "/artifacts", "/connections", "/attempts", "/result"]
    answers = [admin.get(f"/runs/{run}{path}").json() for path in paths]
    answers += [admin.get(f"/runs/{run}/artifacts/1").text]
    with admin.stream(f"/runs/{run}/log/stream") as stream:
        answers += list(stream.iter_lines())
    return json.dumps(answers, ensure_ascii=False)


def told(admin: Client) -> str:
    """The audit, the events, and the secrets themselves, as everybody who may see them does."""
    found: list[Any] = [every(admin, "/audit"), every(admin, "/events/history"), every(admin, "/secrets")]
    return json.dumps(found, ensure_ascii=False)


def prepared(server: Server) -> tuple[Client, str]:
    admin = server.admin()
    for name, value in GIVEN.items():
        assert admin.post("/secrets", json={"name": name, "value": value}).status_code == 201
    script = admin.script(SCRIPT, "tells")
    return admin, script


def test_nothing_of_a_secret_is_anywhere_but_in_the_script(server: Server, tmp_path: Path) -> None:
    admin, script = prepared(server)
    runs: list[str] = []
    for how, state in (("returns", "succeeded"), ("raises", "failed"), ("exits", "failed")):
        runs.append(admin.submit(script, params={"how": how})["id"])
        ended = admin.wait(runs[-1])
        assert ended["state"] == state, (ended, admin.text(runs[-1]))
        assert any("said all" in line for line in admin.text(runs[-1]))
    waiting = admin.submit(script, params={"how": "waits"})["id"]
    until(lambda: any("said all" in line for line in admin.text(waiting)))
    assert leaks(server, tmp_path) == {}
    server.kill()  # whoever adopts the run is told no secret, and does not need one
    server.start()
    admin = server.admin()
    assert leaks(server, tmp_path) == {}
    assert admin.post(f"/runs/{waiting}/cancel").status_code == 202
    assert admin.wait(waiting)["state"] == "cancelled"
    tells = told(admin) + "".join(shown(admin, run) for run in (*runs, waiting))
    assert [trace for trace in TRACES if trace in tells or json.dumps(trace)[1:-1] in tells] == []
    assert len(admin.get(f"/runs/{runs[0]}/artifacts").json()["items"]) == 3
    refused = [item["host"] for item in admin.get(f"/runs/{runs[0]}/connections").json()["items"]]
    assert sorted(refused) == ["***.example.org", f"{'x' * 40}.***.org"]
    assert server.stop() == 0
    assert leaks(server, tmp_path) == {}


def test_a_request_that_is_refused_repeats_nothing_of_a_value(server: Server, tmp_path: Path) -> None:
    admin = server.admin()
    refused = [
        admin.post("/secrets", json={"name": "not a name", "value": API_KEY}),
        admin.post("/secrets", json={"name": "X", "value": [API_KEY]}),
        admin.post("/secrets", json={"name": "X", "value": API_KEY, API_KEY: 1}),
        admin.post("/secrets", content=f'{{"value": "{HOST_KEY}", '.encode()),
        admin.post("/secrets", json={"name": "X", "value": HOST_KEY, "scripts": "none"}),
    ]
    assert [answer.status_code for answer in refused if answer.status_code < 400] == []
    said = "".join(answer.text for answer in refused)
    assert [trace for trace in TRACES if trace in said or json.dumps(trace)[1:-1] in said] == []
    assert leaks(server, tmp_path) == {}


def test_the_search_finds_what_is_there(server: Server, tmp_path: Path) -> None:
    """The proof of the proof: a script may write a secret into a file of its own, and there it is found."""
    admin, _ = prepared(server)
    source = SCRIPT.split("import automa")[0] + (
        "import automa, os\nkey = automa.secret('API_KEY')\n"
        "open(os.environ['AUTOMA_ARTIFACTS'] + '/mine', 'w').write(key)\n"
    )
    run = admin.wait(admin.submit(admin.script(source, "keeps"))["id"])
    assert run["state"] == "succeeded", run
    (place,) = leaks(server, tmp_path)[API_KEY]
    assert place.endswith(f"/{run['id']}/1/artifacts/1")


def test_the_search_passes_over_holes_and_finds_what_is_between_them(tmp_path: Path) -> None:
    path = tmp_path / "sparse"
    with path.open("wb") as file:
        file.seek(10**12)
        file.write(b"between two holes, 7c1f")
        file.truncate(2 * 10**12)
    assert where_it_shows("two holes, " + "7c1f", tmp_path) == [str(path)]
