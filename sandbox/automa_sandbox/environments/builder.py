"""What runs in a sandbox to lock requirements and to install what was locked. Standard library only.

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


def main(requirements: "list[str]", index: "str | None") -> None:
    """Leaves `requirements.lock` and `environment.tar` among the artifacts."""
    os.makedirs(WORK)  # noqa: PTH103
    os.chdir(WORK)
    with open("requirements.in", "w", encoding="utf-8") as file:  # noqa: PTH123
        file.write("\n".join(requirements))
    source = ("--default-index", index) if index else ()
    uv("compile", "--no-header", "--generate-hashes", *source, "requirements.in", "-o", "requirements.lock")
    uv(
        "install",
        "--link-mode",
        "hardlink",
        "--prefix",
        "environment",
        "--require-hashes",
        "--no-deps",
        *source,
        "-r",
        "requirements.lock",
    )
    artifacts = os.environ["AUTOMA_ARTIFACTS"]
    with tarfile.open(f"{artifacts}/environment.tar", "w") as archive:
        archive.add("environment", arcname=".")
    shutil.copyfile("requirements.lock", f"{artifacts}/requirements.lock")


def uv(command: str, *options: str) -> None:
    general = ("--no-config", "--no-progress", "--no-python-downloads", "--cache-dir", "/work/cache")
    done = subprocess.run(
        [UV, *general, "pip", command, "--python", sys.executable, *WHEELS_ONLY, *options],
        stdout=subprocess.DEVNULL if command == "compile" else None,
        check=False,
    )
    if done.returncode != 0:
        sys.exit(f"uv pip {command} ended with exit code {done.returncode}")
