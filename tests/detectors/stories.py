"""Sessions that a detector must fire on, and look-alikes that it must not; all with the trained baseline.

The sentence says what is special about the session.
"""

from msgspec.structs import replace

from models.attested import Effect
from models.event import AnyEvent, CredentialKind, Operation, Origin, Outcome
from tests.builders import (
    AGENT,
    CHAIN,
    CLERKS,
    FAST,
    RARE,
    ROTATOR,
    SLOW,
    Stories,
    approval,
    asked,
    clerk_run,
    delegation,
    end,
    fast_run,
    op,
    origin,
    rotation,
    slow_run,
    told,
)
from tests.detectors import (
    stories_of_approvals,
    stories_of_changes,
    stories_of_conduct,
    stories_of_delegation,
    stories_of_labels,
    stories_of_workloads,
)

_LOOKED = told("D@0 P@30 S@60")
_WRITE = told("V@90")
_FOUR_HOURS = 4 * 3600
_IN_THE_TEXT = origin("to", Origin.TOOL, "s1#0", "body", "in")
_CLUSTER = {"system": "k8s", "operation": "k8s:create clusterrolebindings"}


def _every(seconds: float, letter: str, count: int, **changed: object) -> list[AnyEvent]:
    return [op(letter, k * seconds, **changed) for k in range(count)]


