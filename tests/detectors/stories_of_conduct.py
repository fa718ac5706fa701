"""Stories of conduct: what a session reads, where it is, whose account it uses, and when it stops."""

from typing import Any

from models.acknowledgement import LEDGER
from models.attested import Effect
from models.event import AnyEvent, CredentialKind, Grade, OpClass
from tests.builders import ROTATOR, Stories, approval, op, registered, rotation, told
from tests.detectors.stories_of_changes import ADMIN, COMMENT, GRANT, KEY, LOGIN, TICKET

LASTING: dict[str, Any] = {
    "effects": (Effect.MINTS, Effect.LONG_LIVED),
    "facts": {"beneficiary": "user/app"},
}

FACTOR: dict[str, Any] = {
    "operation": "Admin registered security info",
    "effects": (Effect.MINTS,),
    "target": "eve@example.org",
    "target_kind": "factor",
    "facts": {"beneficiary": "eve@example.org"},
}


def read_twice(secrets: range, **told_first: Any) -> list[AnyEvent]:
    """A rotation job reads secrets: the agent tells of each, then the platform, which says which it was."""
    first = {"source": "otel", "grade": Grade.OBSERVED, **told_first}
    return [
        each
        for k in secrets
        for each in (
            op("S", k, agent_role=ROTATOR, id=f"t{k}", act=f"a{k}", **first),
            op("S", k, agent_role=ROTATOR, id=f"r{k}", act=f"a{k}", target=f"secret/app{k}/db"),
        )
    ]


FIRES: Stories = {
    "three_systems": {
        "ticket, directory, secret, and a comment": [
            op("X", 0, **TICKET),
            *told("D@10 S@20"),
            op("X", 30, **COMMENT),
        ],
        "a role is mapped instead of a comment": [op("X", 0, **TICKET), *told("S@20 R@30")],
        "the ticket is read again before the comment": [
            op("X", 0, **TICKET),
            *told("S@20"),
            op("X", 25, **TICKET),
            op("X", 30, **COMMENT),
        ],
        "the record of the secret comes after the comment": [
            op("X", 0, **TICKET),
            op("X", 30, **COMMENT),
            op("S", 20),
        ],
        "the record of the ticket comes last": [
            *told("S@20 R@30"),
            op("X", 0, **TICKET),
        ],
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
        "it lies low for hours first": [
            op("V", 0, **ADMIN),
            registered("stop_done", 1, source=LEDGER),
            op("D", 3 * 3600),
        ],
    },
    "one_sided": {
        "the agent told nothing of a grant": [
            op("V", 0, id="g1"),
            registered("untold", 0, "g1", grade=Grade.INFERRED),
        ],
        "the platform has no record of what was told": [
            op("V", 0, id="g1"),
            registered("unrecorded", 0, "g1", grade=Grade.INFERRED),
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
        "the agent told of each first, and not which": read_twice(range(9), target=""),
        "the agent's words for it were understood by nobody": read_twice(
            range(9), target="", op_class=OpClass.UNCLASSIFIED, operation="peek"
        ),
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
        "another source's clock is a little behind": [
            op("S", 1.5, agent_role=ROTATOR, target="secret/other"),
            op("V", 0, agent_role=ROTATOR, source="okta", **GRANT),
        ],
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
        "a responder makes somebody a key": [op("C", 0, principal="responder", **LASTING)],
        "a responder registers a factor for somebody": [op("C", 0, principal="responder", **FACTOR)],
        "a scanner reads a secret's value": [op("S", 0, principal="scanner")],
        "a rotation job reads another kind of secret": [op("S", 0, principal="rotation", target="ca/root")],
        "a rotation job makes somebody else's key": [op("C", 0, principal="rotation", **KEY)],
        "a certificate is approved, and nothing says whose": [
            op("C", 0, principal="issuer", target_kind="certificate", effects=(Effect.MINTS,))
        ],
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
        "a login at a new address of its own network": [
            op("U", 0, agent_role=ROTATOR, workload_proven=True, **LOGIN | {"facts": {"address": "10.0.0.9"}})
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
    "three_systems": {
        "the ticket is an employee's": [*told("X@0 D@10 S@20"), op("X", 30, **COMMENT)],
        "no secret was read": [op("X", 0, **TICKET), *told("D@10"), op("X", 30, **COMMENT)],
        "the comment came before the secret": [
            op("X", 0, **TICKET),
            op("X", 10, **COMMENT),
            *told("D@20 S@30"),
        ],
        "the comment came a second before the secret": [
            op("X", 0, **TICKET),
            op("X", 19, source="spans", **COMMENT),
            op("S", 20),
        ],
        "an approved change, and the secret comes late": [
            op("X", 0, **TICKET),
            approval(10),
            *told("V@30 S@20"),
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
    "one_sided": {
        "another kind of registration": [op("V", 0), registered("change", 1), registered("credential", 2)],
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
        "the agent spells what it reads in its own way": read_twice(range(4), target="/v1/secret"),
        "the platform knows better than the agent what was read": [
            each
            for k in range(9)
            for each in (
                op("U", k, id=f"r{k}", act=f"a{k}", op_class=OpClass.OTHER, grade=Grade.ATTESTED),
                op("S", k, agent_role=ROTATOR, id=f"t{k}", act=f"a{k}", source="otel", target=f"secret/{k}"),
            )
        ],
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
        "the grant came first, by another clock": [op("V", 0, source="okta", **GRANT), op("S", 2.1)],
        "hours lie between": [op("S", 0), op("V", 4 * 3600 + 1, **GRANT)],
        "the secret was denied": [op("S", 0, outcome="denied"), op("V", 60, **GRANT)],
        "a membership without rights": [op("S", 0), op("R", 60)],
    },
    "outside_scope": {
        "a responder takes a key away": [op("C", 0, principal="responder", effects=(Effect.REMOVES,))],
        "a responder registers a factor of its own": [
            op("C", 0, principal="responder", **(FACTOR | {"facts": {"beneficiary": "responder"}}))
        ],
        "a responder makes itself a key": [
            op("C", 0, principal="responder", **(LASTING | {"facts": {"beneficiary": "responder"}}))
        ],
        "a responder is allowed to make a key": [
            approval(-10, operation="iam:CreateAccessKey", target="user/app"),
            op("C", 0, principal="responder", **LASTING),
        ],
        "a scanner looks": told("D@0 P@1", principal="scanner"),
        "a rotation job reads its secrets": [op("S", 0, principal="rotation", target="app/db")],
        "a rotation job makes its user's key": [
            op("C", 0, principal="rotation", effects=(Effect.MINTS,), facts={"beneficiary": "svc-reports"})
        ],
        "its issuer is told, the name comes later": [
            op(
                "C",
                0,
                principal="issuer",
                target_kind="certificate",
                effects=(Effect.MINTS,),
                facts={"issuer": "vault-internal"},
            )
        ],
        "it looks after a certificate": [op("C", 0, principal="issuer", target_kind="certificate")],
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
