"""Stories of grants, trust, credentials and guard rails, and of what vouches for a change of them."""

from typing import Any

from models.acknowledgement import LEDGER
from models.attested import Effect
from models.event import AnyEvent, CredentialKind
from tests.builders import (
    AGENT,
    PRINCIPAL,
    ROTATOR,
    Stories,
    approval,
    op,
    registered,
    rotation,
    told,
)

GRANT: dict[str, Any] = {"effects": (Effect.EXPANDS,), "facts": {"granted": "policy/reader"}}
ADMIN: dict[str, Any] = {
    "effects": (Effect.EXPANDS, Effect.ADMIN),
    "facts": {"granted": "AdministratorAccess"},
}
KEY: dict[str, Any] = {
    "effects": (Effect.MINTS, Effect.LONG_LIVED),
    "facts": {"beneficiary": "svc-backup", "minted": "KEY9"},
}
OPENED: dict[str, Any] = {
    "effects": (Effect.TRUST_PATH, Effect.EXPANDS),
    "facts": {"foreign_account": "999900001111"},
}
WEAKER: dict[str, Any] = {"effects": (Effect.WEAKENS,), "target_kind": "user"}
LOGIN: dict[str, Any] = {"effects": (Effect.MINTS,), "operation": "sts:AssumeRoleWithWebIdentity"}
TICKET: dict[str, Any] = {"effects": (Effect.UNTRUSTED,), "facts": {"author": "unauthenticated"}}
COMMENT: dict[str, Any] = {"effects": (Effect.OUTBOUND,), "operation": "ticket:Comment"}
PLANNED: list[AnyEvent] = [
    approval(-30, operation="pipeline.apply", target="sha256:aa"),
    registered("plan", -100, "sha256:aa", targets=("iam:role/app", "iam:policy/app")),
    registered("plan_started", -10, "sha256:aa"),
]