FIRES: Stories = {
    "read_then_write_chain": {
        "the four steps in a row": told(CHAIN),
        "a role is mapped at the end": told("D@0 P@30 S@60 R@90"),
        "trust is changed at the end": told("D@0 P@30 S@60 T@90"),
        "other operations stand between the steps": told("D@0 X@1 U@2 P@30 C@31 X@32 S@60 L@61 U@62 V@90"),
        "steps come more than once": told("D@0 D@1 P@2 D@3 P@4 S@5 P@6 S@7 D@8 V@90"),
        "five hundred look-ups stand between the steps": [
            *_LOOKED,
            *_every(0.01, "D", 500, session="s2"),
            *_WRITE,
        ],
        "the write is the last moment of the window": told(f"D@0 P@30 S@60 V@{_FOUR_HOURS}"),
        "one session plans and another executes": [
            *told("D@0 P@30", session="planner"),
            *told("S@60 V@90", session="executor"),
        ],
        "everything comes in the opposite order": [*reversed(told(CHAIN))],
        "the write is answered with a denial": told("D@0 P@30 S@60 V@90:denied"),
        "the event claims an approval that nobody gave": [*_LOOKED, op("V", 90, approval="approval@80")],
        "approved was another target": [*_LOOKED, approval(80, target="role/other"), *_WRITE],
        "approved was another operation": [*_LOOKED, approval(80, operation="iam:PutRolePolicy"), *_WRITE],
        "the agent approved itself": [*_LOOKED, approval(80, decided_by=AGENT, requested_by=""), *_WRITE],
        "whoever asked also approved": [
            *_LOOKED,
            approval(80, decided_by="bob", requested_by="bob"),
            *_WRITE,
        ],
        "its delegate approved": [
            *told("X@0", session="s2", agent="agent-8"),
            *_LOOKED,
            approval(80, decided_by="agent-8"),
            *_WRITE,
        ],
        "the approval came faster than a human": [*_LOOKED, approval(80, asked_s=78.001), *_WRITE],
        "the approval had expired": [*_LOOKED, approval(80, expires_ms=op("V", 89.999).at_ms), *_WRITE],
        "the approval came after the write": [*_LOOKED, approval(95.001), *_WRITE],
        "the approval had been used before": [*_LOOKED, approval(80), *told("V@85 V@90")],
        "the approval was another session's": [*_LOOKED, approval(80, session="s2"), *_WRITE],
    },
    "faster_than_human": {
        "a change three seconds after a look-up": told("D@0 V@3"),
        "a key made at once after a secret was read": told("S@0 C@0.2"),
        "a millisecond below the floor": told("P@0 V@9.999"),
        "the look-up comes after the change in the log": told("V@3 D@0"),
        "a slow role does it": told("D@0 R@3", agent_role=SLOW),
        "a fast role is faster than it ever was": told("P@0 V@0.001", agent_role=FAST),
        "other calls stand between": told("D@0 X@1 U@2 V@3"),
    },
    "unusual_velocity": {
        "a slow role looks up at a hundredth of the fast role's rate": _every(5, "D", 24, agent_role=SLOW),
        "a fast role at fifty times its own rate": _every(0.001, "V", 900, agent_role=FAST),
        "a slow role reads secrets, which it never did": _every(1, "S", 20, agent_role=SLOW),
        "the burst comes in the opposite order": _every(-5, "D", 24, agent_role=SLOW),
        "a known agent in a role it never had, faster than anybody": _every(
            0.01, "D", 200, agent_role="stranger"
        ),
    },
    "unusual_transition": {
        "a slow role does what it never does, again and again": told(
            "X@0 D@30 S@60 C@61 L@62 T@63 S@64", agent_role=SLOW
        ),
        "a fast role turns to secrets and guard rails": told("P@0 V@0.05 S@0.1 L@0.2 C@0.3", agent_role=FAST),
    },
    "unusual_shape": {
        "a deployment job ends with secrets, keys, guard rails and trust": [
            *fast_run("s1", 9),
            *told("S@30 C@31 L@32 T@33", agent_role=FAST),
        ],
        "a deployment job reads secrets and mints keys, and looks nothing up": _every(
            3, "S", 4, agent_role=FAST, target="secret/ci"
        )
        + told("C@20 C@24 L@28 T@30 R@32", agent_role=FAST),
    },
    "unfamiliar_system": {
        "a rotation job reads the same secrets in another system": rotation("s1", system="aws-prod"),
        "it is refused there": rotation("s1", system="aws-prod", outcome="denied"),
        "a rotation job mints by another issuer": [
            op("C", 0, agent_role=ROTATOR, target="svc-reports", facts={"issuer": "sts.other.org"})
        ],
    },
    "unusual_approval": {
        "a job that waits for ten minutes is answered in thirty seconds": [approval(80, asked_s=50)],
        "the session is known before": [
            *slow_run("s1", 3)[:2],
            approval(200, asked_s=195, agent=AGENT),
        ],
    },
    "unusual_ending": {
        "a clerk reads the ticket and is never heard of again": [
            *clerk_run("s1", 2)[:1],
            end(7_200, agent=CLERKS),
        ],
        "a deployment stops after its first change": [*fast_run("s1", 9)[:2], end(7_200)],
    },
    "unusual_provenance": {
        "the recipient stood in the ticket's text": clerk_run("s1", 1, _IN_THE_TEXT),
        "the recipient is the requester, out of the ticket": clerk_run(
            "s1", 1, origin("to", Origin.TOOL, "s1#0", "requester")
        ),
        "the recipient is part of the address in the directory": clerk_run(
            "s1", 1, origin("to", Origin.TOOL, "s1#2", "email", "in")
        ),
        "nobody knows the call that it came from": clerk_run(
            "s1", 1, origin("to", Origin.TOOL, "gone", "email")
        ),
    },
    "denied_then_elsewhere": {
        "another principal does it": [op("V", 0, outcome="denied"), op("V", 60, principal="svc-shared")],
        "another system does it": [op("V", 0, outcome="denied"), op("V", 60, **_CLUSTER)],
        "another system, another target": [
            op("V", 0, outcome="denied"),
            op("V", 60, target="cluster-admin", **_CLUSTER),
        ],
        "a shared credential does it": [
            op("V", 0, outcome="denied"),
            op("V", 60, credential_kind=CredentialKind.SHARED),
        ],
        "another operation to the same end": [
            op("V", 0, outcome="denied"),
            op("V", 60, operation="iam:PutRolePolicy"),
        ],
        "both were refused, and another principal does one": [
            op("V", 0, outcome="denied"),
            op("V", 1, operation="iam:PutRolePolicy", outcome="denied"),
            op("V", 60, operation="iam:PutRolePolicy", principal="svc-shared"),
        ],
        "it is allowed with a shared credential, and then another operation is": [
            op("V", 0, outcome="denied"),
            op("V", 60, credential_kind=CredentialKind.SHARED),
            op("V", 61, operation="iam:PutRolePolicy"),
        ],
        "another session of the workflow does it": [
            op("V", 0, outcome="denied"),
            op("V", 60, principal="svc-8", session="s2", agent="agent-8"),
        ],
        "a secret is had from another store": [
            op("S", 0, outcome="denied"),
            op("S", 5, system="vault", operation="kv:read"),
        ],
        "a secret is read by a delegate that has an identity of its own": [
            op("S", 0, outcome="denied"),
            op("S", 5, principal="svc-8", session="s2", agent="agent-8"),
        ],
        "the denial comes later in the log": [
            op("V", 60, principal="svc-shared"),
            op("V", 0, outcome="denied"),
        ],
        "the last moment of the window": [op("V", 0, outcome="denied"), op("V", 3600, **_CLUSTER)],
    },
    **stories_of_changes.FIRES,
    **stories_of_conduct.FIRES | stories_of_delegation.FIRES,
    **stories_of_labels.FIRES,
}

