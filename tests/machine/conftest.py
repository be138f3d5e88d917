"""A machine of their own for tests that no container can give: systemd, control groups, loss of power."""

from collections.abc import Iterator

import pytest

from machine.guest import Machine
from machine.image import Image, build


@pytest.fixture(scope="session")
def image() -> Image:
    return build()


@pytest.fixture(scope="module")
def machine(image: Image, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Machine]:
    made = Machine(image, tmp_path_factory.mktemp("machine"))
    made.start()
    yield made
    made.close()
