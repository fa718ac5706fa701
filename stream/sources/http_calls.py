"""A tool server's HTTP call, in the words of a vocabulary: whose API, which method, which resource.

`models/vocabulary/http_calls.json` names calls as `okta GET /api/v1/users/{}`: a name or id is written `{}`,
query strings are left out. Which calls a platform's own log holds as well is said by `only_seen_here`.
"""

import re

from msgspec import Struct

from stream.sources.reading import name

HOSTS = (
    ("okta", (".okta.com", ".oktapreview.com", ".okta-emea.com", ".okta-gov.com")),
    ("graph", ("graph.microsoft.com", "graph.microsoft.us", "microsoftgraph.chinacloudapi.cn")),
    ("keyvault", (".vault.azure.net", ".vault.usgovcloudapi.net", ".vault.azure.cn")),
    ("azure", ("management.azure.com", "management.usgovcloudapi.net", "management.chinacloudapi.cn")),
    ("gcp", (".googleapis.com",)),
    ("aws", (".amazonaws.com", ".amazonaws.com.cn")),
    ("github", ("api.github.com",)),
)
"""APIs by the end of their host's name."""

HEADERS = (
    ("okta", "http.response.header.x-okta-request-id"),
    ("github", "http.response.header.x-github-request-id"),
    ("kubernetes", "http.response.header.audit-id"),
)
"""APIs that answer under a name of their owner's choice, by what they answer with."""

KEYCLOAK_PATH = re.compile(r"^(?:/auth)?/admin/realms/[^/]+(?:/(.*))?$")
VERSION = re.compile(r"^/(?:v\d+(?:\.\d+)?|beta)(?=/|$)")
SEGMENTS_MAX = 16

WORD = re.compile(r"^(?:[A-Za-z$][A-Za-z_$.-]{0,39}|oauth2[A-Za-z]*|v\d{1,2})$")
"""A segment of a path that is part of the API, if it is not what stands behind a collection."""

COLLECTIONS = frozenset(
    {
        *(
            "users",
            "groups",
            "apps",
            "applications",
            "servicePrincipals",
            "policies",
            "rules",
            "zones",
            "idps",
        ),
        *("devices", "clients", "roles", "roles-by-id", "client-scopes", "secrets", "certificates", "keys"),
        *("directoryRoles", "administrativeUnits", "organizations", "orgs", "members", "owners", "factors"),
        *(
            "authorizationServers",
            "trustedOrigins",
            "tokens",
            "api-tokens",
            "instances",
            "federated-identity",
        ),
        *("collaborators", "teams", "environments", "installations", "managedIdentities"),
    }
)
"""What holds things by name or id: the segment behind one of these is a name, whatever it looks like."""

AFTER_COLLECTION = frozenset({"me", "count", "$count", "delta", "$ref", "public-key", "rules"})
"""Words that may stand there instead."""


class Call(Struct, frozen=True):
    """One HTTP call."""

    api: str
    """Whose API; empty where unknown."""
    method: str
    path: str
    """With `{}` for every name and id, and without version."""
    target: str
    """The last name or id in the path; for none, its last word."""

    @property
    def named(self) -> str:
        """As the vocabulary names it."""
        return name(f"{self.api} {self.method} {self.path}")


def api_of(host: str, path: str, headers: frozenset[str]) -> str:
    """Whose API is called; empty where nothing tells."""
    host = host.partition(":")[0].lower()
    for api, ends in HOSTS:
        if host.endswith(ends):
            return api
    if KEYCLOAK_PATH.match(path):
        return "keycloak"
    return next((api for api, header in HEADERS if header in headers), "")


def call_of(api: str, method: str, path: str) -> Call:
    """The call as the vocabulary names it. `path` may be an URL's, with its query."""
    path = path.partition("?")[0].partition("#")[0]
    if api == "keycloak":
        found = KEYCLOAK_PATH.match(path)
        path = f"/{(found[1] or '') if found else path.strip('/')}"
    elif api == "graph":
        path = VERSION.sub("", path)
    kept, target, collection = [], "", False
    for segment in [part for part in path.split("/") if part][:SEGMENTS_MAX]:
        named = WORD.match(segment) is None or (collection and segment not in AFTER_COLLECTION)
        kept.append("{}" if named else segment)
        if named:
            target = segment
        collection = not named and segment in COLLECTIONS
    return Call(api, method.upper()[:16], "/" + "/".join(kept), name(target or (kept[-1] if kept else "")))


LOGGED_READS = frozenset({"keyvault", "azure", "gcp", "aws", "kubernetes"})
"""APIs whose own log holds reads and refused calls too: their spans tell nothing that it does not."""


def only_seen_here(api: str, method: str, *, refused: bool) -> bool:
    """Whether the platform's own log lacks the call.

    Okta, Keycloak and GitHub log no reads of the directory, and Microsoft Graph only where activity logs are
    bought; Keycloak and GitHub log no refused calls.
    """
    if not api or api in LOGGED_READS:
        return False
    if method in {"GET", "HEAD"}:
        return True
    return refused and api in {"keycloak", "github"}
