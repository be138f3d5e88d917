import struct
import zlib
from pathlib import Path


def png(colour_type: int, width: int, height: int, depth: int = 8) -> bytes:
    def chunk(name: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))

    header = struct.pack(">IIBBBBB", width, height, depth, colour_type, 0, 0, 0)
    pixels = zlib.compress(bytes(height * (1 + width * 3)))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", pixels) + chunk(b"IEND", b"")


# Appended to the example, it looks at its own output, which stays in the sandbox.
LOOK = """

_make = main


def main() -> dict[str, list[list[int]]]:
    _make()
    found = {}
    for file in Path("/artifacts/thumbnails").iterdir():
        picture = decode(file.read_bytes())
        middle = picture.rows[picture.height // 2]
        found[file.name] = [list(picture.rows[0][: picture.channels]), list(middle[:picture.channels])]
    return found
"""


class TestThumbnails:
    def test_they_keep_their_shape(self, run) -> None:
        made = {
            entry["name"]: (entry["width"], entry["height"])
            for entry in run("make-thumbnails").result["made"]
        }
        assert made == {
            "sunset.png": (48, 32),
            "hills.png": (48, 42),
            "logo.png": (48, 48),
            "flag.png": (30, 20),
        }

    def test_their_pixels_are_the_average_of_the_picture(self, run, copy_of) -> None:
        folder = copy_of("make-thumbnails")
        with (folder / "main.py").open("a") as script:
            script.write(LOOK)
        pixels = run(folder).result
        assert pixels["flag.png"] == [[0, 85, 164], [0, 85, 164]]
        assert pixels["hills.png"][0] == [199]  # the mean of 200, 199 and 198
        assert pixels["sunset.png"][0] == [63, 51, 110]
        assert pixels["logo.png"][0][3] == 0

    def test_they_are_artifacts_of_the_run(self, run) -> None:
        report = run("make-thumbnails").report
        names = ["flag.png", "hills.png", "logo.png", "sunset.png"]
        assert [item["name"] for item in report["artifacts"]] == [f"thumbnails/{name}" for name in names]
        assert {item["media_type"] for item in report["artifacts"]} == {"image/png"}
        assert (report["progress"]["fraction"], report["progress"]["message"]) == (1.0, "4 thumbnails")

    def test_a_size_of_one_pixel_is_possible(self, run) -> None:
        made = run("make-thumbnails", longest_side=1).result["made"]
        assert {(entry["width"], entry["height"]) for entry in made} == {(1, 1)}


class TestBadInput:
    def test_a_damaged_picture_is_skipped_with_a_reason_and_the_others_are_made(self, run) -> None:
        finished = run("make-thumbnails")
        assert finished.state == "succeeded"
        assert "damaged" in finished.result["skipped"]["broken.png"]
        assert "broken.png: skipped" in finished.text("log")

    def test_pictures_of_other_kinds_are_skipped(self, run, copy_of) -> None:
        folder: Path = copy_of("make-thumbnails")
        (folder / "pictures/deep.png").write_bytes(png(2, 4, 4, depth=16))
        (folder / "pictures/palette.png").write_bytes(png(3, 4, 4))
        (folder / "pictures/short.png").write_bytes(png(6, 4, 4))
        (folder / "pictures/photo.png").write_bytes(b"\xff\xd8\xff\xe0 this is a JPEG")
        skipped = run(folder).result["skipped"]
        assert set(skipped) == {"broken.png", "deep.png", "palette.png", "short.png", "photo.png"}
        assert skipped["photo.png"] == "it is not a PNG file"

    def test_a_size_below_one_is_refused(self, run) -> None:
        assert run("make-thumbnails", longest_side=0).err == "longest_side must be at least 1."
