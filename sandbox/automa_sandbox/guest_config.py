"""What the harness in a sandbox is told about its run, whichever runner made the sandbox."""

import json
import marshal
from collections.abc import Mapping
from typing import Any

from automa.sdk.runs import NO_SECRETS, RunSpec
from automa_sandbox import inside
from automa_sandbox.egress import addresses


def guest_config(
    spec: RunSpec,
    secrets: Mapping[str, str] = NO_SECRETS,
    *,
    become: int | None = None,
    processes: int | None = None,
) -> bytes:
    """`become`: the user id that the harness takes; `processes`: the limit that it sets for itself."""
    return marshal.dumps(guest_values(spec, secrets, become=become, processes=processes), 2)


def guest_values(
    spec: RunSpec,
    secrets: Mapping[str, str] = NO_SECRETS,
    *,
    become: int | None = None,
    processes: int | None = None,
) -> dict[str, Any]:
    """The same, before it is put into bytes."""
    return {
        "entry": spec.entry,
        "call_main": spec.call_main,
        "params": spec.params if spec.call_main else json.dumps(spec.params),
        "env": {
            **inside.environment(),
            **addresses.environment(spec.network),
            "AUTOMA_RUN_ID": spec.run_id,
            **spec.env,
        },
        "secrets": dict(secrets),
        "result_bytes": spec.limits.result_bytes,
        "has_packages": spec.environment is not None,
        "uid": become,
        "processes": processes,
    }
