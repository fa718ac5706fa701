"""Which detector speaks to which technique: a page made of the detectors' own tags, so that it cannot lie.

Names are those of the catalogs: MITRE ATT&CK (Enterprise), MITRE ATLAS, OWASP Top 10 for Agentic
Applications, the layers of MAESTRO (Cloud Security Alliance), NIST AI RMF 1.0.
"""

from collections.abc import Iterator
from functools import cache

from detectors.catalog import Knowledge, detectors
from detectors.ceilings import Ceilings
from detectors.decision import INHERITED, SELF_DISPOSITION, SELF_RELEASE
from detectors.policy import Policy
from models.registry import EMPTY
from stream.configuration.chain_files import builtin_names
from stream.configuration.rule_files import load_declared

COVERAGE_PAGE = "coverage.md"

CATALOGS = {
    "T": "MITRE ATT&CK",
    "AML.T": "MITRE ATLAS",
    "ASI": "OWASP Top 10 for Agentic Applications",
    "L": "Layers of MAESTRO",
    "M": "NIST AI RMF",
}
"""How an id begins: whose it is."""

TECHNIQUES = {
    "AML.T0012": "Valid Accounts",
    "AML.T0051.001": "LLM Prompt Injection: Indirect",
    "AML.T0053": "AI Agent Tool Invocation",
    "AML.T0075": "Cloud Service Discovery",
    "AML.T0084.001": "Discover AI Agent Configuration: Tool Definitions",
    "AML.T0086": "Exfiltration via AI Agent Tool Invocation",
    "AML.T0091.000": "Use Alternate Authentication Material: Application Access Token",
    "AML.T0098": "AI Agent Tool Credential Harvesting",
    "ASI01": "Agent Goal Hijack",
    "ASI02": "Tool Misuse and Exploitation",
    "ASI03": "Identity and Privilege Abuse",
    "ASI04": "Agentic Supply Chain Vulnerabilities",
    "ASI05": "Unexpected Code Execution",
    "ASI06": "Memory and Context Poisoning",
    "ASI07": "Insecure Inter-Agent Communication",
    "ASI08": "Cascading Failures",
    "ASI09": "Human-Agent Trust Exploitation",
    "ASI10": "Rogue Agents",
    "L2": "Data Operations",
    "L3": "Agent Frameworks",
    "L4": "Deployment and Infrastructure",
    "L6": "Security and Compliance",
    "L7": "Agent Ecosystem",
    "MANAGE-2.4": "Mechanisms to supersede, disengage or deactivate",
    "MAP-5.1": "Likelihood and magnitude of impacts",
    "MEASURE-2.7": "Security and resilience",
    "T1021.008": "Remote Services: Direct Cloud VM Connections",
    "T1059.009": "Command and Scripting Interpreter: Cloud API",
    "T1069": "Permission Groups Discovery",
    "T1069.003": "Permission Groups Discovery: Cloud Groups",
    "T1070": "Indicator Removal",
    "T1078": "Valid Accounts",
    "T1078.004": "Valid Accounts: Cloud Accounts",
    "T1087.004": "Account Discovery: Cloud Account",
    "T1098": "Account Manipulation",
    "T1098.001": "Account Manipulation: Additional Cloud Credentials",
    "T1098.003": "Account Manipulation: Additional Cloud Roles",
    "T1098.004": "Account Manipulation: SSH Authorized Keys",
    "T1098.006": "Account Manipulation: Additional Container Cluster Roles",
    "T1110": "Brute Force",
    "T1136": "Create Account",
    "T1136.003": "Create Account: Cloud Account",
    "T1195.002": "Supply Chain Compromise: Compromise Software Supply Chain",
    "T1199": "Trusted Relationship",
    "T1213": "Data from Information Repositories",
    "T1484.002": "Domain or Tenant Policy Modification: Trust Modification",
    "T1528": "Steal Application Access Token",
    "T1530": "Data from Cloud Storage",
    "T1531": "Account Access Removal",
    "T1537": "Transfer Data to Cloud Account",
    "T1546": "Event Triggered Execution",
    "T1548.005": "Abuse Elevation Control Mechanism: Temporary Elevated Cloud Access",
    "T1550.001": "Use Alternate Authentication Material: Application Access Token",
    "T1552.005": "Unsecured Credentials: Cloud Instance Metadata API",
    "T1552.007": "Unsecured Credentials: Container API",
    "T1555": "Credentials from Password Stores",
    "T1555.006": "Credentials from Password Stores: Cloud Secrets Management Stores",
    "T1556": "Modify Authentication Process",
    "T1556.006": "Modify Authentication Process: Multi-Factor Authentication",
    "T1556.007": "Modify Authentication Process: Hybrid Identity",
    "T1556.009": "Modify Authentication Process: Conditional Access Policies",
    "T1562": "Impair Defenses",
    "T1562.007": "Impair Defenses: Disable or Modify Cloud Firewall",
    "T1562.008": "Impair Defenses: Disable or Modify Cloud Logs",
    "T1580": "Cloud Infrastructure Discovery",
    "T1606": "Forge Web Credentials",
    "T1613": "Container and Resource Discovery",
    "T1648": "Serverless Execution",
    "T1649": "Steal or Forge Authentication Certificates",
    "T1651": "Cloud Administration Command",
}
"""Every id that a detector may carry, and some that none carries yet: known gaps are better than unknown."""

