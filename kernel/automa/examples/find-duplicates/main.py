"""Find duplicate files in a folder.

Files that hold the same bytes are found by size first, then by their first block, and only those that
still look alike are read to the end. Also writes a manifest that `sha256sum --check` understands.
"""

import hashlib
import sys
from collections import defaultdict
from collections.abc import Callable, Hashable, Iterable
from enum import Enum
from pathlib import Path
from typing import Any

BLOCK = 4096


class Algorithm(Enum):
    SHA256 = "sha256"
    SHA1 = "sha1"
    BLAKE2 = "blake2b"


def main(
    folder: str = "library",
    algorithm: Algorithm = Algorithm.SHA256,
    ignore: list[str] | None = None,
    minimum_bytes: int = 1,
) -> dict[str, Any]:
    """List the files that are there more than once, and how much room the copies take.

    Args:
        folder: Where to look, in its sub-folders too.
        algorithm: The hash function of the comparison and of the manifest.
        ignore: Patterns of names to leave out, such as `*.tmp`.
        minimum_bytes: Leave out files that are smaller.
    """
    files = find(Path(folder), ignore or [], minimum_bytes)
    groups = split(files, lambda path: path.stat().st_size)
    groups = [alike for group in groups for alike in split(group, first_block)]
    groups = [alike for group in groups for alike in split(group, lambda path: digest(path, algorithm))]
    groups.sort(key=lambda group: group[0].stat().st_size * (len(group) - 1), reverse=True)

    for group in groups:
        print(f"{group[0].stat().st_size:>8,} bytes × {len(group)}")
        print(*(f"    {path}" for path in group), sep="\n")
    wasted = sum(group[0].stat().st_size * (len(group) - 1) for group in groups)
    print(f"\n{len(files)} files, {wasted:,} bytes in copies")
    manifest = write_manifest(files, algorithm)
    return {
        "files": len(files),
        "duplicates": [[path.as_posix() for path in group] for group in groups],
        "wasted_bytes": wasted,
        "manifest": manifest.name,
    }


def find(folder: Path, ignore: list[str], minimum_bytes: int) -> list[Path]:
    """The regular files under a folder, in the order of their names. Links are not followed."""
    if not folder.is_dir():
        sys.exit(f"There is no folder {folder}.")
    return sorted(
        path
        for path in folder.rglob("*")
        if path.is_file()
        and not path.is_symlink()
        and not any(path.match(pattern) for pattern in ignore)
        and path.stat().st_size >= minimum_bytes
    )


def split(files: Iterable[Path], key: Callable[[Path], Hashable]) -> list[list[Path]]:
    """The files in groups of the same key; who is alone in its group is left out."""
    groups: defaultdict[Hashable, list[Path]] = defaultdict(list)
    for path in files:
        groups[key(path)].append(path)
    return [group for group in groups.values() if len(group) > 1]


def first_block(path: Path) -> bytes:
    with path.open("rb") as file:
        return hashlib.blake2b(file.read(BLOCK), digest_size=16).digest()


def digest(path: Path, algorithm: Algorithm) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, algorithm.value).hexdigest()


def write_manifest(files: list[Path], algorithm: Algorithm) -> Path:
    manifest = Path(f"manifest.{algorithm.value}")
    manifest.write_text("".join(f"{digest(path, algorithm)}  {path}\n" for path in files), "utf-8")
    return manifest
