"""The policy: which risk leads to which response. The only home of thresholds.

Every number a detector or the judge compares with stands here, with its default, its unit and its limits.
A policy file (YAML) names only what it changes; a misspelt name is an error, not a silence.
"""

from hashlib import sha256
from pathlib import Path
from typing import Annotated

import msgspec
from msgspec import Meta, Struct

from detectors.thresholds import DetectorSettings
from detectors.units import HOUR, MINUTE, SECOND, DurationMs, Share
from models.command import RANK, STOPS, Action
from models.errors import PolicyError
from models.event import Grade, Name

FILES_MAX = 64
CHAINS_MAX = 1_000
"""Declared chains and Sigma rules, all together."""


class Level(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """From `risk_min` on, the session stands at this level and its actions are due, once."""

    name: Name
    """What messages and the reason call it."""
    risk_min: Annotated[float, Meta(gt=0.0, le=1.0)]
    """From this risk on."""
    actions: Annotated[tuple[Action, ...], Meta(min_length=1, max_length=4)]
    """What is ordered, all of it at once, a release never; `revoke_token` of a shared credential becomes
    `kill_session`."""
    lifetime_ms: DurationMs = 24 * HOUR
    """How long the verdict stands unless it is released: then the session may earn it anew."""


class ApprovalSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What an approval has to be like to count."""

    pause_ms_min: Annotated[int, Meta(ge=0)] = 2 * SECOND
    """Between asking and answering; a faster answer was nobody's decision."""
    answer_within_ms: Annotated[int, Meta(ge=0, le=10 * MINUTE)] = 30 * SECOND
    """After an act that was asked for, how long its answer may still be on its way: until then a human is
    asked and nobody stopped. 0: an answer has to be there first."""
    lifetime_ms: DurationMs = 8 * HOUR
    """Of an approval, or an incident, that does not say when it expires."""


class CommandSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How a command is followed up."""

    acknowledge_within_ms: DurationMs = 5 * SECOND
    """Then an unacknowledged stop is sent again."""
    resends_max: Annotated[int, Meta(ge=0, le=10)] = 2
    """How often it is sent again before it escalates."""
    escalate_to: Action = Action.QUARANTINE_WORKFLOW
    """What an unacknowledged stop turns into after its last resend; a stop, too."""


class BudgetSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A limit on our own blast radius; over it, stops degrade to step-up and page."""

    stops_per_minute_max: Annotated[int, Meta(ge=1)] = 60
    """Sessions stopped in one minute of arrival, over all workers."""
    protected_agents: tuple[Name, ...] = ()
    """Agents that are never stopped: a human is asked instead. Attested events say whose session it is."""
    protected_principals: tuple[Name, ...] = ()
    """Accounts that are never stopped, our own hooks among them; by attested events, too."""


class FleetSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Limits over all sessions and workers; what they find only alerts, see `stream/worker/fleet.py`."""

    principal_operations_per_minute_max: Annotated[int, Meta(ge=1)] = 600
    """Changes and secret reads of one principal, over all its sessions."""


class LearningSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Who may teach a baseline; see `docs/baselines.md`."""

    sessions_per_agent_day_max: Annotated[int, Meta(ge=1)] = 10_000
    """Of one source, agent and day, so many sessions teach, spread evenly: a flood teaches no more."""
    times_usual_day_max: Annotated[float, Meta(ge=1.0)] = 4.0
    """The same cap as a multiple of the agent's median day, once five days of it are known."""
    usual_share_min: Annotated[float, Meta(ge=0.0, le=1.0)] = 0.25
    """A detector that goes by habits keeps its sessions out, unless it alerts in more of a job's sessions."""


class ChainOverride(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a policy changes of a declared chain, built in or not; None leaves it as declared."""

    enabled: bool | None = None
    """Off: it is not asked."""
    within_ms: DurationMs | None = None
    """From its first step to its last."""
    confidence: Annotated[float, Meta(gt=0.0, le=1.0)] | None = None
    """How sure its finding is."""
    response: Action | None = None
    """The strongest response that it may lead to; a release is none."""


class Policy(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Levels, what may stop, and the settings of every detector."""

    name: Name = "default"
    """Part of the version that every finding and command carries."""
    levels: Annotated[tuple[Level, ...], Meta(min_length=1, max_length=8)] = (
        Level(name="watch", risk_min=0.30, actions=(Action.OBSERVE,), lifetime_ms=1 * HOUR),
        Level(name="step-up", risk_min=0.55, actions=(Action.STEP_UP,), lifetime_ms=1 * HOUR),
        Level(name="stop", risk_min=0.85, actions=(Action.KILL_SESSION, Action.REVOKE_TOKEN)),
    )
    """Mildest first; `risk_min` and the strongest action must both rise."""
    may_stop: tuple[Name, ...] = (
        "read_then_write_chain",
        "denied_then_elsewhere",
        "unapproved_change",
        "guardrail_tampering",
        "trust_opened",
        "credential_for_another",
        "outside_plan",
        "bad_approval",
        "three_systems",
        "secret_then_change",
        "unfamiliar_act",
        "mass_secret_read",
        "workload_elsewhere",
        "outside_scope",
        "shared_account",
        "scouted_credential",
    )
    """Only these findings count towards a stop; the others may alert and ask for step-up."""
    grades_that_stop: tuple[Grade, ...] = (Grade.ATTESTED, Grade.OBSERVED)
    """Findings on weaker evidence do not count towards a stop."""
    wrong_stops_per_1000_sessions: Annotated[float, Meta(gt=0.0, le=500.0)] = 10.0
    """The budget of what is learned: of a thousand honest sessions, so many may be called surprising."""
    half_life_ms: DurationMs = 15 * MINUTE
    """In this time, of the event's clock, a finding loses half its weight."""
    inherited_share: Share = 0.5
    """Of a parent's risk, what a delegated session starts with."""
    idle_ms: DurationMs = 1 * HOUR
    """A session that was silent for longer starts anew; what it was stopped for stays."""
    lateness_ms: DurationMs = 5 * MINUTE
    """An event that is later than this, against its session's newest, is judged and counted as late."""
    future_ms_max: DurationMs = 5 * MINUTE
    """An event dated further ahead of its arrival is a dead letter: it would freeze every window."""
    past_ms_max: DurationMs = 7 * 24 * HOUR
    """An event dated further behind its arrival is a dead letter: nothing can be stopped any more."""
    shadow: bool = False
    """Decide and publish, but mark every command as not to be acted on."""
    detectors: DetectorSettings = DetectorSettings()
    approvals: ApprovalSettings = ApprovalSettings()
    commands: CommandSettings = CommandSettings()
    budget: BudgetSettings = BudgetSettings()
    fleet: FleetSettings = FleetSettings()
    learning: LearningSettings = LearningSettings()
    chain_files: Annotated[tuple[Name, ...], Meta(max_length=FILES_MAX)] = ()
    """Chains of your own: YAML files, or folders of them; see [chains](chains.md)."""
    sigma_files: Annotated[tuple[Name, ...], Meta(max_length=FILES_MAX)] = ()
    """Sigma rules: files, or folders of them; see [sigma](sigma.md)."""
    chains: Annotated[dict[Name, ChainOverride], Meta(max_length=CHAINS_MAX)] = {}
    """What to change of declared chains, by name."""

    def __post_init__(self) -> None:
        rising = [level.risk_min for level in self.levels]
        if rising != sorted(set(rising)):
            raise ValueError("levels: risk_min must rise from one level to the next")
        ranks = [max(RANK[action] for action in level.actions) for level in self.levels]
        if ranks != sorted(set(ranks)):
            raise ValueError("levels: the strongest action must rise from one level to the next")
        if any(Action.RELEASE_SESSION in level.actions for level in self.levels):
            raise ValueError("levels: release_session is not a response to risk")
        if any(change.response is Action.RELEASE_SESSION for change in self.chains.values()):
            raise ValueError("chains: release_session is not a response to risk")
        unknown = set(self.may_stop) - set(DetectorSettings.__struct_fields__)
        if unknown:
            known = ", ".join(DetectorSettings.__struct_fields__)
            raise ValueError(f"may_stop: unknown detector {', '.join(sorted(unknown))}; known are {known}")
        if self.commands.escalate_to not in STOPS:
            raise ValueError("commands.escalate_to: must be one of " + ", ".join(sorted(STOPS)))

    @property
    def version(self) -> str:
        """Name and digest of everything in it: two policies with one version decide alike."""
        return f"{self.name}@{sha256(msgspec.json.encode(self, order='deterministic')).hexdigest()[:12]}"

    @property
    def memory_ms(self) -> int:
        """How long anything can still matter: a workflow that was silent for longer may be forgotten."""
        chain, denied = self.detectors.read_then_write_chain, self.detectors.denied_then_elsewhere
        stops = (level.lifetime_ms for level in self.levels)
        return max(self.idle_ms, chain.within_ms, denied.within_ms, *stops) + self.lateness_ms


def read_policy(content: bytes, path: Path) -> Policy:
    """A policy file's bytes as a policy. Raises `PolicyError` with the path of the field that is wrong."""
    try:
        read: Policy | None = msgspec.yaml.decode(content or b"{}", type=Policy | None)
    except (msgspec.DecodeError, ValueError, RecursionError) as error:  # YAML reads 2001-13-45 as a date
        raise PolicyError(f"{path}: {error}") from error
    return Policy() if read is None else read  # all in it is a comment


def write_policy(policy: Policy) -> bytes:
    """The policy as YAML, with every default spelt out."""
    return msgspec.yaml.encode(policy)
