"""Nothing unsigned gets past: who signs, whom one trusts, and what is said to whoever is refused."""

import base64
import json
import os
import stat
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from models.baselines.baseline import read_artifact
from models.baselines.signing import Signer, Trusted
from models.errors import ArtifactError, SigningError
from stream.configuration.baseline_files import load_baseline
from stream.configuration.keys import own_key, private_pem, public_pem, trusted_keys
from stream.configuration.settings import Settings
from tests.builders import SIGNER, TRUSTED, artifact

PATH = Path("baseline.json")
OTHER = Signer(Ed25519PrivateKey.from_private_bytes(bytes(range(1, 33))))


def test_the_first_try_works(tmp_path: Path) -> None:
    """A machine without keys makes one, only for its owner, and trusts it from then on."""
    settings = Settings(keys=str(tmp_path / "keys"))
    first, again = own_key(settings), own_key(settings)
    assert first.made
    assert not again.made
    assert first.signer.key == again.signer.key
    assert stat.S_IMODE(first.path.stat().st_mode) == 0o600
    assert list(trusted_keys(settings).keys) == [first.signer.key]
    assert [file.name for file in first.path.parent.iterdir()] == [first.path.name]


def test_who_is_trusted_is_read(tmp_path: Path) -> None:
    """A file of a public key, and a folder of them, hidden files left out."""
    folder = tmp_path / "trusted"
    folder.mkdir()
    (folder / "a.pem").write_text(public_pem(SIGNER))
    (folder / "b").write_bytes(OTHER.public)
    (folder / ".hidden").write_text("no key")
    assert set(trusted_keys(Settings(trusted_keys=str(folder))).keys) == {SIGNER.key, OTHER.key}
    file = tmp_path / "baseline.json"
    file.write_bytes(artifact())
    settings = Settings(trusted_keys=str(folder / "a.pem"), baseline=str(file))
    loaded = load_baseline(settings)
    assert loaded is not None
    with pytest.raises(ArtifactError, match=f"signed by key {SIGNER.key}, which is not trusted here"):
        load_baseline(Settings(trusted_keys=str(folder / "b"), baseline=str(file)))


def test_a_deployment_that_names_whom_it_trusts_trusts_no_development_key(tmp_path: Path) -> None:
    """Neither when it reads nor, earlier, when it would sign."""
    own = own_key(Settings(keys=str(tmp_path)))
    trusted = tmp_path / "t.pem"
    trusted.write_text(public_pem(SIGNER))
    settings = Settings(keys=str(tmp_path), trusted_keys=str(trusted))
    assert own.signer.key not in trusted_keys(settings).keys
    with pytest.raises(SigningError, match="CHAINBRAKE_SIGNING_KEY"):
        own_key(settings)
    foreign = tmp_path / "foreign.pem"
    foreign.write_bytes(private_pem(Ed25519PrivateKey.generate()))
    with pytest.raises(SigningError, match="not among the trusted ones"):
        own_key(Settings(signing_key=str(foreign), trusted_keys=str(trusted)))


def test_a_file_is_verified_as_the_page_says() -> None:
    """By the few lines of `docs/artifact.md`, which another language can write as well."""
    text = artifact().decode()
    start = text.index("{", 1)
    _, end = json.JSONDecoder().raw_decode(text, start)
    public = Ed25519PublicKey.from_public_bytes(SIGNER.public)
    public.verify(base64.b64decode(json.loads(text)["signature"]["value"]), text[start:end].encode())


def test_what_was_changed_is_refused() -> None:
    """In the header or the payload; a signature taken away or made by a stranger does not help."""
    file = json.loads(artifact())
    read_artifact(artifact(), PATH, TRUSTED)
    more = artifact().replace(b'"sessions":', b'"sessions": ', 1)
    with pytest.raises(ArtifactError, match="changed since key"):
        read_artifact(more, PATH, TRUSTED)
    with pytest.raises(ArtifactError, match="not signed"):
        read_artifact(json.dumps({**file, "signature": None}).encode(), PATH, TRUSTED)
    del file["signature"]
    with pytest.raises(ArtifactError, match="not signed"):
        read_artifact(json.dumps(file).encode(), PATH, TRUSTED)
    with pytest.raises(ArtifactError, match="not trusted here"):
        read_artifact(artifact(), PATH, Trusted({OTHER.key: OTHER.public}, "another"))


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "not a private key"),
        (b"\xff\x00", "not a private key"),
        (
            generate_private_key(65537, 2048).private_bytes(
                Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()
            ),
            "RSAPrivateKey, not an Ed25519 one",
        ),
    ],
    ids=["empty", "no text", "another kind"],
)
def test_a_key_that_is_none_is_told_in_a_line(content: bytes, said: str, tmp_path: Path) -> None:
    """With what to do."""
    path = tmp_path / "key.pem"
    path.write_bytes(content)
    with pytest.raises(SigningError, match=said) as caught:
        own_key(Settings(signing_key=str(path)))
    assert "\n" not in str(caught.value)
    assert "openssl genpkey" in str(caught.value)


def test_a_private_key_is_nothing_to_trust(tmp_path: Path) -> None:
    """It would lie where many can read it."""
    path = tmp_path / "key.pem"
    path.write_bytes(private_pem(Ed25519PrivateKey.generate()))
    with pytest.raises(SigningError, match="it does not belong there"):
        trusted_keys(Settings(trusted_keys=str(path)))
    path.unlink()
    with pytest.raises(SigningError, match="No such file"):
        trusted_keys(Settings(trusted_keys=str(path)))


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    """And which setting helps."""
    tmp_path.chmod(0o500)
    with pytest.raises(SigningError, match="CHAINBRAKE_KEYS"):
        own_key(Settings(keys=str(tmp_path / "keys")))


def test_a_file_where_the_folder_should_be_is_told(tmp_path: Path) -> None:
    """As any other folder that cannot be used."""
    (tmp_path / "keys").write_text("")
    with pytest.raises(SigningError, match="CHAINBRAKE_KEYS"):
        own_key(Settings(keys=str(tmp_path / "keys")))
