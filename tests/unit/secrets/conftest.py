"""Secrets on a database of their own, with people who keep them."""

from pathlib import Path

import pytest

from automa.audit.change import Changes
from automa.secrets.keys import KeyFile
from automa.secrets.rotation import Rotation
from automa.secrets.service import SecretService
from automa.secrets.use import SecretUse


@pytest.fixture
def key_file(tmp_path: Path) -> KeyFile:
    return KeyFile(tmp_path / "keys" / "secrets.key")


@pytest.fixture
def service(key_file: KeyFile) -> SecretService:
    return SecretService(key_file)


@pytest.fixture
def use(key_file: KeyFile) -> SecretUse:
    return SecretUse(key_file)


@pytest.fixture
def rotation(key_file: KeyFile, changes: Changes) -> Rotation:
    return Rotation(key_file, changes)
