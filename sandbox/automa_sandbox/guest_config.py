"""What the harness in a sandbox is told about its run, whichever runner made the sandbox."""

import json
import marshal

from automa.sdk.runs import RunSpec
from automa_sandbox import bubblewrap


def guest_config(spec: RunSpec, *, become: int | None = None, processes: int | None = None) -> bytes:
    """`become`: the user id that the harness takes; `processes`: the limit that it sets for itself."""
    config = {
        "entry": spec.entry,
        "call_main": spec.call_main,
        "params": spec.params if spec.call_main else json.dumps(spec.params),
        "env": {**bubblewrap.environment(), "AUTOMA_RUN_ID": spec.run_id, **spec.env},
        "result_bytes": spec.limits.result_bytes,
        "uid": become,
        "processes": processes,
    }
    return marshal.dumps(config, 2)
