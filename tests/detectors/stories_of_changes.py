"""Stories of grants, trust, credentials and guard rails, and of what vouches for a change of them."""

from typing import Any

from models.attested import Effect
from models.event import AnyEvent, CredentialKind, Grade
from tests.builders import (
    AGENT,
    KNOWN_ISSUER,
    PRINCIPAL,
    ROTATOR,
    Stories,
    approval,
    op,
    registered,
    rotation,
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
BY_ID: dict[str, Any] = {
    "effects": (Effect.WEAKENS,),
    "operation": "graph_patch",
    "target": "/identity/conditionalAccess/policies/4a03b0e7-e6d9-4a6a-8d40-aa1ac6625fff",
    "grade": Grade.OBSERVED,
}
RECORDED: dict[str, Any] = {
    "effects": (Effect.WEAKENS,),
    "operation": "Update conditional access policy",
    "grade": Grade.ATTESTED,
}
STORE = "/subscriptions/s/resourceGroups/rg/providers/Microsoft.KeyVault/vaults/kv-app"
SETTING = "/providers/Microsoft.Insights/diagnosticSettings/siem"
SOURCE: dict[str, Any] = {
    "effects": (Effect.TRUST_PATH,),
    "target": "corp-saml-2",
    "target_kind": "identity_provider",
    "grade": Grade.ATTESTED,
}
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
        "approved was a name that only begins alike": [
            approval(-10, target="role/app-readers-of-logs:policy/reader"),
            op("V", 0, target="role/app-readers", **GRANT),
        ],
        "approved was the same name in another name space": [
            approval(-10, target="ops/app:policy/reader"),
            op("V", 0, target="kube-system/app", **GRANT),
        ],
        "an agent of another workflow approved it": [
            approval(-10, target="role/app:policy/reader", decided_by="agent-of-ours"),
            op("V", 0, **GRANT),
        ],
        "it was approved once, told by two sources, and done twice": [
            approval(-10, target="role/app:policy/reader"),
            *(
                op("V", k, id=f"{source}{k}", source=source, **GRANT)
                for k in range(2)
                for source in ("spans", "platform")
            ),
        ],
        "one answer is told under two ids, and it is done twice": [
            approval(-10, id="a1", request="q1", target="role/app:policy/reader"),
            approval(-10, id="a2", request="q1", target="role/app:policy/reader"),
            op("V", 0, **GRANT),
            op("V", 1, **GRANT),
        ],
        "the plan names a user of that name": [
            PLANNED[0],
            registered("plan", -100, "sha256:aa", targets=("iam:user/app",)),
            op("V", 0, **GRANT),
        ],
        "the plan is for that role in another account": [
            PLANNED[0],
            registered("plan", -100, "sha256:aa", targets=("arn:aws:iam::111122223333:role/app",)),
            op("V", 0, effects=(Effect.EXPANDS,), facts={"account": "444455556666"}),
        ],
        "the commit is for that name in another name space": [
            registered("change", -10, targets=("ops/RoleBinding/app",)),
            op("V", 0, target="kube-system/app", **GRANT),
        ],
        "a stack is registered, another service acts": [
            registered("change", -10, targets=("arn:aws:cloudformation:eu:1:stack/base/1",)),
            op("V", 0, effects=(Effect.EXPANDS,), facts={"via": "autoscaling.amazonaws.com"}),
        ],
        "the incident was never closed, and the day is over": [
            registered("incident", -9 * 3600, "inc-1", targets=("breakglass",)),
            op("R", 0, effects=(Effect.EXPANDS, Effect.ADMIN), facts={"beneficiary": "breakglass"}),
        ],
        "the change is a claim of telemetry": [
            registered("change", -10, targets=("role/app",), grade=Grade.OBSERVED),
            op("V", 0, **GRANT),
        ],
        "approved by name, and the record names another than the agent's id meant": [
            approval(-10, operation="Update conditional access policy", target="trusted laptops"),
            op("V", 0, source="spans", **BY_ID),
            op("V", 60, source="entra", target="MFA for admins", **RECORDED),
        ],
        "approved was the same by the method of another kind of thing": [
            approval(-10, operation="google.iam.admin.v1.SetOrgPolicy", target="role/app:policy/reader"),
            op("V", 0, operation="SetIAMPolicy", **GRANT),
        ],
        "one right is taken away and another given": [
            op("V", 0, effects=(Effect.REMOVES, Effect.EXPANDS, Effect.ADMIN))
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
        "a shared issuer is to let in the pipelines of somebody else": [
            op("T", 0, effects=(Effect.TRUST_PATH,), facts={"issuer": KNOWN_ISSUER, "admits": "stranger"})
        ],
        "or those of everybody who uses it": [
            op("T", 0, effects=(Effect.TRUST_PATH,), facts={"issuer": KNOWN_ISSUER, "admits": "*"})
        ],
        "the migration names the shared issuer, and other pipelines are let in": [
            registered("change", -60, targets=(KNOWN_ISSUER, "role/app")),
            op("T", 0, effects=(Effect.TRUST_PATH,), facts={"issuer": KNOWN_ISSUER, "admits": "stranger"}),
        ],
        "a new source of logins, whose issuer the platform does not tell": [op("T", 0, **SOURCE)],
        "the registered change says nothing of the account": [
            registered("change", -10, targets=("role/app",)),
            op("T", 0, **OPENED),
        ],
        "the migration registered a tenant of that name elsewhere": [
            registered("change", -60, targets=("https://login.example.org/tenant-7",)),
            op("T", 0, effects=(Effect.TRUST_PATH,), facts={"issuer": "login.example.net/tenant-7"}),
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
        "a token of its own that lasts, and that no revoke of its maker ends": [
            op("C", 0, effects=(Effect.MINTS, Effect.LONG_LIVED), facts={"orphan": "true"})
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
        "by an agent": [approval(0, decided_by="agent-of-ours")],
        "by whoever asked, spelt otherwise": [approval(0, decided_by="Bob", requested_by="user:bob")],
        "both": [op("D", -100), approval(0, asked_s=-0.4, decided_by=AGENT)],
        "both, of what was refused": [
            op("V", -5, outcome="denied"),
            approval(0, asked_s=-0.4, decided_by=AGENT),
        ],
        "what was signed is something else": [approval(0, digest_fits=False)],
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
        "approved was the same operation in capitals": [
            approval(-10, operation="IAM:ATTACHROLEPOLICY", target="role/app:policy/reader"),
            op("V", 0, **GRANT),
        ],
        "approved by the method with its package": [
            approval(-10, operation="google.iam.admin.v1.SetIAMPolicy", target="role/app:policy/reader"),
            op("V", 0, operation="SetIAMPolicy", **GRANT),
        ],
        "approved by name, and the agent tells of an id": [
            approval(-10, operation="Update conditional access policy", target="MFA for admins"),
            op("V", 0, source="spans", **BY_ID),
            op("V", 60, source="entra", target="MFA for admins", **RECORDED),
        ],
        "approved was the setting, the record is about what it is on": [
            approval(-10, operation="diagnosticSettings/delete", target=f"{STORE}{SETTING}"),
            op("V", 0, operation="diagnosticSettings/delete", target="kv-app", effects=(Effect.WEAKENS,)),
        ],
        "it only takes away": [op("V", 0, effects=(Effect.REMOVES,))],
        "it broke": [op("V", 0, outcome="error", **ADMIN)],
        "it stands in the approved plan": [*PLANNED, op("V", 0, **ADMIN)],
        "it stands in the plan, and the run was handed many credentials": [
            *PLANNED,
            *(registered("credential", -9, f"cred-{k}") for k in range(300)),
            op("V", 0, **ADMIN),
        ],
        "the commit names the binding": [
            registered("change", -10, targets=("ops/RoleBinding/team",)),
            op(
                "R",
                0,
                target="ops/team",
                target_kind="binding",
                effects=(Effect.EXPANDS,),
                facts={"beneficiary": "ops:team-bot"},
            ),
        ],
        "one approval, told by two sources": [
            approval(-10, target="role/app:policy/reader"),
            *(
                op("V", k, id=f"{k}", source=source, **GRANT)
                for k, source in enumerate(("spans", "platform"))
            ),
        ],
        "one approval, told by two sources and once more of the same act": [
            approval(-10, target="role/app:policy/reader"),
            *(
                op("V", k, id=f"{k}", source=source, act="request-1", **GRANT)
                for k, source in enumerate(("spans", "platform", "spans"))
            ),
        ],
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
        "one user's login, and it was denied": [op("V", 0, outcome="denied", effects=(Effect.WEAKENS,))],
    },
    "trust_opened": {
        "somebody else approved just that": [
            approval(-10, operation="iam:UpdateAssumeRolePolicy", target="role/app:999900001111"),
            op("T", 0, **OPENED),
        ],
        "the migration registered this issuer by its address": [
            registered("change", -60, targets=("https://login.example.net/",)),
            op("T", 0, effects=(Effect.TRUST_PATH,), facts={"issuer": "login.example.net"}),
        ],
        "the migration registered this tenant": [
            registered("change", -60, targets=("https://login.example.net/tenant-7/",)),
            op("T", 0, effects=(Effect.TRUST_PATH,), facts={"issuer": "login.example.net/tenant-7"}),
        ],
        "the migration registered this issuer": [
            registered("change", -10, targets=("login.example.net",)),
            op("T", 0, effects=(Effect.TRUST_PATH,), facts={"issuer": "login.example.net"}),
        ],
        "a shared issuer is to let in our own pipelines": [
            op("T", 0, effects=(Effect.TRUST_PATH,), facts={"issuer": KNOWN_ISSUER, "admits": "example-org"})
        ],
        "the change names the other owner's pipelines": [
            registered("change", -60, targets=(KNOWN_ISSUER, "partner-org")),
            op("T", 0, effects=(Effect.TRUST_PATH,), facts={"issuer": KNOWN_ISSUER, "admits": "partner-org"}),
        ],
        "the new source of logins is a registered change": [
            registered("change", -60, targets=("corp-saml-2",)),
            op("T", 0, **SOURCE),
        ],
        "an agent says that it made a source of logins": [op("T", 0, **{**SOURCE, "grade": Grade.OBSERVED})],
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
}
