"""The errors that plugins raise and meet: the kernel's own taxonomy."""

from automa.errors import (
    AutomaError,
    ConfigError,
    Conflict,
    FieldError,
    Forbidden,
    InvalidPayload,
    InvalidRequest,
    NotFound,
    PluginFailed,
    SandboxFailed,
    SandboxUnavailable,
    Unavailable,
)

__all__ = [
    "AutomaError",
    "ConfigError",
    "Conflict",
    "FieldError",
    "Forbidden",
    "InvalidPayload",
    "InvalidRequest",
    "NotFound",
    "PluginFailed",
    "SandboxFailed",
    "SandboxUnavailable",
    "Unavailable",
]
