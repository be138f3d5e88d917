"""Holding a result against what the script's `main` is annotated to return."""

import json
from dataclasses import replace
from pathlib import Path

from automa.catalog.parameters import first_fault
from automa.catalog.source import JsonObject
from automa.sdk.attempts import RESULT
from automa.sdk.runs import Outcome, RunState

_MOST_CHARS = 200


def typed(outcome: Outcome, attempt_dir: Path, schema: JsonObject) -> Outcome:
    """The outcome, or a failure that names the place where the result is not what was promised. Blocks."""
    if outcome.state is not RunState.SUCCEEDED or not outcome.has_result:
        return outcome
    fault = first_fault(schema, json.loads((attempt_dir / RESULT).read_bytes()))
    if fault is None:
        return outcome
    pointer, detail = (text if len(text) <= _MOST_CHARS else text[:_MOST_CHARS] + "…" for text in fault)
    place = f"The result at {pointer}" if pointer else "The result"
    reason = f"{place} {detail}: main() is annotated to return something else."
    return replace(outcome, state=RunState.FAILED, reason=reason, has_result=False)
