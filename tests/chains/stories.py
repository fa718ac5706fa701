"""Sessions that the chains which come with the program must fire on, and look-alikes that they must not."""

from typing import Any

from models.attested import Effect
from models.event import AnyEvent, CredentialKind, Grade, OpClass
from tests.builders import Stories, approval, op, registered, told

TICKET = {"effects": (Effect.UNTRUSTED,), "facts": {"author": "external"}}
GRANT = {"effects": (Effect.EXPANDS,)}
TAKEN: dict[str, Any] = {"effects": (Effect.REMOVES,)}
RESET = {"effects": (Effect.WEAKENS,)}
ADMIN = {"effects": (Effect.MINTS, Effect.ADMIN)}
OPENED = {"effects": (Effect.TRUST_PATH,)}
LASTING = {"effects": (Effect.MINTS, Effect.LONG_LIVED)}
OTHER = {"session": "s2", "agent": "agent-8"}

MADE: dict[str, Any] = {"effects": (Effect.CREATES,), "grade": Grade.ATTESTED}
APPLICATION: dict[str, Any] = {"target": "app/crm", "target_kind": "application"}


def _taken_over(letters: str, gap_s: float = 600, **changed: Any) -> list[AnyEvent]:
    """What these classes do to one application, one after the other."""
    left: dict[str, dict[str, Any]] = {"R": GRANT, "C": LASTING, "T": OPENED, "V": GRANT}
    return [op(each, gap_s * k, **(APPLICATION | left[each] | changed)) for k, each in enumerate(letters)]


def _made(kind: str = "user", **changed: Any) -> list[AnyEvent]:
    """An identity comes into being, and is given something."""
    new = {"target": f"{kind}/new", "target_kind": kind, "grade": Grade.ATTESTED} | changed
    return [
        op("V", 0, operation="iam:Create", **(new | {"effects": (Effect.EXPANDS, Effect.CREATES)})),
        op("V", 30, operation="iam:Attach", **(new | GRANT)),
    ]


NEW_USER: dict[str, Any] = {"target": "user/new", "target_kind": "user", "grade": Grade.ATTESTED}
TAKEN_ON: dict[str, Any] = {
    "operation": "sts:AssumeRole",
    "op_class": OpClass.OTHER,
    "target": "role/new",
    "effects": (Effect.MINTS,),
}

STATIC: dict[str, Any] = {"credential_kind": CredentialKind.STATIC, "credential": "key-7"} | OPENED
RUNS: dict[str, Any] = {"operation": "ssm:SendCommand", "target": "i-1", "target_kind": "instance"}
RUNS |= {"effects": (Effect.RUNS_AS,)}
SHARED: dict[str, Any] = {"credential_kind": CredentialKind.SHARED, "credential": "svc-agents"} | GRANT

FIRES: Stories = {
    "refused_then_run": {
        "a secret is refused, and a command run on a machine": [
            op("S", 0, outcome="denied"),
            op("V", 60, **RUNS),
        ],
        "a right is refused": [op("R", 0, outcome="denied"), op("V", 60, **RUNS)],
        "the refusal is told late": [op("V", 60, **RUNS), op("S", 0, outcome="denied")],
        "one agent is refused, another one runs it": [
            op("S", 0, outcome="denied"),
            op("V", 60, **RUNS, **OTHER),
        ],
    },
    "static_secret_trust": {
        "an access key opens a role": [op("T", 0, **STATIC)],
        "a shared one does": [op("T", 0, **(STATIC | {"credential_kind": CredentialKind.SHARED}))],
        "a person approved it: the key is as long-lived": [
            approval(-10, operation="iam:UpdateAssumeRolePolicy", target="role/app"),
            op("T", 0, **STATIC),
        ],
    },
    "shared_by_several": {
        "two agents of one workflow": [op("V", 0, **SHARED), op("V", 60, **SHARED, **OTHER)],
        "the second is told of late": [op("R", 60, **SHARED, **OTHER), op("V", 0, **SHARED)],
    },
    "own_way_back": {
        "a new user's key": [*_made(), op("C", 60, **NEW_USER, **LASTING)],
        "a new role is taken on": [
            *_made("role"),
            op("U", 60, **TAKEN_ON),
        ],
    },
    "taken_over": {
        "an owner, a secret and consent": _taken_over("RCV"),
        "the other way round, and trust instead of a secret": _taken_over("VTR"),
        "its path is written or not": [
            *_taken_over("RC"),
            op("V", 1_800, target="arn:aws:app/crm", **GRANT),
        ],
    },
    "planner_executor": {
        "the executor grants on the role that the planner reviewed": [op("P", 0), op("V", 60, **OTHER)],
        "trust is changed, under the name without its path": [
            op("P", 0, target="arn:aws:iam::1:role/app"),
            op("T", 60, target="app", **OTHER),
        ],
        "the review comes late": [op("V", 60, **OTHER), op("P", 0)],
    },
    "steered_change": {
        "a ticket from outside, then a factor reset": [op("X", 0, **TICKET), op("V", 60, **RESET)],
        "a ticket from outside, then an admin's key": [op("X", 0, **TICKET), op("C", 60, **ADMIN)],
        "one agent reads it, another one acts": [op("X", 0, **TICKET), op("T", 60, **OPENED, **OTHER)],
    },
    "denied_sweep": {
        "four secrets are refused": [
            op("S", 10 * k, target=f"secret/{k}", outcome="denied") for k in range(4)
        ],
        "grants and secrets are refused": [
            op(letter, 60 * k, target=f"thing/{k}", outcome="denied") for k, letter in enumerate("SVSR")
        ],
    },
    "borrowed_rights": {
        "a role is given, a secret read, the role taken back": [
            op("V", 0, **GRANT),
            op("S", 10),
            op("V", 20, operation="iam:DetachRolePolicy", **TAKEN),
        ],
        "a key is made meanwhile": [op("R", 0, **GRANT), op("C", 10), op("R", 20, **TAKEN)],
    },
    "start_up_texts": {
        "the texts of eight machines, refused or not": [
            op("D", k, target=f"i-{k}", target_kind="start_up_text", outcome="denied" if k % 2 else "ok")
            for k in range(8)
        ],
    },
    "credentials_in_many_systems": {
        "a key, a token and an application's secret": [
            op("C", 600 * k, system=system, target=f"{system}/app", **LASTING)
            for k, system in enumerate(("aws", "okta", "entra"))
        ],
        "two agents of one workflow share the work": [
            op("C", 0, system="aws", **LASTING),
            op("C", 10, system="github", **LASTING, **OTHER),
            op("C", 20, system="gcp", **LASTING),
        ],
    },
}

