"""Whether a policy of Vault is administrative, where the audit device shows its text.

Format: policies of Vault in HCL or JSON: `path "sys/*" { capabilities = ["sudo", "update"] }`.
"""

import re
from typing import Any

from stream.sources.reading import NESTED_MAX

STANZA = re.compile(r'path"?\s*:?\s*[{"]?\s*"([^"\n]{1,256})"\s*:?\s*\{([^{}]{0,4096})\}')
SHORT = re.compile(r'"([^"\n]{1,256})"\s*:\s*\{\s*"(?:capabilities|policy)"\s*:([^{}]{0,4096})\}')
CAPABILITY = re.compile(r'"(sudo|root|create|update|patch|write|delete|read|list|deny)"')
WRITES = frozenset({"create", "update", "patch", "write", "sudo", "root"})
GRANTING = (
    "*",
    "+/*",
    "sys/*",
    "sys/policies/*",
    "sys/policies/acl/*",
    "sys/policy/*",
    "auth/*",
    "auth/token/*",
)
"""Paths whose writing lets a token give itself anything else."""


def administrative(policy: Any) -> bool:
    """Whether the text lets its holder give itself anything else; a hidden text says nothing."""
    if not isinstance(policy, str) or len(policy) > NESTED_MAX:
        return False
    for stanzas in (STANZA, SHORT):
        for path, body in stanzas.findall(policy):
            may = set(CAPABILITY.findall(body))
            if path in GRANTING and may & WRITES and "deny" not in may:
                return True
    return False
