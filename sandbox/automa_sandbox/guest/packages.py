"""The packages that a script declared, on its path: their folder is shown read-only.

`.pth` files are code of strangers: they are only ever read here, in the sandbox and as the run's own user.
"""

# pyright: basic

import os
import site
import sys

FOLDER = "/environment"


def activate() -> None:
    """Behind the standard library, so that no package stands in for a part of it."""
    version = f"python{sys.version_info[0]}.{sys.version_info[1]}"
    packages = f"{FOLDER}/lib/{version}/site-packages"
    if os.path.isdir(packages):  # noqa: PTH112
        site.addsitedir(packages)
        os.environ.setdefault("PYTHONPATH", packages)  # for interpreters that the script starts
    os.environ["PATH"] = f"{FOLDER}/bin:{os.environ.get('PATH', os.defpath)}"