MUST_NOT: Stories = {
    "refused_then_run": {
        "the secret was read": [op("S", 0), op("V", 60, **RUNS)],
        "a look-up was refused": [op("D", 0, outcome="denied"), op("V", 60, **RUNS)],
        "the command was refused, and then allowed": [
            op("V", 0, outcome="denied", **RUNS),
            op("V", 60, **RUNS),
        ],
        "a person approved the command": [
            op("S", 0, outcome="denied"),
            approval(50, operation="ssm:SendCommand", target="i-1"),
            op("V", 60, **RUNS),
        ],
        "it is refused as well": [op("S", 0, outcome="denied"), op("V", 60, outcome="denied", **RUNS)],
        "an hour lies between": [op("S", 0, outcome="denied"), op("V", 3_600, **RUNS)],
        "it runs elsewhere": [op("S", 0, outcome="denied"), op("V", 60, system="prod-1", **RUNS)],
    },
    "static_secret_trust": {
        "a token of an hour": [op("T", 0, **OPENED)],
        "a workload identity was proven": [op("T", 0, workload_proven=True, **STATIC)],
        "trust is taken back": [op("T", 0, **(STATIC | TAKEN))],
        "it was refused": [op("T", 0, outcome="denied", **STATIC)],
        "nobody says what kind of credential it was": [
            op("T", 0, **(STATIC | {"credential_kind": CredentialKind.UNKNOWN}))
        ],
        "another change": [op("V", 0, **(STATIC | GRANT))],
    },
    "shared_by_several": {
        "one agent, again and again": [op("V", 10 * k, **SHARED) for k in range(5)],
        "two agents read through it": [op("S", 0, **SHARED), op("S", 10, **SHARED, **OTHER)],
        "an hour apart": [op("V", 0, **SHARED), op("V", 3_600, **SHARED, **OTHER)],
        "both were approved": [
            approval(-20),
            approval(-10, session="s2"),
            op("V", 0, **SHARED),
            op("V", 60, **SHARED, **OTHER),
        ],
        "each with a credential of its own": [op("V", 0, **GRANT), op("V", 60, **GRANT, **OTHER)],
        "another account": [
            op("V", 0, **SHARED),
            op("V", 60, **SHARED, **OTHER, principal="svc-other"),
        ],
    },
    "own_way_back": {
        "a new user with rights, and no more": _made(),
        "a new role is made and used by others": [
            *_made("role"),
            op("C", 60, session="s2", **NEW_USER, **LASTING),
        ],
        "another user's key": [*_made(), op("C", 60, **(NEW_USER | {"target": "user/old"} | LASTING))],
        "the way in was approved": [
            *_made(),
            approval(50, operation="iam:CreateAccessKey", target="user/new"),
            op("C", 60, **NEW_USER, **LASTING),
        ],
        "the user was there before": [
            op("V", 30, **NEW_USER, **GRANT),
            op("C", 60, **NEW_USER, **LASTING),
        ],
        "the way in is taken away": [*_made(), op("C", 60, **NEW_USER, **TAKEN)],
        "a day lies between": [*_made(), op("C", 86_400, **NEW_USER, **LASTING)],
    },
    "taken_over": {
        "an owner and a secret, as for a new team": _taken_over("RC"),
        "rights and a secret": _taken_over("VCVC"),
        "of three applications": [
            *_taken_over("R"),
            op("C", 600, **(APPLICATION | {"target": "app/bi"} | LASTING)),
            op("V", 1_200, **(APPLICATION | {"target": "app/hr"} | GRANT)),
        ],
        "of one that it has just created": [
            op("U", -10, **(APPLICATION | MADE)),
            *_taken_over("RCV", grade=Grade.ATTESTED),
        ],
        "the rights were registered": [
            registered("change", -10, targets=("app/crm",)),
            *_taken_over("RCV"),
        ],
        "everything is taken away": _taken_over("RCV", **TAKEN),
        "over a whole day": _taken_over("RCV", gap_s=7_000),
    },
    "start_up_texts": {
        "of one machine, again and again": [
            op("D", k, target="i-1", target_kind="start_up_text") for k in range(20)
        ],
        "of eight, an hour apart": [
            op("D", 3600 * k, target=f"i-{k}", target_kind="start_up_text") for k in range(8)
        ],
    },
    "planner_executor": {
        "a person approved the executor's change": [
            op("P", 0),
            approval(50, session="s2"),
            op("V", 60, **OTHER),
        ],
        "one agent does both": told("P@0 V@60"),
        "the executor changes something else": [op("P", 0), op("V", 60, target="role/other", **OTHER)],
        "the executor takes away": [op("P", 0), op("V", 60, **TAKEN, **OTHER)],
        "the change comes first": [op("V", 0, **OTHER), op("P", 60)],
        "the executor is in another workflow": [op("P", 0), op("V", 60, workflow="w2", **OTHER)],
    },
    "steered_change": {
        "a plain grant": [op("X", 0, **TICKET), op("V", 60, **GRANT)],
        "the ticket's author is known": [op("X", 0, facts={"author": "employee"}), op("V", 60, **RESET)],
        "a person approved the change": [op("X", 0, **TICKET), approval(50), op("V", 60, **RESET)],
        "the change was registered": [
            op("X", 0, **TICKET),
            registered("change", 10, targets=("role/app",)),
            op("V", 60, **RESET),
        ],
        "something is taken away": [op("X", 0, **TICKET), op("V", 60, **TAKEN)],
        "the ticket is read two hours before": [op("X", 0, **TICKET), op("V", 7_200, **RESET)],
        "the change failed": [op("X", 0, **TICKET), op("V", 60, outcome="error", **RESET)],
    },
    "denied_sweep": {
        "the same call is tried again and again": told("S@0:denied S@10:denied S@20:denied S@30:denied"),
        "calls fail for other reasons": [
            op("S", 10 * k, target=f"secret/{k}", outcome="error") for k in range(8)
        ],
        "a scanner is refused listings": [
            op("D", 10 * k, target=f"thing/{k}", outcome="denied") for k in range(8)
        ],
        "four refusals in an hour": [
            op("S", 900 * k, target=f"secret/{k}", outcome="denied") for k in range(4)
        ],
        "four sessions are refused once each": [
            op("S", k, target=f"secret/{k}", outcome="denied", session=f"s{k}") for k in range(4)
        ],
    },
    "borrowed_rights": {
        "the emergency role was approved": [
            approval(-10),
            op("V", 0, **GRANT),
            op("S", 10),
            op("V", 20, **TAKEN),
        ],
        "an emergency was declared for this account": [
            registered("incident", -10, targets=("user/ann",)),
            op("V", 0, effects=(Effect.EXPANDS,), facts={"beneficiary": "user/ann"}),
            op("S", 10),
            op("V", 20, **TAKEN),
        ],
        "nothing is done with it": [op("V", 0, **GRANT), op("D", 10), op("V", 20, **TAKEN)],
        "another right is taken away": [
            op("V", 0, **GRANT),
            op("S", 10),
            op("V", 20, target="role/x", **TAKEN),
        ],
        "it was taken away first": [op("V", 0, **TAKEN), op("S", 10), op("V", 20, **GRANT)],
    },
    "credentials_in_many_systems": {
        "a rotation makes many in one system": [
            op("C", 10 * k, target=f"user/{k}", **LASTING) for k in range(9)
        ],
        "short-lived ones in three systems": [
            op("C", k, system=system, effects=(Effect.MINTS,)) for k, system in enumerate("abc")
        ],
        "two systems": [op("C", k, system=system, **LASTING) for k, system in enumerate("abab")],
        "one of the three was approved": [
            op("C", 0, system="aws", **LASTING),
            op("C", 10, system="okta", **LASTING),
            approval(80, operation="iam:CreateAccessKey", target="user/app"),
            op("C", 90, system="entra", op_class=OpClass.CREDENTIAL_MINT, **LASTING),
        ],
    },
}
