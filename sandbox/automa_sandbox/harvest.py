"""What a script hands over by its end: what its harness told, the result among it, and its artifacts."""

import os

from automa.sdk import attempts
from automa.sdk.runs import RunSpec
from automa_sandbox.artifacts import Collected, collect, open_folder
from automa_sandbox.frames import Frames, is_json
from automa_sandbox.masking import Mask
from automa_sandbox.sandbox import Sandbox


class Harvest:
    """Gathered while the script runs, kept in the attempt's folder when it has ended, with secrets masked."""

    def __init__(self, spec: RunSpec, mask: Mask) -> None:
        self.frames = Frames(spec.limits.result_bytes)
        self._spec = spec
        self._mask = mask
        self._artifacts: int | None = None

    def hold_artifacts(self, sandbox: Sandbox) -> None:
        """Keep hold of their folder, which goes with the sandbox's last process."""
        if self._artifacts is None:
            self._artifacts = open_folder(sandbox.insider, sandbox.artifacts)

    @property
    def refusal(self) -> str | None:
        """Why the result that it sent is none."""
        value = self.frames.value
        if self.frames.broken or (value is not None and not is_json(bytes(value))):
            return "The result that it sent is not JSON or too large."
        return None

    def keep_result(self) -> bool:
        """Whether there is one."""
        if self.frames.value is None:
            return False
        path = self._spec.attempt_dir / attempts.RESULT
        draft = path.with_name(f".{path.name}")
        with draft.open("wb") as file:
            file.write(self._mask.json(self.frames.value))
            file.flush()
            os.fdatasync(file.fileno())
        draft.rename(path)  # made durable with the exit record, which is in the same folder
        return True

    def keep_wanted(self) -> list[str]:
        """List what it had no network for, and say it. With a proxy, that is the proxy's to tell."""
        if self._spec.network.mode != "none":
            return []
        tried = self.frames.wanted.take()
        if not tried:
            return []
        for one in tried:
            one.host = self._mask.host(one.host)
        attempts.write_atomically(self._spec.attempt_dir / attempts.EGRESS, [one.to_json() for one in tried])
        left_out = self.frames.wanted.left_out
        more = [f"Refused: {left_out:,} more, which are not listed."] if left_out else []
        return [*(f"Refused: {one}." for one in tried), *more]

    def collect(self) -> Collected:
        """Whatever goes wrong here, how the run ended stays what it is."""
        if self._artifacts is None:
            return Collected()
        collected = collect(self._artifacts, self._spec.attempt_dir, self._spec.limits, self._mask)
        os.close(self._artifacts)
        return collected
