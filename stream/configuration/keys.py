"""The keys that baselines are signed and checked with, as files. Nobody has to make one: the first try works.

Without a key of its own a machine makes a development key, and trusts that one. A deployment that names
whom it trusts trusts nobody else.
"""

import os
from pathlib import Path
from uuid import uuid4

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
    load_pem_public_key,
)
from msgspec import Struct

from models.baselines.signing import Signer, Trusted, key_id
from models.errors import SigningError
from stream.configuration.settings import Settings, user_folder

DEVELOPMENT = "development.pem"
KEYS = Path("chainbrake", "keys")
RAW_BYTES = 32
KEY_BYTES_MAX = 65_536
PUBLIC_END = "-----END PUBLIC KEY-----"
MAKE_ONE = "Make one with: openssl genpkey -algorithm ed25519 -out KEY.pem"


class OwnKey(Struct, frozen=True):
    """What this machine signs with."""

    signer: Signer
    path: Path
    made: bool
    """Just now."""


def own_key(settings: Settings) -> OwnKey:
    """The configured key, else the development key, made if there is none. Raises `SigningError`.

    Also if the deployment would refuse what is signed with it: better now than after an hour of training.
    """
    if settings.signing_key:
        key = OwnKey(_private(Path(settings.signing_key)), Path(settings.signing_key), made=False)
    elif settings.trusted_keys:
        raise SigningError(
            f"only keys in {settings.trusted_keys} are trusted here (CHAINBRAKE_TRUSTED_KEYS), "
            f"so a development key would be refused: name the private key with CHAINBRAKE_SIGNING_KEY"
        )
    else:
        path = keys_folder(settings) / DEVELOPMENT
        made = _make(path)
        key = OwnKey(_private(path), path, made=made)
    trusted = trusted_keys(settings)
    if key.signer.key not in trusted.keys:
        raise SigningError(
            f"{key.path}: key {key.signer.key} is not among the trusted ones ({trusted.where}): what it "
            f"signs would be refused here. Put its public key there; chainbrake key prints it"
        )
    return key


def trusted_keys(settings: Settings) -> Trusted:
    """Those that are named, else the own one, if there is one. Raises `SigningError`."""
    if settings.trusted_keys:
        return _named(Path(settings.trusted_keys))
    path = Path(settings.signing_key) if settings.signing_key else keys_folder(settings) / DEVELOPMENT
    if not settings.signing_key and not _there(path):
        return Trusted({}, f"no key is: CHAINBRAKE_TRUSTED_KEYS is not set, and there is no {path}")
    signer = _private(path)
    return Trusted({signer.key: signer.public}, f"only {signer.key} of {path} is")


def signing_key(settings: Settings) -> Signer:
    """The configured key, else the development key, made if there is none; trusted or not."""
    if settings.signing_key:
        return _private(Path(settings.signing_key))
    path = keys_folder(settings) / DEVELOPMENT
    _make(path)
    return _private(path)


def keys_folder(settings: Settings) -> Path:
    """Where this machine's development key lies: where it is set, else below the user's own folders (XDG)."""
    if settings.keys:
        return Path(settings.keys)
    return user_folder("XDG_CONFIG_HOME", ".config", "KEYS") / KEYS


def public_pem(signer: Signer) -> str:
    """The public key as a file that `CHAINBRAKE_TRUSTED_KEYS` may name."""
    public = Ed25519PublicKey.from_public_bytes(signer.public)
    return public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()


def private_pem(private: Ed25519PrivateKey) -> bytes:
    """A private key as a file."""
    return private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


def _make(path: Path) -> bool:
    """A new key, readable by its owner only; False if there is one: it may be somebody else's, just made."""
    if _there(path):
        return False
    part = path.with_name(f".{uuid4().hex[:12]}.part")
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        try:
            with os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
                file.write(private_pem(Ed25519PrivateKey.generate()))
            os.link(part, path)
        finally:
            part.unlink(missing_ok=True)
    except FileExistsError:
        if _there(path):
            return False
        raise SigningError(f"{path.parent}: not a folder; {ELSEWHERE}") from None
    except OSError as error:
        raise SigningError(
            f"{path}: no development key can be made: {error.strerror}; {ELSEWHERE}"
        ) from error
    return True


ELSEWHERE = (
    "set CHAINBRAKE_KEYS to a folder that can be written, or CHAINBRAKE_SIGNING_KEY to a private key's file"
)


def _there(path: Path) -> bool:
    try:
        return path.exists()
    except OSError as error:
        raise SigningError(f"{path}: {error.strerror}; {ELSEWHERE}") from error


def _private(path: Path) -> Signer:
    try:
        loaded = load_pem_private_key(_content(path), password=None)
    except TypeError as error:
        raise SigningError(
            f"{path}: locked with a passphrase, which nobody could type here. "
            f"Unlock a copy: openssl pkey -in {path}"
        ) from error
    except (ValueError, UnsupportedAlgorithm) as error:
        raise SigningError(f"{path}: not a private key in PEM (PKCS 8). {MAKE_ONE}") from error
    if not isinstance(loaded, Ed25519PrivateKey):
        raise SigningError(f"{path}: {_kind(loaded)}, not an Ed25519 one. {MAKE_ONE}")
    return Signer(loaded)


def _named(path: Path) -> Trusted:
    try:
        folder = path.is_dir()
        files = sorted(file for file in path.iterdir() if _is_key(file)) if folder else [path]
    except OSError as error:
        raise SigningError(f"{path}: {error.strerror}") from error
    publics = [public for file in files for public in _publics(file)]
    if not publics:
        raise SigningError(f"{path}: no public key in it, so every baseline would be refused")
    keys = {key_id(public): public for public in publics}
    return Trusted(keys, f"{path} holds {', '.join(sorted(keys))}")


def _is_key(file: Path) -> bool:
    """Hidden ones are how Kubernetes keeps the files it shows."""
    return not file.name.startswith(".") and file.is_file()


def _publics(path: Path) -> list[bytes]:
    content = _content(path)
    if len(content) == RAW_BYTES:
        return [content]
    parts = content.decode("latin-1").split(PUBLIC_END)
    if len(parts) == 1 and "PRIVATE KEY" in parts[0]:
        raise SigningError(
            f"{path}: a private key among those to trust: it does not belong there. "
            f"Put the public one there: openssl pkey -in {path} -pubout"
        )
    if len(parts) == 1:
        raise SigningError(f"{path}: neither public keys in PEM nor the {RAW_BYTES} bytes of one")
    return [_public(path, f"{part}{PUBLIC_END}\n") for part in parts[:-1]]


def _public(path: Path, pem: str) -> bytes:
    try:
        loaded = load_pem_public_key(pem.encode("latin-1"))
    except (ValueError, UnsupportedAlgorithm) as error:
        raise SigningError(f"{path}: not a public key in PEM") from error
    if not isinstance(loaded, Ed25519PublicKey):
        raise SigningError(f"{path}: {_kind(loaded)}, not an Ed25519 one")
    return loaded.public_bytes_raw()


def _kind(key: object) -> str:
    """Such as `RSAPublicKey`."""
    return f"an {type(key).__name__.lstrip('_')}"


def _content(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(KEY_BYTES_MAX)
    except OSError as error:
        raise SigningError(f"{path}: {error.strerror}") from error
