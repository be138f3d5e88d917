"""What a plugin's routes need of the request they serve."""

from starlette.requests import HTTPConnection

from automa.sdk.actors import Actor

ANONYMOUS = Actor("anonymous", "anonymous")


def acting(connection: HTTPConnection) -> Actor:
    """A FastAPI dependency, `actor: Actor = Depends(acting)`: who calls; anonymous on a public route."""
    return getattr(connection.state, "actor", ANONYMOUS)
