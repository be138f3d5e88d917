"""Real plugin distributions for tests: metadata and a module in a folder that can be put on the path."""

import base64
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from textwrap import dedent
from uuid import uuid4

HEAD = """
from automa.sdk.hookspecs import hookimpl
from automa.sdk.plugin import *
import sys
"""
FOOT = """
plugin = Plugin(name={name!r}, hooks=sys.modules[__name__])
"""


@dataclass(frozen=True)
class Written:
    """What was written where."""

    site: Path
    name: str
    module: str
    info: Path

    @property
    def source(self) -> Path:
        return self.site / f"{self.module}.py"


def write_plugin(
    site: Path,
    name: str,
    hooks: str = "",
    *,
    source: str | None = None,
    distribution: str | None = None,
    version: str = "1.0",
    requires: Sequence[str] = (),
    target: str = "plugin",
) -> Written:
    """Install a plugin as pip would; its module is `hooks` between a head and a foot, or `source`."""
    distribution = distribution or f"automa-{name}"
    module = f"automa_test_{uuid4().hex}"
    body = HEAD + dedent(hooks) + FOOT.format(name=name) if source is None else dedent(source)
    stem = distribution.replace("-", "_")
    info = f"{stem}-{version}.dist-info"
    files = {
        f"{module}.py": body,
        f"{info}/METADATA": "".join(
            f"{line}\n"
            for line in (
                "Metadata-Version: 2.1",
                f"Name: {distribution}",
                f"Version: {version}",
                "Summary: A plugin for tests",
                *(f"Requires-Dist: {requirement}" for requirement in requires),
            )
        ),
        f"{info}/entry_points.txt": f"[automa.plugins]\n{name} = {module}:{target}\n",
        f"{info}/INSTALLER": "pip\n",
    }
    record = []
    for path, content in files.items():
        (site / path).parent.mkdir(parents=True, exist_ok=True)
        (site / path).write_text(content)
        digest = base64.urlsafe_b64encode(hashlib.sha256(content.encode()).digest()).decode().rstrip("=")
        record.append(f"{path},sha256={digest},{len(content.encode())}")
    (site / info / "RECORD").write_text("\n".join([*record, f"{info}/RECORD,,", ""]))
    return Written(site, name, module, site / info)
