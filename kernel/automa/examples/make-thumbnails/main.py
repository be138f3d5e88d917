"""Make thumbnails of PNG pictures.

Reads, shrinks and writes PNG files with nothing but the standard library: eight bits per channel, grey,
RGB or RGBA, not interlaced. Each thumbnail pixel is the average of the pixels it stands for.
"""

import os
import struct
import sys
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import automa

SIGNATURE = b"\x89PNG\r\n\x1a\n"
HEADER = struct.Struct(">IIBBBBB")
CHANNELS = {0: 1, 2: 3, 4: 2, 6: 4}
"""Bytes per pixel for each colour type: grey, RGB, grey with alpha, RGBA."""


class NotSupported(Exception):
    """The file is no PNG, is damaged, or is of a kind that this script does not read."""


@dataclass
class Picture:
    width: int
    height: int
    colour_type: int
    rows: list[bytes]

    @property
    def channels(self) -> int:
        return CHANNELS[self.colour_type]


def main(pictures: str = "pictures", longest_side: int = 48, output: str = "thumbnails") -> dict[str, Any]:
    """Shrink all pictures of a folder, and leave small ones as they are.

    Args:
        pictures: The folder with the PNG files.
        longest_side: The most pixels that a thumbnail is wide or high.
        output: The folder for the thumbnails, among the artifacts of the run.
    """
    if longest_side < 1:
        sys.exit("longest_side must be at least 1.")
    files = sorted(Path(pictures).glob("*.png"))
    if not files:
        sys.exit(f"There are no PNG files in {pictures}.")
    folder = Path(os.environ.get("AUTOMA_ARTIFACTS", ".")) / output  # what is in there is kept with the run
    folder.mkdir(parents=True, exist_ok=True)
    made: list[dict[str, Any]] = []
    skipped: dict[str, str] = {}
    for number, file in enumerate(files):
        automa.progress(number / len(files), file.name)
        try:
            picture = decode(file.read_bytes())
        except NotSupported as problem:
            skipped[file.name] = str(problem)
            automa.log(f"{file.name}: skipped: {problem}", level="warning")
            continue
        small = shrink(picture, longest_side)
        size = (folder / file.name).write_bytes(encode(small))
        print(f"{file.name}: {picture.width}×{picture.height} → {small.width}×{small.height}, {size:,} bytes")
        made.append({"name": file.name, "width": small.width, "height": small.height, "bytes": size})
    automa.progress(1, f"{len(made)} thumbnails")
    return {"made": made, "skipped": skipped}


def decode(data: bytes) -> Picture:
    """The picture in a PNG file. Raises NotSupported."""
    if not data.startswith(SIGNATURE):
        raise NotSupported("it is not a PNG file")
    try:
        chunks = list(chunks_of(data))
        width, height, depth, colour_type, _, _, interlaced = HEADER.unpack(chunks[0][1])
        if depth != 8 or colour_type not in CHANNELS or interlaced:
            raise NotSupported(f"{depth} bits, colour type {colour_type}, interlaced {interlaced}")
        raw = zlib.decompress(b"".join(body for name, body in chunks if name == b"IDAT"))
    except (struct.error, zlib.error, IndexError) as error:
        raise NotSupported(f"it is damaged: {error}") from error
    if len(raw) != height * (1 + width * CHANNELS[colour_type]):
        raise NotSupported("it is damaged: some of its pixels are missing")
    return Picture(width, height, colour_type, unfilter(raw, height, CHANNELS[colour_type]))


def chunks_of(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    """The name and the body of each chunk of a PNG file, their checksums compared."""
    offset = len(SIGNATURE)
    while offset < len(data):
        size, name = struct.unpack_from(">I4s", data, offset)
        body = data[offset + 8 : offset + 8 + size]
        (checksum,) = struct.unpack_from(">I", data, offset + 8 + size)
        if checksum != zlib.crc32(name + body):
            raise NotSupported(f"it is damaged: wrong checksum of {name.decode('ascii', 'replace')}")
        yield name, body
        offset += size + 12


def unfilter(raw: bytes, height: int, step: int) -> list[bytes]:
    """Undo the row filters of section 9 of the PNG specification; `step` is the bytes per pixel."""
    stride = len(raw) // height
    above = bytes(stride - 1)
    rows: list[bytes] = []
    for start in range(0, len(raw), stride):
        kind, row = raw[start], bytearray(raw[start + 1 : start + stride])
        for i, value in enumerate(row):
            left, up = row[i - step] if i >= step else 0, above[i]
            corner = above[i - step] if i >= step else 0
            row[i] = (value + predict(kind, left, up, corner)) & 255
        above = bytes(row)
        rows.append(above)
    return rows


def predict(kind: int, left: int, up: int, corner: int) -> int:
    match kind:
        case 0:
            return 0
        case 1:
            return left
        case 2:
            return up
        case 3:
            return (left + up) // 2
        case 4:  # Paeth: whichever of the three is nearest to left + up - corner
            guess = left + up - corner
            return min((left, up, corner), key=lambda value: abs(guess - value))
        case _:
            raise NotSupported(f"it is damaged: row filter {kind}")


def shrink(picture: Picture, longest_side: int) -> Picture:
    """The picture with its longest side cut down to `longest_side` pixels, its shape kept."""
    scale = min(1.0, longest_side / max(picture.width, picture.height))
    width, height = max(1, round(picture.width * scale)), max(1, round(picture.height * scale))
    columns, lines = spans(picture.width, width), spans(picture.height, height)
    rows = [b"".join(average(picture, xs, ys) for xs in columns) for ys in lines]
    return Picture(width, height, picture.colour_type, rows)


def spans(length: int, parts: int) -> list[range]:
    """`range(length)` in so many parts, as equal as they can be."""
    return [range(part * length // parts, (part + 1) * length // parts) for part in range(parts)]


def average(picture: Picture, xs: range, ys: range) -> bytes:
    """The pixel that stands for a rectangle of pixels."""
    step, area = picture.channels, len(xs) * len(ys)
    blocks = [picture.rows[y][xs.start * step : xs.stop * step] for y in ys]
    return bytes(sum(sum(block[channel::step]) for block in blocks) // area for channel in range(step))


def encode(picture: Picture) -> bytes:
    """The picture as a PNG file, its rows unfiltered."""
    header = HEADER.pack(picture.width, picture.height, 8, picture.colour_type, 0, 0, 0)
    pixels = zlib.compress(b"".join(b"\0" + row for row in picture.rows), 9)
    return SIGNATURE + chunk(b"IHDR", header) + chunk(b"IDAT", pixels) + chunk(b"IEND", b"")


def chunk(name: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))