FIRES: Stories = {
    "unapproved_change": {
        "an administrator is made": [op("V", 0, **ADMIN)],
        "a grant that nobody knows of": [op("V", 0, **GRANT)],
        "a grant to the caller itself": [
            op("R", 0, effects=(Effect.EXPANDS,), facts={"beneficiary": PRINCIPAL, "granted": "role/owner"})
        ],
        "rights over everything": [op("V", 0, effects=(Effect.EXPANDS, Effect.WIDE))],
        "it was denied": [op("V", 0, outcome="denied", **ADMIN)],
        "approved was the target, but another policy": [
            approval(-10, target="role/app:policy/reader"),
            op("V", 0, **ADMIN),
        ],
        "approved was another user's membership": [
            approval(-10, operation="iam:AddUserToGroup", target="eve->role/app"),
            op("R", 0, effects=(Effect.EXPANDS,), facts={"beneficiary": "mallory"}),
        ],
        "the change is registered for other users": [
            registered("change", -10, targets=("eve", "bob")),
            op("R", 0, effects=(Effect.EXPANDS,), facts={"beneficiary": "mallory"}),
        ],
        "the incident is over": [
            registered("incident", -600, "inc-1", targets=("breakglass",)),
            registered("incident_closed", -10, "inc-1"),
            op("R", 0, effects=(Effect.EXPANDS, Effect.ADMIN), facts={"beneficiary": "breakglass"}),
        ],
        "the exercise is in another account": [
            registered("exercise", -10, targets=("lab-1",)),
            op("V", 0, effects=(Effect.EXPANDS, Effect.ADMIN), facts={"account": "prod-1"}),
        ],
        "the exercise has ended": [
            registered("exercise", -100, targets=("lab-1",), expires_ms=op("V", -1).at_ms),
            op("V", 0, effects=(Effect.EXPANDS, Effect.ADMIN), facts={"account": "lab-1"}),
        ],
        "the agent registered its own change": [
            registered("change", -10, decided_by=AGENT, targets=("role/app",)),
            op("V", 0, **GRANT),
        ],
    },
    "guardrail_tampering": {
        "a trail is stopped": [op("L", 0, effects=(Effect.WEAKENS,))],
        "a policy for all is loosened": [op("V", 0, effects=(Effect.WEAKENS, Effect.WIDE))],
        "one user's factors are reset": [op("V", 0, target="user/eve", **WEAKER)],
        "two users' factors are reset": [op("V", k, target=f"user/{k}", **WEAKER) for k in range(2)],
    },
    "trust_opened": {
        "a foreign account is let in": [op("T", 0, **OPENED)],
        "an issuer that nobody registered": [
            op("T", 0, effects=(Effect.TRUST_PATH,), facts={"issuer": "login.example.net"})
        ],
        "the migration registered another issuer": [
            registered("change", -10, targets=("login.example.com",)),
            op("T", 0, effects=(Effect.TRUST_PATH,), facts={"issuer": "login.example.net"}),
        ],
    },
    "credential_for_another": {
        "a lasting key for somebody else": [op("C", 0, target="user/svc-backup", **KEY)],
        "a token from a shared key outlives it": [
            op(
                "C",
                0,
                credential_kind=CredentialKind.SHARED,
                effects=(Effect.MINTS, Effect.LONG_LIVED),
                facts={"minted": "TOK1"},
            )
        ],
        "a rotation job makes a key for another owner": [
            *rotation("s1"),
            op("C", 70, agent_role=ROTATOR, target="user/svc-backup", **KEY),
        ],
    },
    "outside_plan": {
        "a role that is not in the plan": [*PLANNED, op("V", 0, target="role/breakglass", **GRANT)],
        "a plan starts that nobody approved": [
            registered("plan", -100, "sha256:aa", targets=("iam:role/app",)),
            registered("plan_started", -10, "sha256:aa"),
        ],
        "another plan starts than the approved one": [
            *PLANNED[:2],
            registered("plan_started", -10, "sha256:bb"),
        ],
        "an exercise goes on in production": [
            registered("exercise", -10, targets=("lab-1",)),
            op("S", 0, facts={"account": "prod-1"}),
        ],
        "the pipeline approved its own plan": [
            approval(-30, operation="pipeline.apply", target="sha256:aa", decided_by="s1", requested_by="s1"),
            *PLANNED[1:],
        ],
    },
    "bad_approval": {
        "whoever asked approves": [op("D", -100), approval(0, decided_by=AGENT, requested_by=AGENT)],
        "in less than a second": [approval(0, asked_s=-0.4)],
        "both": [op("D", -100), approval(0, asked_s=-0.4, decided_by=AGENT)],
    },
    "three_systems": {
        "ticket, directory, secret, and a comment": [
            op("X", 0, **TICKET),
            *told("D@10 S@20"),
            op("X", 30, **COMMENT),
        ],
        "a role is mapped instead of a comment": [op("X", 0, **TICKET), *told("S@20 R@30")],
        "one agent reads and another one sends": [
            op("X", 0, session="s2", agent="agent-8", **TICKET),
            *told("D@10 S@20"),
            op("X", 30, **COMMENT),
        ],
    },
    "after_stop": {
        "it goes on a minute after the hook's word": [
            op("V", 0, **ADMIN),
            registered("stop_done", 1, source=LEDGER),
            op("D", 61),
        ],
    },
    "unfamiliar_act": {
        "a rotation job reads a secret of another kind": [
            *rotation("s1"),
            op("S", 70, agent_role=ROTATOR, target="secret/platform/root-ca"),
        ],
        "a rotation job does what it never did": [op("R", 0, agent_role=ROTATOR)],
    },
    "mass_secret_read": {
        "a rotation job reads thrice what it ever read": [
            op("S", k, agent_role=ROTATOR, target=f"secret/app{k}/db") for k in range(9)
        ],
        "batches count in full": [
            op("S", k, agent_role=ROTATOR, target=f"secret/{k}", facts={"count": "10"}) for k in range(2)
        ],
        "nobody knows the job": [op("S", k, target=f"secret/{k}") for k in range(14)],
    },
    "shared_account": {
        "its own rights first, then the shared account's": [
            op("V", 0, outcome="denied"),
            op("V", 60, credential="shared-1", credential_kind=CredentialKind.SHARED),
        ],
        "a secret is read through it": [
            op("S", 0),
            op("S", 60, credential="shared-1", credential_kind=CredentialKind.SHARED),
        ],
    },
    "secret_then_change": {
        "a strange secret, then a grant": [
            op("S", 0, agent_role=ROTATOR, target="secret/other"),
            op("V", 60, agent_role=ROTATOR, **GRANT),
        ],
        "the read comes later in the log": [
            op("V", 60, agent_role=ROTATOR, **GRANT),
            op("S", 0, agent_role=ROTATOR, target="secret/other"),
        ],
        "nobody knows the job": [op("S", 0), op("V", 60, **ADMIN)],
        "a strange secret, then a comment": [
            op("S", 0, agent_role=ROTATOR, target="secret/other"),
            op("X", 60, agent_role=ROTATOR, **COMMENT),
        ],
        "one agent reads and another one grants": [
            op("S", 0, session="s2", agent="agent-8"),
            op("V", 60, **GRANT),
        ],
    },
    "outside_scope": {
        "a scanner reads a secret's value": [op("S", 0, principal="scanner")],
        "a rotation job reads another kind of secret": [op("S", 0, principal="rotation", target="ca/root")],
        "a rotation job makes somebody else's key": [op("C", 0, principal="rotation", **KEY)],
        "a wildcard name": [op("C", 0, principal="issuer", facts={"names": "*.svc.example.org"})],
        "a name of somebody else's": [op("C", 0, principal="issuer", facts={"names": "www.example.net"})],
        "an installer binds for the whole cluster": [
            op("V", 0, principal="installer", effects=(Effect.EXPANDS, Effect.WIDE))
        ],
        "a client that reads resets factors": [
            op("V", k, target=f"user/{k}", effects=(Effect.REMOVES,), facts={"client": "app-1"})
            for k in range(2)
        ],
        "a directory sync makes an administrator": [
            op("R", 0, effects=(Effect.ADMIN,), facts={"client": "app-2"})
        ],
    },
    "workload_elsewhere": {
        "a login where it never ran": [
            op("U", 0, agent_role=ROTATOR, workload_proven=True, **LOGIN | {"facts": {"address": "10.9.9.9"}})
        ],
    },
    "used_elsewhere": {
        "from the office network to one that nobody registered": [
            op("D", 0, facts={"address": "198.51.100.7"}),
            op("D", 60, facts={"address": "203.0.113.9"}),
        ],
    },
}

