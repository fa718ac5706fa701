"""What Vault's paths, policies and durations mean."""

from typing import Any

import pytest

from models.attested import Effect
from models.event import OpClass
from stream.sources.vault.audit import seconds
from stream.sources.vault.paths import general_path
from stream.sources.vocabularies import load_vocabulary
from tests.ingest.vault import entry, operation


@pytest.mark.parametrize(
    ("path", "mount", "general"),
    [
        ("kv/data/team/db", ("kv/", "kv"), "kv/data"),
        ("team-secrets/data/login", ("team-secrets/", "kv"), "kv/data"),
        ("old/team/data", ("old/", "kv"), "kv"),
        ("sys/policies/acl/shop", ("sys/", "system"), "sys/policies/acl"),
        ("sys/policy/shop", ("sys/", "system"), "sys/policies/acl"),
        ("sys/audit/file", ("sys/", "system"), "sys/audit"),
        ("sys/auth/okta/tune", ("sys/", "system"), "sys/auth/tune"),
        ("auth/approle/role/login/secret-id", ("auth/approle/", "approle"), "auth/approle/role/secret-id"),
        ("auth/prod-jwt/role/x", ("auth/prod-jwt/", "jwt"), "auth/jwt/role"),
        ("auth/token/create/ops", ("auth/token/", "token"), "auth/token/create"),
        ("auth/userpass/users/ann/password", ("", ""), "auth/userpass/users/password"),
        ("database/creds/shop", ("", ""), "database/creds"),
        ("pki_int/issue/web", ("pki_int/", "pki"), "pki/issue"),
        ("transit/keys/shop/config", ("transit/", "transit"), "transit/keys/config"),
        ("identity/entity/id/0a1b", ("identity/", "identity"), "identity/entity/id"),
        ("aws/config/root", ("aws/", "aws"), "aws/config/root"),
        ("database/config/root", ("database/", "database"), "database/config"),
    ],
)
def test_a_path_is_known_without_its_names(path: str, mount: tuple[str, str], general: str) -> None:
    """Whatever a mount, a role or a secret is called."""
    assert general_path(path, *mount) == general


@pytest.mark.parametrize(
    ("verb", "path", "op_class", "effect"),
    [
        ("list", "sys/policies/acl", OpClass.POLICY_READ, None),
        ("create", "sys/policies/acl/shop", OpClass.PRIVILEGE_CHANGE, Effect.EXPANDS),
        ("delete", "sys/policies/acl/shop", OpClass.PRIVILEGE_CHANGE, Effect.REMOVES),
        ("delete", "sys/audit/file", OpClass.GUARDRAIL_CHANGE, Effect.WEAKENS),
        ("update", "sys/auth/oidc", OpClass.TRUST_CHANGE, Effect.TRUST_PATH),
        ("update", "auth/jwt/config", OpClass.TRUST_CHANGE, Effect.TRUST_PATH),
        ("update", "auth/kubernetes/role/x", OpClass.TRUST_CHANGE, Effect.TRUST_PATH),
        ("update", "identity/entity-alias", OpClass.TRUST_CHANGE, Effect.TRUST_PATH),
        ("update", "identity/group/name/ops", OpClass.ROLE_MAPPING, Effect.EXPANDS),
        ("update", "sys/generate-root/attempt", OpClass.CREDENTIAL_MINT, Effect.ADMIN),
        ("read", "database/creds/shop", OpClass.SECRET_READ, Effect.SECRET_VALUE),
        ("read", "aws/creds/shop", OpClass.SECRET_READ, Effect.MINTS),
        ("update", "transit/decrypt/shop", OpClass.SECRET_READ, Effect.SECRET_VALUE),
        ("update", "transit/encrypt/shop", OpClass.OTHER, None),
        ("update", "sys/wrapping/unwrap", OpClass.SECRET_READ, Effect.SECRET_VALUE),
        ("update", "auth/token/revoke-accessor", OpClass.PRIVILEGE_CHANGE, Effect.REMOVES),
        ("update", "sys/leases/revoke", OpClass.OTHER, Effect.REMOVES),
        ("update", "auth/token/renew-self", OpClass.OTHER, None),
        ("patch", "kv/data/shop", OpClass.OTHER, None),
        ("list", "kv/metadata/shop", OpClass.DISCOVERY, None),
        ("update", "sys/invented", OpClass.UNCLASSIFIED, None),
        ("update", "homegrown/thing", OpClass.UNCLASSIFIED, None),
    ],
)
def test_operations_are_classed_by_what_they_mean(
    verb: str, path: str, op_class: OpClass, effect: Effect | None
) -> None:
    """By the engine's API; one that nobody knows stays unclassified."""
    event = operation(entry(path, verb))
    assert event.op_class is op_class
    assert effect is None or effect in event.effects


def test_metadata_and_value_of_a_secret_are_one_target() -> None:
    """So that looking at it and reading it compare equal."""
    value = operation(entry("kv/data/shop/db", "read", mount=("kv/", "kv")))
    about = operation(entry("kv/metadata/shop/db", "read", mount=("kv/", "kv")))
    assert value.target == about.target
    assert operation(entry("sys/policy/shop")).target == operation(entry("sys/policies/acl/shop")).target


@pytest.mark.parametrize(
    ("policy", "administrative"),
    [
        ('path "*" { capabilities = ["create", "read", "update", "delete", "list", "sudo"] }', True),
        ('path "sys/policies/acl/*" {\n  capabilities = ["update"]\n}', True),
        ('{"path": {"sys/*": {"capabilities": ["sudo"]}}}', True),
        ('path "kv/data/shop/*" { capabilities = ["create", "update"] }', False),
        ('path "*" { capabilities = ["read", "list"] }', False),
        ('path "*" { capabilities = ["deny"] }', False),
        ("hmac-sha256:p", False),
        ('path "' * 4000, False),
    ],
)
def test_a_policy_that_can_give_itself_anything_is_administrative(policy: str, administrative: bool) -> None:  # noqa: FBT001
    """Where the audit device shows its text; most do not."""
    event = operation(entry("sys/policies/acl/shop", data={"policy": policy}))
    assert (Effect.ADMIN in event.effects) is administrative


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        *(("768h", 2764800), ("1h30m", 5400), ("90", 90), (90, 90), ("5d", 432000), ("", None)),
        *(
            ("soon", None),
            ("5m ", None),
            (True, None),
            (-1, None),
            (1e300, None),
            ("9" * 80, None),
            ([], None),
        ),
    ],
)
def test_durations_are_read_as_vault_writes_them(written: Any, expected: int | None) -> None:
    """And nothing is guessed."""
    assert seconds(written) == expected


def test_every_pattern_of_the_vocabulary_says_something() -> None:
    """None sweeps up whatever has no name."""
    content = load_vocabulary("vault").content
    assert all(match.strip("* ") for pattern in content.patterns for match in pattern.matches)
