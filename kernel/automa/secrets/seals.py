"""Encrypts values: AES-256-GCM, bound to the row that holds them, so that no row can take another's place."""

import os
from dataclasses import dataclass
from typing import Any

from automa.errors import SecretsUnavailable
from automa.secrets.keys import Key

_NONCE_BYTES = 12


@dataclass(frozen=True, slots=True)
class Binding:
    """What a sealed value belongs to. It opens nowhere else."""

    id: str
    owner_id: str
    name: str

    def encode(self) -> bytes:
        return f"automa secret 1\0{self.id}\0{self.owner_id}\0{self.name}".encode()


def seal(key: Key, binding: Binding, value: str) -> bytes:
    """The nonce, then what was made of the value. 96 bits of chance are enough for 2**32 values per key."""
    nonce = os.urandom(_NONCE_BYTES)
    return nonce + _cipher(key).encrypt(nonce, value.encode(), binding.encode())


def unseal(key: Key, binding: Binding, sealed: bytes) -> str:
    """The value. Raises SecretsUnavailable if it, the key or the binding is not the same."""
    from cryptography.exceptions import InvalidTag

    try:
        value = _cipher(key).decrypt(sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:], binding.encode())
    except (InvalidTag, ValueError):
        raise SecretsUnavailable(
            f"The secret {binding.name} cannot be decrypted: its row was damaged or changed. Set it again."
        ) from None
    return value.decode()


def _cipher(key: Key) -> Any:
    """AESGCM of `cryptography`, which loads for long and is not needed before the first secret."""
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

    return AESGCM(key.material)