MUST_NOT: Stories = {
    "unapproved_change": {
        "it was approved, policy and all": [
            approval(-10, target="role/app:arn:aws:iam::aws:policy/AdministratorAccess"),
            op("V", 0, **ADMIN),
        ],
        "the membership was approved": [
            approval(-10, operation="iam:AddUserToGroup", target="eve->role/app"),
            op("R", 0, effects=(Effect.EXPANDS,), facts={"beneficiary": "eve"}),
        ],
        "it only takes away": [op("V", 0, effects=(Effect.REMOVES,))],
        "it broke": [op("V", 0, outcome="error", **ADMIN)],
        "it stands in the approved plan": [*PLANNED, op("V", 0, **ADMIN)],
        "the stack is a registered change": [
            registered("change", -10, targets=("arn:aws:cloudformation:eu:1:stack/base/1",)),
            op("V", 0, effects=(Effect.EXPANDS,), facts={"via": "cloudformation.amazonaws.com"}),
        ],
        "the user stands in the batch": [
            registered("change", -10, targets=("eve", "bob")),
            op("R", 0, effects=(Effect.EXPANDS,), facts={"beneficiary": "eve"}),
        ],
        "the incident names the principal": [
            registered("incident", -600, "inc-1", targets=("breakglass",)),
            op("R", 0, effects=(Effect.EXPANDS, Effect.ADMIN), facts={"beneficiary": "breakglass"}),
        ],
        "the exercise is in this account": [
            registered("exercise", -10, targets=("lab-1",)),
            op("V", 0, effects=(Effect.EXPANDS, Effect.ADMIN), facts={"account": "lab-1"}),
        ],
        "the job does so every time": rotation("s1"),
        "a membership without rights": [op("R", 0, facts={"beneficiary": "eve"})],
    },
    "guardrail_tampering": {
        "it was approved": [
            approval(-10, operation="cloudtrail:StopLogging", target="trail/main"),
            op("L", 0, effects=(Effect.WEAKENS,)),
        ],
        "a guard rail is made stronger": [op("L", 0)],
        "it was denied": [op("L", 0, outcome="denied", effects=(Effect.WEAKENS,))],
    },
    "trust_opened": {
        "somebody else approved just that": [
            approval(-10, operation="iam:UpdateAssumeRolePolicy", target="role/app:999900001111"),
            op("T", 0, **OPENED),
        ],
        "the migration registered this issuer": [
            registered("change", -10, targets=("login.example.net",)),
            op("T", 0, effects=(Effect.TRUST_PATH,), facts={"issuer": "login.example.net"}),
        ],
        "a service of the platform is trusted": [op("T", 0, effects=(Effect.TRUST_PATH,))],
        "it was denied": [op("T", 0, outcome="denied", **OPENED)],
    },
    "credential_for_another": {
        "a rotation job makes the key it always makes": rotation("s1"),
        "its own short-lived token": [op("C", 0, effects=(Effect.MINTS,))],
        "it was approved": [
            approval(-10, operation="iam:CreateAccessKey", target="user/svc-backup"),
            op("C", 0, target="user/svc-backup", **KEY),
        ],
        "a key is taken away": [op("C", 0, effects=(Effect.REMOVES,), facts={"beneficiary": "svc-backup"})],
    },
    "outside_plan": {
        "it stands in the plan": [*PLANNED, op("V", 0, **GRANT)],
        "it takes away": [*PLANNED, op("V", 0, target="role/old", effects=(Effect.REMOVES,))],
        "a session without a plan": [op("V", 0, **GRANT)],
        "an exercise in its account": [
            registered("exercise", -10, targets=("lab-1",)),
            op("S", 0, facts={"account": "lab-1"}),
        ],
        "it broke": [*PLANNED, op("V", 0, target="role/x", outcome="error", **GRANT)],
    },
    "bad_approval": {
        "another person, a minute later": [op("D", -100), approval(0)],
        "nobody says when it was asked": [approval(0, requested_ms=None)],
    },
    "three_systems": {
        "the ticket is an employee's": [*told("X@0 D@10 S@20"), op("X", 30, **COMMENT)],
        "no secret was read": [op("X", 0, **TICKET), *told("D@10"), op("X", 30, **COMMENT)],
        "the comment came before the secret": [
            op("X", 0, **TICKET),
            op("X", 10, **COMMENT),
            *told("D@20 S@30"),
        ],
        "the secret is the job's own": [
            op("X", 0, **TICKET),
            op("S", 20, agent_role=ROTATOR, target="secret/app1/db"),
            op("X", 30, **COMMENT),
        ],
        "hours lie between": [op("X", 0, **TICKET), *told("S@7300"), op("X", 7310, **COMMENT)],
        "another workflow sends": [
            op("X", 0, **TICKET),
            *told("S@20"),
            op("X", 30, workflow="w2", session="s2", **COMMENT),
        ],
    },
    "after_stop": {
        "what was on its way": [registered("stop_done", 1, source=LEDGER), op("D", 20)],
        "a session that nobody stopped": [registered("stop_done", 1, source=LEDGER), op("D", 90)],
    },
    "unfamiliar_act": {
        "the rotation job at work": rotation("s1"),
        "a secret of the same kind": [op("S", 0, agent_role=ROTATOR, target="secret/app1/db")],
        "a job seen too seldom": [op("R", 0, agent_role="stranger")],
        "it was approved": [
            approval(-10, operation="iam:AddUserToGroup"),
            op("R", 0, agent_role=ROTATOR),
        ],
    },
    "mass_secret_read": {
        "the rotation job at work": rotation("s1"),
        "the same secret again and again": [op("S", k, agent_role=ROTATOR) for k in range(40)],
        "a dozen, and nobody knows the job": [op("S", k, target=f"secret/{k}") for k in range(12)],
    },
    "shared_account": {
        "the shared account from start to end": [
            op("V", k, credential="shared-1", credential_kind=CredentialKind.SHARED) for k in range(3)
        ],
        "its own identity is in another system": [
            op("V", 0, system="okta"),
            op("V", 60, credential="shared-1", credential_kind=CredentialKind.SHARED),
        ],
        "it was approved": [
            op("V", 0, target="role/other"),
            approval(50),
            op("V", 60, credential="shared-1", credential_kind=CredentialKind.SHARED),
        ],
    },
    "secret_then_change": {
        "its own secret, then a grant": [
            op("S", 0, agent_role=ROTATOR, target="secret/app1/db"),
            op("V", 60, agent_role=ROTATOR, **GRANT),
        ],
        "the grant was approved": [
            op("S", 0, agent_role=ROTATOR, target="secret/other"),
            approval(50, target="role/app:policy/reader"),
            op("V", 60, agent_role=ROTATOR, **GRANT),
        ],
        "the grant came first": [op("V", 0, **GRANT), op("S", 60)],
        "hours lie between": [op("S", 0), op("V", 4 * 3600 + 1, **GRANT)],
        "the secret was denied": [op("S", 0, outcome="denied"), op("V", 60, **GRANT)],
        "a membership without rights": [op("S", 0), op("R", 60)],
    },
    "outside_scope": {
        "a scanner looks": told("D@0 P@1", principal="scanner"),
        "a rotation job reads its secrets": [op("S", 0, principal="rotation", target="app/db")],
        "a rotation job makes its user's key": [
            op("C", 0, principal="rotation", effects=(Effect.MINTS,), facts={"beneficiary": "svc-reports"})
        ],
        "a name of its own": [op("C", 0, principal="issuer", facts={"names": "a.svc.example.org"})],
        "an installer binds in a name space": [op("V", 0, principal="installer", **GRANT)],
        "a directory sync adds a member": [op("R", 0, **GRANT | {"facts": {"client": "app-2"}})],
        "nobody registered it": [op("S", 0)],
    },
    "workload_elsewhere": {
        "a login where it always runs": [
            op("U", 0, agent_role=ROTATOR, workload_proven=True, **LOGIN | {"facts": {"address": "10.0.0.1"}})
        ],
        "nobody proved that it is the workload": [
            op("U", 0, agent_role=ROTATOR, **LOGIN | {"facts": {"address": "10.9.9.9"}})
        ],
        "a job nobody has trained on": [
            op("U", 0, workload_proven=True, **LOGIN | {"facts": {"address": "10.9.9.9"}})
        ],
    },
    "used_elsewhere": {
        "another address of the same network": [
            op("D", 0, facts={"address": "198.51.100.7"}),
            op("D", 60, facts={"address": "198.51.100.8"}),
        ],
        "another credential from elsewhere": [
            op("D", 0, facts={"address": "198.51.100.7"}),
            op("D", 60, credential="cred-8", facts={"address": "203.0.113.9"}),
        ],
        "a service of the platform calls for it": [
            op("D", 0, facts={"address": "198.51.100.7"}),
            op("D", 60, facts={"address": "203.0.113.9", "via": "cloudformation.amazonaws.com"}),
        ],
    },
}
