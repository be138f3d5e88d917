"""What every script finds in its sandbox, whichever runner made it: the places, its user, its environment."""

from pathlib import Path

from automa_sandbox.artifacts import FOLDER as ARTIFACTS

APP, WORK, HARNESS, ENVIRONMENT = "/app", "/work", "/automa", "/environment"
DATA = "/data"
"""Where the folders that an administrator offers are shown."""

CERTIFICATES = (
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/ca-bundle.pem",
    "/etc/ssl/cert.pem",
)


def passwd(uid: int) -> bytes:
    return f"root:x:0:0:root:/:/bin/false\nautoma:x:{uid}:{uid}:Automa run:{WORK}:/bin/sh\n".encode()


def group(uid: int) -> bytes:
    return f"root:x:0:\nautoma:x:{uid}:\n".encode()


def environment() -> dict[str, str]:
    """What every script finds in its environment."""
    certificates = next((path for path in CERTIFICATES if Path(path).exists()), None)
    return {
        "PATH": "/usr/local/bin:/usr/bin:/bin",
        "HOME": WORK,
        "TMPDIR": "/tmp",  # noqa: S108 - the run's own
        "AUTOMA_ARTIFACTS": ARTIFACTS,
        "USER": "automa",
        "LOGNAME": "automa",
        "LANG": "C.UTF-8",
        "PYTHONUNBUFFERED": "1",
        "OPENBLAS_NUM_THREADS": "1",
        **({"SSL_CERT_FILE": certificates} if certificates else {}),
    }
