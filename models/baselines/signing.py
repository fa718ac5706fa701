"""Who vouches for a baseline: an Ed25519 signature (RFC 8032) over its header, as that stands in the file.

The header holds the payload's checksum, so the signature covers the whole file.
"""

from hashlib import sha256
from pathlib import Path
from typing import Annotated

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from msgspec import Meta, Struct

from models.errors import ArtifactError

KEY_ID_DIGITS = 16


class Signature(Struct, frozen=True, kw_only=True):
    """As it stands in the file."""

    key: Annotated[str, Meta(pattern=rf"^[0-9a-f]{{{KEY_ID_DIGITS}}}$")]
    value: Annotated[bytes, Meta(min_length=64, max_length=64)]
    """Base64 in the file."""


class Trusted(Struct, frozen=True):
    """Whose baselines are believed."""

    keys: dict[str, bytes]
    """Key id: the public key's 32 bytes."""
    where: str
    """Where these come from, for who has to add one."""

    def check(self, header: bytes, signature: Signature | None, path: Path) -> None:
        """Raises `ArtifactError` unless one of the keys has signed exactly this header."""
        if signature is None:
            raise ArtifactError(f"{path}: not signed. Train it again: chainbrake train FILE… --out {path}")
        public = self.keys.get(signature.key)
        if public is None:
            raise ArtifactError(
                f"{path}: signed by key {signature.key}, which is not trusted here ({self.where}). "
                f"Do you trust who made it? Then put that public key (chainbrake key, on the machine it "
                f"was made on) where CHAINBRAKE_TRUSTED_KEYS says; else train it again here"
            )
        try:
            Ed25519PublicKey.from_public_bytes(public).verify(signature.value, header)
        except InvalidSignature as error:
            raise ArtifactError(
                f"{path}: changed since key {signature.key} signed it; fetch or train it again"
            ) from error


class Signer:
    """A private key."""

    def __init__(self, private: Ed25519PrivateKey) -> None:
        self._private = private
        self.public = private.public_key().public_bytes_raw()
        """The public key's 32 bytes."""
        self.key = key_id(self.public)

    def sign(self, header: bytes) -> Signature:
        """The same header and key give the same signature: nothing here is left to chance."""
        return Signature(key=self.key, value=self._private.sign(header))


def key_id(public: bytes) -> str:
    """How a key is named: the first digits of the SHA-256 of its public 32 bytes."""
    return sha256(public).hexdigest()[:KEY_ID_DIGITS]
