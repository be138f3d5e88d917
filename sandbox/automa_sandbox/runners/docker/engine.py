"""The Docker engine, through its SDK: what is asked of it, and its failures in one shape."""

import socket
from collections.abc import Callable, Generator
from contextlib import contextmanager, suppress
from importlib import import_module
from pathlib import Path
from typing import Any

_TIMEOUT_S = 60


class EngineFailed(Exception):
    """The engine refused or did not answer; the text says what it said."""


class NotThere(EngineFailed):
    """The image or the container does not exist."""


class Engine:
    """A connection to one engine. The SDK is imported when the first one is made."""

    def __init__(self, url: str, version: str | None = None) -> None:
        """`version` of its API; None: whatever both know. Raises EngineFailed."""
        self.url = url
        self._docker: Any = import_module("docker")
        with self._failures():
            self._api: Any = self._docker.APIClient(base_url=url, version=version, timeout=_TIMEOUT_S)
        self.version: str = self._api.api_version

    def about(self) -> dict[str, Any]:
        """What the engine is and can."""
        return self._ask(self._api.info)

    def image_id(self, name: str) -> str:
        """The digest that a name stands for now. Raises NotThere."""
        return self._ask(self._api.inspect_image, name)["Id"]

    def import_image(self, tar: Path, name: str) -> None:
        """Make an image of the files in an archive."""
        repository, _, tag = name.partition(":")
        self._ask(self._api.import_image_from_file, str(tar), repository=repository, tag=tag or "latest")

    def create(self, options: dict[str, Any]) -> str:
        return self._ask(self._api.create_container_from_config, options, None)["Id"]

    def attach(self, container: str) -> socket.socket:
        """A connection to the stdin of a container that is about to start: they end together."""
        made = self._ask(self._api.attach_socket, container, params={"stdin": 1, "stream": 1})
        return socket.fromfd(made.fileno(), socket.AF_UNIX, socket.SOCK_STREAM)

    def start(self, container: str) -> None:
        self._ask(self._api.start, container)

    def state(self, container: str) -> dict[str, Any]:
        """`Running`, `ExitCode`, `OOMKilled`, `Error` …"""
        return self._ask(self._api.inspect_container, container)["State"]

    def wait(self, container: str) -> int:
        """Its exit code, once it has ended."""
        return int(self._ask(self._api.wait, container)["StatusCode"])

    def kill(self, container: str) -> None:
        with suppress(EngineFailed):  # it has ended
            self._ask(self._api.kill, container)

    def remove(self, container: str) -> None:
        try:
            self._ask(self._api.remove_container, container, force=True, v=True)
        except NotThere:
            return
        except EngineFailed as error:  # a shim that has just ended has it removed, too
            if "already in progress" not in str(error):
                raise

    def labelled(self, label: str) -> list[tuple[str, dict[str, str]]]:
        """Every container with a label, alive or not, with all its labels."""
        found = self._ask(self._api.containers, all=True, filters={"label": label})
        return [(one["Id"], one["Labels"]) for one in found]

    def close(self) -> None:
        self._api.close()

    def _ask(self, call: Callable[..., Any], *arguments: Any, **options: Any) -> Any:
        with self._failures():
            return call(*arguments, **options)

    @contextmanager
    def _failures(self) -> Generator[None]:
        errors, requests = self._docker.errors, import_module("requests.exceptions")
        try:
            yield
        except errors.NotFound as error:
            raise NotThere(str(error.explanation)) from error
        except errors.APIError as error:
            raise EngineFailed(str(error.explanation or error)) from error
        except (errors.DockerException, requests.RequestException, OSError) as error:
            raise EngineFailed(f"The Docker engine at {self.url} does not answer: {_last(error)}") from error


def _last(error: BaseException) -> str:
    """The cause at the bottom of an error of the HTTP library."""
    while error.__context__ is not None:
        error = error.__context__
    return (error.strerror or str(error)) if isinstance(error, OSError) else str(error)
