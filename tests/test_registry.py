"""The registry: what it knows under which name, and how it says what is wrong with a file."""

from pathlib import Path

import pytest

from detectors.judge import Judge
from detectors.policy import Policy
from models.command import Action, Command
from models.errors import RegistryError
from models.event import Grade
from models.registry import EMPTY, Content, Protected, Registry, Standing, read_registry
from models.session import Workflow
from tests.builders import CHAIN, PRINCIPAL, told
from tests.ingest.scenarios import SCENARIOS, needed
from tests.test_cli import Run, run

__all__ = ["run"]  # the fixture

PAGE = Path(__file__).parent.parent / "docs" / "registry.md"
PATH = Path("registry.yaml")


def documented() -> Registry:
    """The example of the page."""
    example = PAGE.read_text().split("```yaml\n")[1].split("```")[0]
    return read_registry(example.encode(), PAGE)


def test_the_page_s_example_is_read_and_found_again() -> None:
    """Every list of the example answers the question it is there for."""
    known = documented()
    network = known.network_of("198.51.100.7")
    assert network is not None
    assert network.name == "office and agents"
    assert known.network_of("203.0.113.1") is None
    assert known.network_of("no address") is None
    assert known.knows_issuer("https://OIDC.example.com/realms/x")
    assert not known.knows_issuer("evil-oidc.example.com")
    standings = [known.standing(account) for account in ("111122223333", "555566667777", "999900001111")]
    assert standings == [Standing.OWN, Standing.PARTNER, Standing.FOREIGN]
    assert known.pipeline("example-org/infra", "refs/heads/main", "apply", "arn:aws:iam::1:role/deployer")
    assert known.pipeline("example-org/infra", "refs/heads/evil", "apply") is None
    client = known.client("okta", "0oa1example")
    assert client is not None
    assert client.scope == "users and ordinary groups"
    assert known.is_protected("aws", "arn:aws:sts::111122223333:assumed-role/chainbrake-hook/x")
    assert not known.is_protected("okta", "chainbrake-hook")
    assert known.is_shared("AKIAEXAMPLESHARED")
    assert known.may_approve("ada@example.com")
    assert not known.may_approve("mallory@example.com")
    assert known.may_approve("user:Ada@example.com"), "as some services write a person"
    assert not known.may_approve("agent:ada@example.com")
    assert not known.may_approve("group:ada@example.com")


def test_an_agent_and_a_job_are_found_by_what_a_provider_calls_them() -> None:
    """Short names and long ones, by provider, system or source."""
    known = documented()
    agent = known.agent_of("okta.system_log", "nobody", "0oa2example")
    assert agent is not None
    assert (agent.id, agent.cohort) == ("agent:support", "helpdesk")
    assert known.agent_of("vault", "support") is agent
    assert known.agent_of("aws", "support") is None
    job = known.job_of("kubernetes.audit", "system:serviceaccount:cert-manager:cert-manager")
    assert job is not None
    assert job.names == "*.svc.example.com"


def test_what_runs_without_an_agent_has_a_name() -> None:
    """A job's own, a client's, a pipeline's by the role it takes on, a responder's; strangers have none."""
    known = documented()
    names = [
        known.job_name("aws.cloudtrail", "arn:aws:sts::111122223333:assumed-role/lambda-rotation/x"),
        known.job_name("vault.audit", "cert-manager"),
        known.job_name("okta.system_log", "0oa1example"),
        known.job_name("aws.cloudtrail", "deployer"),
        known.job_name("aws.cloudtrail", "chainbrake-hook"),
        known.job_name("aws.cloudtrail", "mallory"),
    ]
    assert names == [
        "secret-rotation",
        "cert-manager/cert-manager",
        "HR sync",
        "apply",
        "our own hook",
        "",
    ]


def test_the_narrowest_network_decides() -> None:
    """A part of a network may have a name of its own."""
    content = b"networks: [{prefix: 10.0.0.0/8, name: all}, {prefix: 10.1.0.0/16, name: part}]"
    known = read_registry(content, PATH)
    names = [network.name for address in ("10.2.0.1", "10.1.0.1") if (network := known.network_of(address))]
    assert names == ["all", "part"]


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"agents: [{name: x}]", r"registry\.yaml: Object contains unknown field `name` - at `\$\.agents"),
        (b"agents: [{cohort: x}]", r"registry\.yaml: .*missing required field `id` - at `\$\.agents\[0\]`"),
        (b'{"approvers": [5]}', r"registry\.yaml: Expected `str`, got `int` - at `\$\.approvers\[0\]`"),
        (
            b"networks: [{prefix: 10.0.0.300/8}]",
            r"yaml: \$\.networks\[0\]\.prefix: .*10\.0\.0\.300",
        ),
        (b"agents: [", r"registry\.yaml: "),
    ],
)
def test_an_error_names_the_file_and_the_field(content: bytes, said: str) -> None:
    """A misspelt name is an error, not a silence."""
    with pytest.raises(RegistryError, match=said):
        read_registry(content, PATH)


def test_nothing_registered_knows_nothing() -> None:
    """An empty file is a registry like any other."""
    for known in (EMPTY, read_registry(b"", PATH)):
        assert known.agent_of("aws", "x") is None
        assert known.standing("111122223333") is Standing.FOREIGN
        assert not known.is_shared("")


@needed
def test_the_scenarios_registry_is_read_as_it_is() -> None:
    """JSON, and every list of it."""
    path = SCENARIOS / "registry.json"
    known = read_registry(path.read_bytes(), path)
    assert known.summary.startswith("16 agents, 9 jobs, 2 clients, 3 pipelines")
    agent = known.agent_of("aws", "arn:aws:sts::111122223333:assumed-role/agent-cost-analyst/conv-1")
    assert agent is not None
    assert agent.id == "agent:cost-analyst"


@pytest.mark.parametrize("listed", [False, True])
def test_who_is_listed_as_protected_is_stopped_all_the_same(*, listed: bool) -> None:
    """A responder that gives rights is no responder; whom nothing may stop, the policy says."""
    hook = Protected(provider="test", user=PRINCIPAL)
    known = Registry(Content(protected=(hook,) if listed else ()))
    assert known.is_protected("test", PRINCIPAL) is listed
    judge, workflow, ordered = Judge(Policy(), None, known), Workflow("w1"), list[Command]()
    for position, event in enumerate(told(CHAIN, grade=Grade.ATTESTED)):
        decision = judge.fold(workflow, event, position, event.at_ms)
        ordered += decision.commands if decision is not None else ()
    assert Action.KILL_SESSION in {command.action for command in ordered}


@pytest.mark.parametrize(
    ("policy", "noted"), [("name: x", True), ("budget: {protected_agents: [hook]}", False)]
)
def test_check_says_that_the_registry_protects_nobody(
    run: Run, tmp_path: Path, policy: str, *, noted: bool
) -> None:
    """Whoever lists a break-glass account there may think that it does."""
    (tmp_path / "policy.yml").write_text(policy)
    (tmp_path / "registry.yml").write_text("protected: [{provider: aws, role: hook}]")
    ran = run("check", "--policy", tmp_path / "policy.yml", "--registry", tmp_path / "registry.yml")
    assert ran.code == 0
    assert ("keeps nobody from being stopped" in ran.out) is noted