MUST_NOT: Stories = {
    "read_then_write_chain": {
        "another person approved it after a pause": [*_LOOKED, approval(80), *_WRITE],
        "it was approved five seconds after, by another clock": [*_LOOKED, approval(95), *_WRITE],
        "it was approved in other letter case": [*_LOOKED, approval(80, target="Role/App"), *_WRITE],
        "it was approved before the agent began to look": [approval(-60), *told(CHAIN)],
        "the approval was the session's that delegated it": [
            delegation(-1, "s0", "s1"),
            *_LOOKED,
            approval(80, session="s0"),
            *_WRITE,
        ],
        "the first try failed and the approved one went through": [
            approval(-60),
            *told("V@0:error D@1 P@30 S@60 V@90"),
        ],
        "the write is a moment outside the window": told(f"D@0 P@30 S@60 V@{_FOUR_HOURS + 0.001}"),
        "the write comes first": told("V@0 D@30 P@60 S@90"),
        "the secret is read before the policies": told("D@0 S@30 P@60 V@90"),
        "nothing was discovered": told("P@0 S@30 V@60"),
        "no policy was read": told("D@0 S@30 V@60"),
        "no secret was read": told("D@0 P@30 V@60"),
        "nothing was changed": told("D@0 P@30 S@60 D@90 P@120 S@150"),
        "a key is made, which is no grant": told("D@0 P@30 S@60 C@90"),
        "the secret was denied": told("D@0 P@30 S@60:denied V@90"),
        "its steps belong to two workflows": [
            *told("D@0 P@30", workflow="w1"),
            *told("S@60 V@90", workflow="w2"),
        ],
        "a step comes twice instead of another": [op("D", 0), op("D", 0), *told("P@30 V@90")],
    },
    "faster_than_human": {
        "exactly at the floor": told("P@0 V@10"),
        "somebody else looked": [op("D", 0, session="s2"), op("V", 3)],
        "approved beforehand": [approval(-60), *told("D@0 V@3")],
        "the change came first": told("V@0 D@3"),
        "the change was denied": told("D@0 V@3:denied"),
        "the look-up was denied": told("D@0:denied V@3"),
        "it read a ticket, which is no look-up": told("X@0 V@3"),
        "the role does so honestly, and that was learned": fast_run("s1", 90_001),
    },
    "unusual_velocity": {
        "a fast role at its own rate": fast_run("s1", 90_002),
        "a slow role at its own rate": slow_run("s1", 90_003),
        "agent and role seen too seldom": _every(0.01, "D", 200, agent="stranger", agent_role=RARE),
        "an agent and a role nobody trained on": _every(0.01, "D", 200, agent="a", agent_role="stranger"),
        "an agent nobody trained on, and no role told": _every(0.01, "D", 200, agent="stranger"),
        "few operations, however fast": _every(0.001, "S", 5, agent_role=SLOW),
        "what no class is known of": _every(0.01, "U", 200, agent_role=SLOW),
    },
    "unusual_transition": {
        "a fast role at work": fast_run("s1", 90_004),
        "a slow role at work": slow_run("s1", 90_005),
        "two rare operations in a row": told("X@0 D@40 R@80 R@120 X@160", agent_role=SLOW),
        "a role seen too seldom": told("X@0 S@1 C@2 L@3 T@4", agent_role=RARE),
        "a role nobody trained on": told("X@0 S@1 C@2 L@3 T@4", agent_role="stranger"),
    },
    "unusual_shape": {
        "a fast role at work": fast_run("s1", 90_006),
        "a slow role at work": slow_run("s1", 90_007),
        "a short deployment, and another one after it": [
            *fast_run("s1", 9)[:40],
            *(
                replace(event, id=f"{event.id}/2", at_ms=event.at_ms + 4_000)
                for event in fast_run("s1", 9)[:40]
            ),
        ],
        "one change at once, and nothing else": told("R@0", agent_role=SLOW),
        "look-ups alone are no other class of risk": _every(1, "D", 300, agent_role=SLOW),
        "a role seen too seldom": told("X@0 S@1 C@2 L@3 T@4", agent_role=RARE),
        "a role nobody trained on": told("X@0 S@1 C@2 L@3 T@4", agent_role="stranger"),
    },
    "unfamiliar_system": {
        "a rotation job at work": rotation("s1"),
        "it only looks around there": told("D@0 P@30 X@60", agent_role=ROTATOR, system="aws-prod"),
        "it failed there": rotation("s1", system="aws-prod", outcome="error"),
        "nobody says which system it is": rotation("s1", system=""),
        "an approval names the very change": [
            approval(50, operation="iam:CreateAccessKey", target="svc-reports"),
            op("C", 60, agent_role=ROTATOR, target="svc-reports", system="aws-prod"),
        ],
        "a role seen too seldom": told("S@0 C@1", agent_role="stranger", system="aws-prod"),
    },
    "unusual_approval": {
        "as long as ever": [approval(4_000, asked_s=1_000)],
        "faster than ever, and slow enough to think": [approval(4_000, asked_s=3_940)],
        "nobody says when it was asked for": [approval(80, requested_ms=None)],
        "it is signed for something else": [approval(80, asked_s=50, digest_fits=False)],
    },
    "unusual_ending": {
        "a clerk at work": [*clerk_run("s1", 2), end(7_200, agent=CLERKS)],
        "a deployment as long as ever": [*fast_run("s1", 9), end(7_200)],
        "its end is told at once: what it did may still arrive": [
            *clerk_run("s1", 2)[:1],
            end(1, agent=CLERKS),
        ],
        "it was idle, and goes on as ever": [
            *fast_run("s1", 9)[:2],
            *(replace(event, at_ms=event.at_ms + 600_000) for event in fast_run("s1", 9)[2:]),
            end(7_200),
        ],
        "a role seen too seldom": [*told("X@0 S@1", agent_role=RARE), end(7_200)],
        "a role nobody trained on": [*told("X@0 S@1", agent_role="stranger"), end(7_200)],
    },
    "unusual_provenance": {
        "a clerk at work": clerk_run("s1", 2),
        "the user named the recipient": clerk_run("s1", 2, asked("to")),
        "the agent made the recipient up": clerk_run("s1", 2, origin("to", Origin.UNSEEN)),
        "the odd call failed": [
            replace(event, outcome=Outcome.ERROR) if event.id == "s1#3" else event
            for event in clerk_run("s1", 2, _IN_THE_TEXT)
            if isinstance(event, Operation)
        ],
        "an agent nobody trained on": clerk_run("s1", 2, _IN_THE_TEXT, agent="stranger", agent_role=""),
        "nobody says where its arguments came from": [
            replace(event, provenance=())
            for event in clerk_run("s1", 2, _IN_THE_TEXT)
            if isinstance(event, Operation)
        ],
    },
    "denied_then_elsewhere": {
        "a retry that is allowed": told("V@0:denied V@60"),
        "retries until it is allowed": told("V@0:denied V@1:denied V@2:denied V@1800"),
        "it was broken, not denied": [op("V", 0, outcome="error"), op("V", 60, **_CLUSTER)],
        "what was refused is allowed, and then another operation is": [
            op("V", 0, outcome="denied"),
            op("V", 60),
            op("V", 61, operation="iam:PutRolePolicy"),
        ],
        "both were refused, and both were done again": [
            op("V", 0, outcome="denied"),
            op("V", 1, operation="iam:PutRolePolicy", outcome="denied"),
            op("V", 60, operation="iam:PutRolePolicy"),
            op("V", 61),
        ],
        "the other way was denied, too": [
            op("V", 0, outcome="denied"),
            op("V", 60, outcome="denied", **_CLUSTER),
        ],
        "the other way was approved": [
            op("V", 0, outcome="denied"),
            approval(50, operation=_CLUSTER["operation"]),
            op("V", 60, **_CLUSTER),
        ],
        "another target in the same system": [op("V", 0, outcome="denied"), op("V", 60, target="role/other")],
        "it was done before it was denied": [op("V", 0, **_CLUSTER), op("V", 60, outcome="denied")],
        "a moment outside the window": [op("V", 0, outcome="denied"), op("V", 3600.001, **_CLUSTER)],
        "another workflow did it": [op("V", 0, outcome="denied"), op("V", 60, workflow="w2", **_CLUSTER)],
        "a look-up was denied": [op("D", 0, outcome="denied"), op("D", 60, system="okta")],
        "the old key is deleted while the new one is refused": [
            op("C", 0, outcome="denied"),
            op("C", 60, operation="iam:DeleteAccessKey", effects=(Effect.REMOVES,)),
            op("C", 90),
        ],
        "a removal is refused, and another one done": [
            op("V", 0, operation="iam:DetachRolePolicy", effects=(Effect.REMOVES,), outcome="denied"),
            op("V", 60, operation="iam:DeleteRolePolicy", effects=(Effect.REMOVES,)),
        ],
        "a package's workload is called like its role": [
            op("V", 0, operation="create roles", target="shop/api", outcome="denied"),
            op("V", 5, operation="patch deployments", target="shop/api", target_kind="deployment"),
            op("V", 60, operation="create roles", target="shop/api"),
        ],
    },
    **stories_of_changes.MUST_NOT,
    **stories_of_conduct.MUST_NOT | stories_of_delegation.MUST_NOT,
    **stories_of_labels.MUST_NOT,
}

for _more in (stories_of_approvals, stories_of_workloads):
    for _stories, _told in ((FIRES, _more.FIRES), (MUST_NOT, _more.MUST_NOT)):
        for _name, _each in _told.items():
            _stories[_name] = _stories.get(_name, {}) | _each
