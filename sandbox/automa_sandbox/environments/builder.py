"""What runs in a sandbox to lock requirements, or to install what was locked. Standard library only.

Only wheels are taken: nothing that was downloaded is executed here, so that whatever can be reached from here
is reached by uv alone. Each package is held to the hash in the lock.
"""

import os
import re
import shutil
import subprocess
import sys
import tarfile

UV = "/data/uv"
WORK = "/work/build"
WHEELS_ONLY = ("--only-binary", ":all:")
PROJECT = re.compile(
    r'\[\[package\]\]\nname = "([A-Za-z0-9._-]+)"\n(?:version = [^\n]*\n)?source = \{ (?:virtual|editable) ='
)
REQUIREMENTS, LOCK, ENVIRONMENT = "requirements.in", "requirements.lock", "environment"


def main(
    index: "str | None" = None,
    requirements: "list[str] | None" = None,
    lock: "str | None" = None,
    uv_lock: "str | None" = None,
    like: "str | None" = None,
) -> None:
    """Leaves `requirements.lock` or `environment.tar` among the artifacts."""
    os.makedirs(WORK)  # noqa: PTH103
    os.chdir(WORK)
    source = ("--default-index", index) if index else ()
    if uv_lock is not None:
        take_over(uv_lock)
    elif lock is None:
        make_lock("\n".join(requirements or ()), source, like)
    else:
        install(lock, source)


def make_lock(requirements: str, source: "tuple[str, ...]", like: "str | None") -> None:
    write(REQUIREMENTS, requirements)
    if like is not None:  # uv keeps the versions of an output that is there, where they fit
        write(LOCK, like)
    pip("compile", "--no-header", "--no-annotate", "--generate-hashes", *source, REQUIREMENTS, "-o", LOCK)
    shutil.copyfile(LOCK, f"{os.environ['AUTOMA_ARTIFACTS']}/{LOCK}")


def take_over(uv_lock: str) -> None:
    """The project's packages, as uv has locked them; the project itself is no package here."""
    root = PROJECT.search(uv_lock)
    if root is None:
        sys.exit("the uv.lock has no project")
    write("pyproject.toml", f'[project]\nname = "{root[1]}"\nversion = "0"\n')
    write("uv.lock", uv_lock)
    plain = ("--no-header", "--no-annotate", "--no-emit-project", "--no-dev")
    uv("export", "--frozen", "--offline", *plain, "--format", "requirements-txt", "-o", LOCK)
    shutil.copyfile(LOCK, f"{os.environ['AUTOMA_ARTIFACTS']}/{LOCK}")


def install(lock: str, source: "tuple[str, ...]") -> None:
    write(LOCK, lock)
    held = ("--require-hashes", "--no-deps")
    pip("install", "--link-mode", "hardlink", "--prefix", ENVIRONMENT, *held, *source, "-r", LOCK)
    with tarfile.open(f"{os.environ['AUTOMA_ARTIFACTS']}/{ENVIRONMENT}.tar", "w") as archive:
        archive.add(ENVIRONMENT, arcname=".")


def write(name: str, text: str) -> None:
    with open(name, "w", encoding="utf-8") as file:  # noqa: PTH123
        file.write(text)


def pip(command: str, *options: str) -> None:
    uv("pip", command, "--python", sys.executable, *WHEELS_ONLY, *options)


def uv(*command: str) -> None:
    general = ("--no-config", "--no-progress", "--no-python-downloads", "--cache-dir", "/work/cache")
    # What is locked is written to a file, and to the output, too.
    quiet = subprocess.DEVNULL if "-o" in command else None
    try:
        done = subprocess.run([UV, *general, *command], stdout=quiet, check=False)
    except OSError as error:  # the program is the server's: an image may have another C library
        sys.exit(f"uv does not start here: {error}")
    if done.returncode != 0:
        sys.exit(f"uv {command[0]} {command[1]} ended with exit code {done.returncode}")
