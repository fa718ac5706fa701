"""A path of Vault's API, in the words of a vocabulary: the engine, and the words of its API without names.

`kv/data/team/db` is `kv/data`, `auth/approle/role/deploy/secret-id` is `auth/approle/role/secret-id`. A mount
may have any name, so the engine comes from the audit entry's `mount_type` where it has one.
Paths: HashiCorp Vault and OpenBao, HTTP API reference.
"""

from functools import lru_cache

SEGMENTS_MAX = 24
PATHS_KEPT = 8_192

KV_WORDS = frozenset({"data", "metadata", "delete", "undelete", "destroy", "subkeys", "config"})
"""First words of the second version of kv; a path without one of them is the first version's."""

ENGINES = {
    "system": "sys",
    "ns_system": "sys",
    "generic": "kv",
    "ns_cubbyhole": "cubbyhole",
    "ns_identity": "identity",
    "ns_token": "token",
    "openldap": "ldap",
}
"""Types of mount whose API is known under another name."""

_NAMED = """
sys: acl policy rgp egp password audit audit-hash auth mounts revoke-prefix revoke-force renew
sys: revoke namespaces catalog rate-limit lease-count request-headers
token: create lookup renew revoke roles revoke-orphan revoke-prefix
approle: role
jwt: role
oidc: role
kubernetes: role roles creds
userpass: users login
ldap: users groups login role static-role static-cred creds library
okta: users groups login
radius: users login
github: teams users
cert: certs crls role
aws: role roles creds sts static-creds static-roles identity-accesslist certificate
azure: role roles creds static-creds static-roles
gcp: role roleset key token static-account impersonated-account
alicloud: role creds
database: config creds static-creds roles static-roles rotate-root rotate-role reset
pki: issue sign roles cert issuer key sign-verbatim
ssh: sign creds roles issue
transit: keys encrypt decrypt sign verify hmac rewrap export backup restore cmac plaintext wrapped
transit: encryption-key signing-key hmac-key public-key
totp: keys code
identity: id name key role token provider client assignment scope login-enforcement
consul: creds roles
nomad: creds role
rabbitmq: creds roles
terraform: creds role rotate-role
mongodbatlas: creds roles
"""

_WORDS = """
acl rgp egp policies policy password audit audit-hash auth mounts tune leases lookup renew revoke
revoke-prefix revoke-force count namespaces plugins catalog reload quotas rate-limit lease-count
config auditing request-headers cors ui control-group state seal unseal seal-status health leader
ha-status host-info metrics rotate rekey rekey-recovery-key init update verify backup generate-root
generate-recovery-token attempt raw wrapping wrap unwrap rewrap tools random hash capabilities
capabilities-self capabilities-accessor internal counters activity specs storage raft snapshot
snapshot-force configuration remove-peer autopilot remount status step-down license replication
version-history in-flight-req pprof monitor loggers mfa method events subscribe keyring key-status
create create-orphan lookup-self lookup-accessor renew-self renew-accessor revoke-self
revoke-accessor revoke-orphan roles role accessors tidy login role-id secret-id custom-secret-id
secret-id-accessor destroy delete undelete data metadata subkeys users groups map teams certs crls
oidc auth_url callback creds static-creds static-cred static-roles static-role rotate-root
rotate-role reset sts root roleset key token static-account impersonated-account rotate-key
connection issue sign sign-verbatim sign-self-issued sign-intermediate intermediate generate
cross-sign set-signed ca ca_chain crl cert issuers issuer urls import bundle revoke-with-key acme
cluster public_key zeroaddress keys encrypt decrypt hmac datakey plaintext wrapped export trim
encryption-key signing-key hmac-key public-key restore csr set-certificate cache-config code entity
entity-alias group group-alias id name batch-delete merge provider client assignment scope
introspect authorize userinfo well-known persona totp duo okta pingid login-enforcement
admin-generate admin-destroy library check-out check-in manage access authorize
identity-accesslist roletag-denylist certificate tidy-status
"""


def _named() -> dict[str, frozenset[str]]:
    named: dict[str, frozenset[str]] = {}
    for line in _NAMED.strip().splitlines():
        engine, _, words = line.partition(": ")
        named[engine] = named.get(engine, frozenset()) | frozenset(words.split())
    return named


NAMED = _named()
"""Words that a name follows, by engine: whatever stands behind them is dropped."""

WORDS = frozenset(_WORDS.split())
"""Words of the API, whatever the engine."""


@lru_cache(PATHS_KEPT)
def general_path(path: str, mount_point: str = "", mount_type: str = "") -> str:
    """The path without names, under its engine's name; `mount_point` as Vault writes it, `kv/`."""
    segments = [segment for segment in path.split("/") if segment]
    known = [segment for segment in mount_point.split("/") if segment]
    if known and segments[: len(known)] == known:
        auth, rest = known[0] == "auth", segments[len(known) :]
        engine = mount_type or known[-1]
    else:
        auth = segments[:1] == ["auth"]
        skipped = 2 if auth else 1
        engine, rest = "".join(segments[skipped - 1 : skipped]), segments[skipped:]
    engine = ENGINES.get(engine, engine)[:64]
    if engine == "kv":
        words = rest[:1] if rest and rest[0] in KV_WORDS else []
    else:
        words = _words(engine, rest[:SEGMENTS_MAX])
    return "/".join((*(("auth",) if auth else ()), engine, *words))


def _words(engine: str, segments: list[str]) -> list[str]:
    named = NAMED.get(engine, frozenset())
    kept: list[str] = []
    skip = False
    for segment in segments:
        if skip:
            skip = False
            continue
        if segment in WORDS:
            kept.append(segment)
            skip = segment in named
    if engine == "sys" and kept[:1] == ["policy"]:
        kept = ["policies", "acl", *kept[1:]]  # the older name of the same
    return kept


def canonical_path(path: str, general: str) -> str:
    """The thing that a path is about: a secret has one name, whether its value or its metadata is meant."""
    engine, _, word = general.partition("/")
    if engine == "kv" and word in {"metadata", "delete", "undelete", "destroy", "subkeys"}:
        return path.replace(f"/{word}/", "/data/", 1)
    if general.startswith("sys/policies/acl") and path.startswith("sys/policy"):
        return path.replace("sys/policy", "sys/policies/acl", 1)
    return path