INTRODUCTION = """\
# What the detectors cover

Made by `make schema` from the tags that every finding carries; a test holds the two together. A row says that
a detector notices **some** form of a technique, on the operations it listens to: what it misses stands on its
page. How often it is right is measured elsewhere: [scorecard.md](scorecard.md).
"""


@cache
def tags_of() -> dict[str, tuple[str, ...]]:
    """The tags of every detector and of every chain that comes with the program, by its name."""
    every = detectors(Policy(), Knowledge(None, EMPTY, load_declared(Policy())))
    return {detector.name: detector.tags for detector in every}


def covered() -> dict[str, list[str]]:
    """Technique: the detectors that carry it, for all that are named here or carried by one."""
    found: dict[str, list[str]] = {technique: [] for technique in TECHNIQUES}
    for name, tags in tags_of().items():
        for tag in tags:
            found.setdefault(tag, []).append(name)
    return found


def catalog_of(tag: str) -> str:
    """Beginning of the ids of the catalog it belongs to."""
    return next((start for start in ("AML.T", "ASI", "T", "L", "M") if tag.startswith(start)), "")


def coverage_page() -> str:
    """The page."""
    return "\n".join([INTRODUCTION, *_techniques(), *_detectors()])


def _techniques() -> Iterator[str]:
    techniques = covered()
    for start, catalog in CATALOGS.items():
        own = sorted(tag for tag in techniques if catalog_of(tag) == start)
        gaps = [tag for tag in own if not techniques[tag]]
        yield f"## {catalog}\n"
        yield from ("| id | name | detectors |", "|---|---|---|")
        for tag in own:
            if techniques[tag]:
                yield f"| {tag} | {TECHNIQUES.get(tag, '')} | {_linked(techniques[tag])} |"
        yield ""
        if gaps:
            named = "; ".join(f"{tag} {TECHNIQUES[tag]}" for tag in gaps)
            yield f"Carried by no detector, though chains of agents pass through it: {named}.\n"


def _detectors() -> Iterator[str]:
    yield "## By detector\n"
    yield from ("| detector | may stop | techniques |", "|---|---|---|")
    declared = load_declared(Policy())
    may_stop = Ceilings(Policy(), declared).may_stop
    for name, tags in sorted(tags_of().items()):
        stops = "yes" if name in may_stop else "alerts only"
        yield f"| {_linked([name])} | {stops} | {', '.join(tags)} |"
    yield ""
    yield (
        f"Beside them `{SELF_RELEASE}` and `{SELF_DISPOSITION}`, which tell of an agent that asked for its "
        f"own workflow's release or judged a stop in it, "
        f"and `{INHERITED}`, which carries a parent's risk to whom it delegates to: all alert only.\n"
    )


def _linked(names: list[str]) -> str:
    chains = builtin_names()
    return ", ".join(f"[{name}]({'chains' if name in chains else 'detectors'}/{name}.md)" for name in names)
