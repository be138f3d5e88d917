"""The one error taxonomy: every error that a person can meet has a stable code, a status and a title.

Nothing here imports a web framework: the CLI, the plugins and the sandbox raise the same classes.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar


@dataclass(frozen=True, slots=True)
class FieldError:
    """One thing wrong with one part of the input; `pointer` is a JSON pointer such as `/params/size`."""

    pointer: str
    detail: str


class AutomaError(Exception):
    """Something went wrong that the caller can act on."""

    code: ClassVar[str] = "internal_error"
    status: ClassVar[int] = 500
    title: ClassVar[str] = "Something went wrong inside Automa"

    def __init__(
        self,
        detail: str = "",
        *,
        errors: Sequence[FieldError] = (),
        extra: Mapping[str, Any] | None = None,
        retry_after_s: float | None = None,
    ) -> None:
        super().__init__(detail or self.title)
        self.detail = detail
        self.errors = tuple(errors)
        self.extra = dict(extra or {})
        self.retry_after_s = retry_after_s


class InvalidRequest(AutomaError):
    """The request cannot be understood or breaks a rule that holds for every such request."""

    code, status, title = "invalid_request", 400, "The request is not valid"


class HostNotAllowed(InvalidRequest):
    """The request names a host that is not this server; see the setting `allowed_hosts`."""

    code, title = "host_not_allowed", "This host name is not allowed"


class InvalidPayload(InvalidRequest):
    """The request was understood, but fields of its body hold values that are not allowed."""

    code, status, title = "invalid_payload", 422, "Some fields are not valid"


class InvalidArchive(InvalidPayload):
    """An archive holds something that is refused, or cannot be read; the detail names the member."""

    code, title = "invalid_archive", "The archive is refused"


class InvalidSource(InvalidPayload):
    """The program cannot be run as it is; `problem` says line, column and why. A draft may hold it."""

    code, title = "invalid_source", "The program has an error"


class NotGranted(InvalidRequest):
    """`automa run` was not told to grant what the script declares; the detail says which flags to add."""

    code, title = "not_granted", "The script asks for more than it was granted"


class Unauthenticated(AutomaError):
    """Nobody is signed in, or the credentials are wrong, expired or revoked."""

    code, status, title = "unauthenticated", 401, "Sign in first"


class InvalidCredentials(Unauthenticated):
    """The e-mail, the password or the one-time token is wrong; it is not said which."""

    code, title = "invalid_credentials", "These credentials are not valid"


class Forbidden(AutomaError):
    """The caller is known, but lacks the scope for this action."""

    code, status, title = "forbidden", 403, "You may not do this"


class OriginNotAllowed(Forbidden):
    """A web page of another origin tried to change something."""

    code, title = "origin_not_allowed", "This web origin may not do this"


class NotFound(AutomaError):
    """There is no such thing, or it belongs to somebody else."""

    code, status, title = "not_found", 404, "Not found"


class MethodNotAllowed(AutomaError):
    """The address exists, but does not know this method."""

    code, status, title = "method_not_allowed", 405, "Method not allowed"


class Conflict(AutomaError):
    """The thing is not in a state in which this can be done, or the name is taken."""

    code, status, title = "conflict", 409, "This conflicts with the current state"


class IdempotencyConflict(Conflict):
    """The `Idempotency-Key` was used within the last 24 hours for another request."""

    code, title = "idempotency_conflict", "This idempotency key belongs to another request"


class LastAdmin(Conflict):
    """Nobody could administer this installation any more."""

    code, title = "last_admin", "At least one active administrator must remain"


class SetupClosed(Conflict):
    """The first administrator exists already; administrators make further users."""

    code, title = "setup_closed", "Automa is set up already"


class ApprovalNeeded(Conflict):
    """The version declares permissions that an administrator has not approved (yet)."""

    code, title = "approval_needed", "This version needs approval"


class PreconditionFailed(AutomaError):
    """`If-Match` named another revision: somebody else changed the thing in between."""

    code, status, title = "precondition_failed", 412, "It has changed since you read it"


class PayloadTooLarge(AutomaError):
    """The body or a file in it is larger than the limit."""

    code, status, title = "payload_too_large", 413, "Too large"


class TooManyRequests(AutomaError):
    """A rate limit or a full queue; `Retry-After` says when to come back."""

    code, status, title = "too_many_requests", 429, "Too many requests"


class Unavailable(AutomaError):
    """Automa cannot do this right now: storage is full, locked or gone."""

    code, status, title = "unavailable", 503, "Not available right now"


class SecretsUnavailable(Unavailable):
    """Secrets cannot be read or written: their key is missing, wrong or not ours alone. All else works."""

    code, title = "secrets_unavailable", "The secrets cannot be opened"


class SandboxUnavailable(Unavailable):
    """No usable sandbox was found, so nothing runs: there is no unsandboxed fallback."""

    code, title = "sandbox_unavailable", "No usable sandbox"


class SandboxFailed(AutomaError):
    """The sandbox could not be started for this run."""

    code, status, title = "sandbox_failed", 500, "The sandbox failed"


class PluginFailed(AutomaError):
    """A plugin raised, timed out, or answered with something else than its hook promises."""

    code, status, title = "plugin_failed", 500, "A plugin failed"


class HomeLocked(AutomaError):
    """Another Automa server already works on this `AUTOMA_HOME`."""

    code, status, title = "home_locked", 409, "AUTOMA_HOME is in use"


class ConfigError(AutomaError):
    """A setting is missing or wrong; the detail names it and where it came from."""

    code, status, title = "config_error", 500, "The configuration is not valid"


def problem(error: AutomaError) -> dict[str, Any]:
    """The RFC 9457 object of an error, the one shape in which the API and `--json` show it."""
    body: dict[str, Any] = {
        "type": f"urn:automa:error:{error.code}",
        "title": error.title,
        "status": error.status,
        "code": error.code,
    }
    if error.detail:
        body["detail"] = error.detail
    if error.errors:
        body["errors"] = [{"pointer": item.pointer, "detail": item.detail} for item in error.errors]
    return {**body, **error.extra}
