"""Made-up records of Entra and Azure: a key, a policy, and a sample of each kind."""

from typing import Any

from tests.ingest.clouds import (
    azure,
    changed,
    directory,
    graph,
    sign_in,
    thing,
    vault,
)

KEYS = "Update application – Certificates and secrets management "  # noqa: RUF001 - as the log writes it


ROLE = "Add member to role"


CONSENT = "Consent to application"


CA = "Update conditional access policy"


GROUP_SCOPE = "/subscriptions/sub-1/resourceGroups/rg-1"


IDENTITY = f"{GROUP_SCOPE}/providers/Microsoft.ManagedIdentity/userAssignedIdentities/mi-1"


FEDERATE = "MICROSOFT.MANAGEDIDENTITY/USERASSIGNEDIDENTITIES/FEDERATEDIDENTITYCREDENTIALS/WRITE"


CLUSTER = f"{GROUP_SCOPE}/providers/Microsoft.ContainerService/managedClusters/aks-1"


OWNER = "8e3af657-a8ff-443c-a75c-2fe8c4bcb635"


def key(identifier: str) -> str:
    """A key as Entra describes it."""
    return f"[KeyIdentifier={identifier},KeyType=Password,KeyUsage=Verify,DisplayName=x]"


def keys(old: list[str], new: list[str], activity: str = KEYS) -> dict[str, Any]:
    """An application's keys change."""
    described = changed("KeyDescription", [key(each) for each in old], [key(each) for each in new])
    return directory(activity, thing("Application", "crm", described))


def access(old: Any, new: Any) -> dict[str, Any]:
    """A conditional access policy changes."""
    return directory(CA, thing("Policy", "MFA", changed("ConditionalAccessPolicy", old, new)))


SAMPLES = [
    directory(
        ROLE, thing("User", "ada@x.example", changed("Role.DisplayName", None, "Global Administrator"))
    ),
    keys([], ["11111111-aaaa"]),
    directory(
        CONSENT, thing("ServicePrincipal", "crm", changed("ConsentAction.Permissions", None, "[Mail.Read]"))
    ),
    access({"state": "enabled", "grantControls": {"builtInControls": ["mfa"]}}, {"state": "disabled"}),
    graph("GET", "/v1.0/users/ada@x.example/memberOf?$top=9"),
    azure(
        FEDERATE,
        f"{IDENTITY}/federatedIdentityCredentials/ci",
        {"properties": {"issuer": "https://e.example"}},
    ),
    vault("SecretGet", "secrets/db/0123456789abcdef0123456789abcdef?api-version=7.4"),
    sign_in(),
    {"records": [sign_in(), graph("GET", "/v1.0/groups")]},
]
