"""What a deployment knows about itself: networks, issuers, accounts, pipelines, jobs, agents, approvers.

One file, YAML or JSON, documented in `docs/registry.md`. It holds facts, no verdicts: a registered job is
not trusted, it only has a known shape. Every look-up is a pure function of the file.
"""

import re
from enum import StrEnum
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network
from pathlib import Path
from typing import Annotated, TypeVar

import msgspec
from msgspec import Meta, Struct

from models.errors import RegistryError
from models.event import Label, Name

ENTRIES_MAX = 10_000
"""Of one list; a file is at most some megabytes."""

BYTES_MAX = 16_777_216
ADDRESSES_KEPT_MAX = 16_384
"""Answers about addresses that are kept: parsing one costs more than all other look-ups."""

ALIASES = {"gh": "github", "kubernetes": "k8s", "azure": "entra", "google": "gcp"}
"""Other names under which a provider is entered."""

Entry = TypeVar("Entry")
Many = Annotated[tuple[Entry, ...], Meta(max_length=ENTRIES_MAX)]


class Standing(StrEnum):
    """How an account of a cloud stands to us."""

    OWN = "own"
    PARTNER = "partner"
    FOREIGN = "foreign"


class Network(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Addresses from which honest calls come."""

    prefix: Name
    """In CIDR notation."""
    name: Label = ""
    asn: Annotated[int, Meta(ge=0, le=4_294_967_295)] = 0
    """Noted: the prefix says it all."""


class Accounts(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Accounts, projects and tenants; whoever is in neither list is foreign."""

    own: Many[Name] = ()
    partner: Many[Name] = ()


class Pipeline(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A pipeline that may act: the claims of its tokens, and the role it takes on."""

    repo: Name
    ref: Name
    workflow: Name
    role: Label = ""
    """Empty: any."""


class Client(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A registered client of a provider, and in words what it is for."""

    provider: Name
    client: Name
    name: Label = ""
    scope: Label = ""


class Job(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Something that runs without an agent: its identities, and in words what it is for."""

    id: Label = ""
    """How it is called; else its first identity."""
    aws_role: Label = ""
    k8s_account: Label = ""
    vault_role: Label = ""
    gcp_account: Label = ""
    entra_sp: Label = ""
    okta_client: Label = ""
    github_actor: Label = ""
    keycloak_client: Label = ""
    scope: Label = ""
    names: Label = ""
    """Names that its certificates may hold."""

    @property
    def name(self) -> str:
        """How it is called."""
        return self.id or next((getattr(self, field) for field in IDENTITIES if getattr(self, field, "")), "")


class Protected(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Our hooks, responders, emergency accounts: a registered case vouches for what these take away.

    It keeps nobody from being stopped: that is the policy's `budget`.
    """

    provider: Name
    client: Label = ""
    role: Label = ""
    user: Label = ""
    account: Label = ""
    name: Label = ""


class Shared(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A credential or an account that several agents use: it says nothing about who acts."""

    provider: Name
    type: Name
    """A kind of handle, such as `aws.access_key`, or `<provider>.principal`, `<provider>.user`."""
    id: Name


class Agent(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """An agent and what it is called by each provider."""

    id: Name
    role: Label = ""
    """The job that it does; else its id."""
    cohort: Label = ""
    egress: Label = ""
    """Address from which it calls."""
    namespace: Label = ""
    aws_role: Label = ""
    okta_client: Label = ""
    entra_app: Label = ""
    entra_sp: Label = ""
    gcp_account: Label = ""
    k8s_account: Label = ""
    vault_role: Label = ""
    keycloak_client: Label = ""
    github_actor: Label = ""


class Content(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A registry file."""

    networks: Many[Network] = ()
    issuers: Many[Name] = ()
    """Hosts of the token issuers that may be trusted."""
    accounts: Accounts = Accounts()
    clusters: Many[Name] = ()
    """Noted; nothing asks yet."""
    pipelines: Many[Pipeline] = ()
    clients: Many[Client] = ()
    jobs: Many[Job] = ()
    protected: Many[Protected] = ()
    shared_accounts: Many[Shared] = ()
    approvers: Many[Name] = ()
    agents: Many[Agent] = ()


PERSON = re.compile(r"^(?:user|person|human|mailto):")
"""What services write before a person's name; an agent, a group or a service is none."""

IDENTITIES = {
    "aws_role": "aws",
    "okta_client": "okta",
    "entra_app": "entra",
    "entra_sp": "entra",
    "gcp_account": "gcp",
    "k8s_account": "k8s",
    "vault_role": "vault",
    "keycloak_client": "keycloak",
    "github_actor": "github",
}
"""Fields of agents and jobs that name an identity, and the provider that knows it."""


class Registry:
    """A registry file, ready to look things up."""

    def __init__(self, content: Content) -> None:
        self.content = content
        self._networks = sorted(
            ((ip_network(network.prefix, strict=False), network) for network in content.networks),
            key=lambda pair: -pair[0].prefixlen,
        )
        self._addresses: dict[str, Network | None] = {}
        self._issuers = frozenset(issuer.lower() for issuer in content.issuers)
        self._own, self._partner = frozenset(content.accounts.own), frozenset(content.accounts.partner)
        self._agents = _by_identity(content.agents)
        self._by_id = {agent.id: agent for agent in content.agents}
        self._jobs = _by_identity(content.jobs)
        self._clients = {(provider_of(one.provider), one.client): one for one in content.clients}
        self._protected = _protected(content.protected)
        self._owners = {one.repo.lower().partition("/")[0] for one in content.pipelines}
        self._by_role = {one.role: one for one in content.pipelines if one.role}
        self._shared = frozenset(shared.id for shared in content.shared_accounts)
        self._approvers = frozenset(person.casefold() for person in content.approvers)

    @property
    def has_scopes(self) -> bool:
        """Whether anything is registered whose terms could be left."""
        return bool(self.content.jobs or self.content.clients)

    @property
    def summary(self) -> str:
        """How much of what is registered."""
        content = self.content
        counts = {
            "agents": content.agents,
            "jobs": content.jobs,
            "clients": content.clients,
            "pipelines": content.pipelines,
            "networks": content.networks,
            "issuers": content.issuers,
            "approvers": content.approvers,
            "protected": content.protected,
            "shared": content.shared_accounts,
        }
        return ", ".join(f"{len(entries)} {name}" for name, entries in counts.items())

    def network_of(self, address: str) -> Network | None:
        """The known network that the address is in, the narrowest; None for none, or for no address."""
        if address in self._addresses:
            return self._addresses[address]
        found = self._searched(address)
        if len(self._addresses) < ADDRESSES_KEPT_MAX:
            self._addresses[address] = found
        return found

    def knows_issuer(self, issuer: str) -> bool:
        """Whether a token issuer may be trusted: its host, or its address as in `iss`."""
        host = issuer.lower().removeprefix("https://").partition("/")[0]
        return host in self._issuers

    def knows_owner(self, owner: str) -> bool:
        """Whether pipelines of an owner's repositories are ours; where none is registered, nobody can say."""
        return not self._owners or owner.lower() in self._owners

    def standing(self, account: str) -> Standing:
        """How an account, project or tenant stands to us."""
        if account in self._own:
            return Standing.OWN
        return Standing.PARTNER if account in self._partner else Standing.FOREIGN

    def agent_of(self, provider: str, *identities: str) -> Agent | None:
        """The agent that a provider knows by one of these identities."""
        return _first(self._agents, provider, identities)

    def agent(self, agent_id: str) -> Agent | None:
        """The agent of that id."""
        return self._by_id.get(agent_id)

    def job_of(self, provider: str, *identities: str) -> Job | None:
        """The job without an agent that a provider knows by one of these identities."""
        return _first(self._jobs, provider, identities)

    def client(self, provider: str, client: str) -> Client | None:
        """A registered client."""
        return self._clients.get((provider_of(provider), client))

    def pipeline(self, repo: str, ref: str, workflow: str, role: str = "") -> Pipeline | None:
        """The registered pipeline of these claims; without a role, whatever its role."""
        for known in self.content.pipelines:
            if (known.repo, known.ref, known.workflow) == (repo, ref, workflow) and (
                not role or not known.role or known.role in names_of("aws", role)
            ):
                return known
        return None

    def job_name(self, provider: str, *identities: str) -> str:
        """How what runs without an agent is called: a job, client, pipeline or responder; empty for none."""
        job = self.job_of(provider, *identities)
        if job is not None:
            return job.name
        provider = provider_of(provider)
        for identity in (name for one in identities for name in names_of(provider, one)):
            client = self._clients.get((provider, identity))
            if client is not None:
                return client.name or client.client
            if (provider, identity) in self._protected:
                return self._protected[provider, identity].name or identity
            if provider == "aws" and identity in self._by_role:
                return self._by_role[identity].workflow
        return ""

    def is_shared(self, identity: str) -> bool:
        """Whether several agents use this credential or account."""
        return identity in self._shared

    def is_protected(self, provider: str, *identities: str) -> bool:
        """Whether one of these identities is a hook, a responder or an emergency account."""
        provider = provider_of(provider)
        return any(
            (provider, name) in self._protected for one in identities for name in names_of(provider, one)
        )

    def may_approve(self, person: str) -> bool:
        """Whether somebody may approve: who is listed; where nobody is, whoever is no agent."""
        if self._approvers:
            return (
                PERSON.sub("", person.casefold()) in self._approvers or person.casefold() in self._approvers
            )
        return person not in self._by_id

    def is_approver(self, person: str) -> bool:
        """Whether somebody is listed as one whose word vouches for changes."""
        return bool(self._approvers) and self.may_approve(person)

    def _searched(self, address: str) -> Network | None:
        try:
            parsed = ip_address(address)
        except ValueError:
            return None
        return next((network for prefix, network in self._networks if parsed in prefix), None)


def provider_of(name: str) -> str:
    """A provider, system or source as the registry calls it: `aws.cloudtrail` is `aws`."""
    first = name.partition(".")[0].partition(":")[0].lower()
    return ALIASES.get(first, first)


def names_of(provider: str, identity: str) -> tuple[str, ...]:
    """What an identity is entered as: itself, or the short form of a long platform name."""
    if provider == "aws" and identity.startswith("arn:"):
        parts = identity.rpartition(":")[2].split("/")
        short = parts[1] if parts[0] == "assumed-role" and len(parts) > 1 else parts[-1]
        return (identity, short)
    if provider == "k8s" and identity.startswith("system:serviceaccount:"):
        return (identity, identity.removeprefix("system:serviceaccount:").replace(":", "/", 1))
    return (identity,)


def read_registry(content: bytes, path: Path) -> Registry:
    """A registry file's bytes. Raises `RegistryError` with the file and the field that is wrong."""
    if len(content) > BYTES_MAX:
        raise RegistryError(f"{path}: {len(content)} bytes, at most {BYTES_MAX} are read")
    decode = msgspec.json.decode if content.lstrip().startswith(b"{") else msgspec.yaml.decode
    try:
        read = decode(content or b"{}", type=Content | None) or Content()
    except (msgspec.DecodeError, ValueError, RecursionError) as error:
        raise RegistryError(f"{path}: {error}") from error
    for place, network in enumerate(read.networks):
        _checked(network.prefix, f"{path}: $.networks[{place}].prefix")
    entered: set[str] = set()
    for place, agent in enumerate(read.agents):
        if agent.id in entered:  # only the first would be known by what both are called
            raise RegistryError(f"{path}: $.agents[{place}].id: {agent.id!r} is entered twice")
        entered.add(agent.id)
    return Registry(read)


def _checked(prefix: str, where: str) -> IPv4Network | IPv6Network:
    try:
        return ip_network(prefix, strict=False)
    except ValueError as error:
        raise RegistryError(f"{where}: {error}") from error


Known = TypeVar("Known", Agent, Job)


def _by_identity(entries: tuple[Known, ...]) -> dict[tuple[str, str], Known]:
    found: dict[tuple[str, str], Known] = {}
    for entry in entries:
        for field, provider in IDENTITIES.items():
            identity = getattr(entry, field, "")
            if identity:
                found.setdefault((provider, identity), entry)
    return found


def _first(known: dict[tuple[str, str], Known], provider: str, identities: tuple[str, ...]) -> Known | None:
    provider = provider_of(provider)
    for identity in identities:
        for name in names_of(provider, identity):
            entry = known.get((provider, name))
            if entry is not None:
                return entry
    return None


def _protected(entries: tuple[Protected, ...]) -> dict[tuple[str, str], Protected]:
    return {
        (provider_of(entry.provider), identity): entry
        for entry in entries
        for identity in (entry.client, entry.role, entry.user, entry.account)
        if identity
    }


EMPTY = Registry(Content())
"""Nothing registered: every look-up says so."""
