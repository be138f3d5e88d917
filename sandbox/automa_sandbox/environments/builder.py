"""What runs in a sandbox to lock requirements, or to install what was locked. Standard library only.

Only wheels are taken: nothing that was downloaded is executed here, so that whatever can be reached from here
is reached by uv alone. Each package is held to the hash in the lock.
"""

import os
import shutil
import subprocess
import sys
import tarfile

UV = "/data/uv"
WORK = "/work/build"
WHEELS_ONLY = ("--only-binary", ":all:")
REQUIREMENTS, LOCK, ENVIRONMENT = "requirements.in", "requirements.lock", "environment"


def main(
    index: "str | None" = None, requirements: "list[str] | None" = None, lock: "str | None" = None
) -> None:
    """Leaves `requirements.lock` or `environment.tar` among the artifacts."""
    os.makedirs(WORK)  # noqa: PTH103
    os.chdir(WORK)
    source = ("--default-index", index) if index else ()
    if lock is None:
        make_lock("\n".join(requirements or ()), source)
    else:
        install(lock, source)


def make_lock(requirements: str, source: "tuple[str, ...]") -> None:
    write(REQUIREMENTS, requirements)
    uv("compile", "--no-header", "--no-annotate", "--generate-hashes", *source, REQUIREMENTS, "-o", LOCK)
    shutil.copyfile(LOCK, f"{os.environ['AUTOMA_ARTIFACTS']}/{LOCK}")


def install(lock: str, source: "tuple[str, ...]") -> None:
    write(LOCK, lock)
    held = ("--require-hashes", "--no-deps")
    uv("install", "--link-mode", "hardlink", "--prefix", ENVIRONMENT, *held, *source, "-r", LOCK)
    with tarfile.open(f"{os.environ['AUTOMA_ARTIFACTS']}/{ENVIRONMENT}.tar", "w") as archive:
        archive.add(ENVIRONMENT, arcname=".")


def write(name: str, text: str) -> None:
    with open(name, "w", encoding="utf-8") as file:  # noqa: PTH123
        file.write(text)


def uv(command: str, *options: str) -> None:
    general = ("--no-config", "--no-progress", "--no-python-downloads", "--cache-dir", "/work/cache")
    done = subprocess.run(
        [UV, *general, "pip", command, "--python", sys.executable, *WHEELS_ONLY, *options],
        stdout=subprocess.DEVNULL if command == "compile" else None,
        check=False,
    )
    if done.returncode != 0:
        sys.exit(f"uv pip {command} ended with exit code {done.returncode}")
