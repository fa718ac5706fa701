"""Sessions that act on machines, data and networks, look around, and work on what they made themselves."""

from typing import Any

from models.attested import Effect
from models.event import AnyEvent, Approval, Grade, OpClass, Operation
from tests.builders import Stories, approval, op, registered, told

RUN = {
    "effects": (Effect.RUNS_AS,),
    "target": "i-1",
    "target_kind": "instance",
    "operation": "ssm:SendCommand",
}
SHARED = {"effects": (Effect.OUTBOUND, Effect.EXPOSES), "target": "snap-1", "target_kind": "snapshot"}
OPENED = {"effects": (Effect.EXPOSES,), "target": "sg-1", "target_kind": "security_group"}
STRANGER = {"facts": {"foreign_account": "999900001111"}}
PASSWORD = {"effects": (Effect.MINTS,), "facts": {"factors": "1"}}
ATTESTED = {"grade": Grade.ATTESTED, "target_kind": "role", "target": "role/made"}
MADE = op("V", 0, operation="iam:CreateRole", effects=(Effect.EXPANDS, Effect.CREATES), **ATTESTED)
GIVEN = op("V", 30, operation="iam:PutRolePolicy", effects=(Effect.EXPANDS,), **ATTESTED)

LASTING: dict[str, Any] = {"effects": (Effect.MINTS, Effect.LONG_LIVED)}
KEY: dict[str, Any] = {"operation": "iam:CreateAccessKey", "target": "user/app"}
NEW: dict[str, Any] = {"effects": (Effect.CREATES,), "grade": Grade.ATTESTED}


def op_for(user: str) -> Operation:
    """Somebody is made an owner: the role is its own target."""
    facts = {"granted": "owner", "beneficiary": user}
    return op("V", 0, target="owner", effects=(Effect.EXPANDS, Effect.ADMIN), facts=facts)


OWNER = op_for("eve@example.org")

ARN = "arn:aws:iam::222200001111:role/app"
TRUST = (Effect.TRUST_PATH,)
TWO = ("999900001111", "999900002222")


def let_in(*accounts: str, **facts: str) -> Operation:
    """A role is opened to accounts."""
    return op("T", 0, effects=TRUST, facts={"foreign_account": ",".join(accounts)} | facts)


def trusted(*whom: str) -> Approval:
    """That was allowed for these, as a policy says it."""
    policy = "".join(f' {{"Principal": "{each}"}}' for each in whom)
    return approval(-10, operation="iam:UpdateAssumeRolePolicy", target=f"role/app:{policy}")


LET_IN = let_in(TWO[1])


def _looked(*kinds: str, gap_s: float = 60) -> list[AnyEvent]:
    """Look-ups of these kinds of thing, one after the other."""
    return [op("D", gap_s * k, id=f"look-{k}", target_kind=kind) for k, kind in enumerate(kinds)]


FIRES: Stories = {
    "scouted_credential": {
        "users, roles and tenants, then a key": [
            *_looked("user", "role", "tenant"),
            op("C", 200, **LASTING),
        ],
        "over the best part of an hour": [
            *_looked("user", "role", "tenant", "application", gap_s=1_100),
            op("C", 3_600, **LASTING),
        ],
        "policies are looked up as well": [
            *_looked("user", "tenant"),
            op("P", 100),
            op("C", 200, **LASTING),
        ],
        "a look-up is told late": [
            *_looked("user", "role"),
            op("C", 200, **LASTING),
            op("D", 150, target_kind="tenant"),
        ],
    },
    "borrowed_workload": {
        "a command on a machine": [op("V", 0, **RUN)],
        "it was refused": [op("V", 0, outcome="denied", **RUN)],
        "a key pushed to it": [op("C", 0, **RUN | {"effects": (Effect.MINTS, Effect.RUNS_AS)})],
        "another command was approved": [
            approval(-10, operation="ssm:SendCommand", target="i-2"),
            op("V", 0, **RUN),
        ],
    },
    "opened_outside": {
        "a snapshot given to a stranger": [op("X", 0, **SHARED, **STRANGER)],
        "an address to download from": [op("X", 0, **SHARED)],
        "a port open to everybody": [op("L", 0, **OPENED)],
        "a login by password alone": [op("C", 0, **PASSWORD)],
    },
    "unapproved_change": {
        "approved was the trust of another account": [trusted(*TWO[:1]), LET_IN],
        "approved was one account, and two are let in": [trusted(*TWO[:1]), let_in(*TWO)],
        "approved was another issuer": [
            trusted("https://login.example.org"),
            op("T", 0, effects=TRUST, facts={"issuer": "login.example.net"}),
        ],
        "approved was the trust, and it is opened to anybody": [trusted("see the ticket"), let_in("*")],
        "approved was another account, as people write it": [trusted("9999-0000-1111"), LET_IN],
        "approved was a role of the same account": [
            approval(
                -10, operation="iam:UpdateAssumeRolePolicy", target=f"role/app: {ARN.replace('app', 'ci')}"
            ),
            let_in(TWO[1], account="222200001111"),
        ],
        "approved was the account itself, in a policy": [
            trusted("222200001111"),
            let_in(TWO[1], account="222200001111"),
        ],
        "approved was another account, and where to read about it": [
            trusted(f"{TWO[0]}, https://tickets.example.org/browse/CHG-12"),
            LET_IN,
        ],
        "approved was the same role for somebody else": [
            approval(-10, target="owner:ann@example.org"),
            OWNER,
        ],
        "for somebody else, who has no address": [approval(-10, target="owner:ann"), OWNER],
        "for somebody else, and whoever gains is called like the role": [
            approval(-10, target="owner:ann"),
            op_for("owner@guests.example.net"),
        ],
        "approved was the same policy for somebody else": [
            approval(-10, target="role/app:policy/reader:ann@example.org"),
            op("V", 0, effects=(Effect.EXPANDS,), facts={"granted": "policy/reader", "beneficiary": "eve"}),
        ],
        "the change is registered for the role, and for other users": [
            registered("change", -10, targets=("owner", "ann@example.org")),
            OWNER,
        ],
        "a role was made, but a secret of others read before": [
            op("S", -30, grade=Grade.ATTESTED),
            MADE,
            GIVEN,
        ],
        "the role was made by another session": [
            op("V", 0, session="s2", effects=(Effect.EXPANDS, Effect.CREATES), **ATTESTED),
            GIVEN,
        ],
        "the role that was made becomes an administrator": [
            MADE,
            op("V", 30, effects=(Effect.EXPANDS, Effect.ADMIN), **ATTESTED),
        ],
        "that it was made is but a claim": [
            op("V", 0, effects=(Effect.EXPANDS, Effect.CREATES), **ATTESTED | {"grade": Grade.OBSERVED}),
            GIVEN,
        ],
    },
    "guardrail_tampering": {
        "it was refused, but for all": [op("L", 0, outcome="denied", effects=(Effect.WEAKENS, Effect.WIDE))],
    },
}

MUST_NOT: Stories = {
    "scouted_credential": {
        "a rotation looks at the keys of whoever it renews one for": [
            *_looked("user", "user", "user", "user"),
            op("C", 300, **LASTING),
        ],
        "two kinds, as a help desk does": [*_looked("user", "group", "user"), op("C", 200, **LASTING)],
        "the key is short-lived": [*_looked("user", "role", "tenant"), op("C", 200, effects=(Effect.MINTS,))],
        "it was approved": [
            *_looked("user", "role", "tenant"),
            approval(90, **KEY),
            op("C", 200, **LASTING),
        ],
        "its owner is new, and of its own making": [
            op("U", 0, target="user/app", target_kind="user", **NEW),
            *_looked("user", "role", "tenant"),
            op("C", 200, grade=Grade.ATTESTED, **LASTING),
        ],
        "it was refused": [*_looked("user", "role", "tenant"), op("C", 200, outcome="denied", **LASTING)],
        "the key came first": [op("C", -10, **LASTING), *_looked("user", "role", "tenant")],
        "hours lie between": [*_looked("user", "role", "tenant"), op("C", 4_000, **LASTING)],
        "another session looked": [
            *_looked("user", "role", "tenant"),
            op("C", 200, session="s2", **LASTING),
        ],
    },
    "borrowed_workload": {
        "it was approved": [
            approval(-10, operation="ssm:SendCommand", target="i-1"),
            op("V", 0, **RUN),
        ],
        "it broke": [op("V", 0, outcome="error", **RUN)],
        "the function was made by the session itself": [
            op("V", 0, effects=(Effect.CREATES,), **ATTESTED),
            op("V", 9, effects=(Effect.RUNS_AS,), **ATTESTED),
        ],
        "a change that runs nothing": told("V@0"),
    },
    "opened_outside": {
        "a change is registered for the snapshot": [
            registered("change", -10, targets=("sg-1",)),
            op("L", 0, **OPENED),
        ],
        "a comment on a ticket": [op("X", 0, effects=(Effect.OUTBOUND,))],
        "a login by two factors": [op("C", 0, effects=(Effect.MINTS,), facts={"factors": "2"})],
        "it was refused": [op("L", 0, outcome="denied", **OPENED)],
    },
    "unapproved_change": {
        "approved were just these accounts": [trusted(*TWO), let_in(*TWO)],
        "approved was the trust, and nothing said of whom": [trusted("see the ticket"), LET_IN],
        "approved was this account, as people write it": [trusted("9999-0000-2222"), LET_IN],
        "but where to read about it": [trusted("https://tickets.example.org/browse/CHG-12"), LET_IN],
        "but the account that the role is in": [
            approval(-10, operation="iam:UpdateAssumeRolePolicy", target="role/app in 222200001111"),
            let_in(TWO[1], account="222200001111"),
        ],
        "approved was that anybody is let in": [trusted("allUsers"), let_in("*")],
        "approved was a login source by its name, which its record has by its id": [
            trusted("https://sso.example.net"),
            op("T", 0, effects=TRUST, facts={"issuer": "0oia1b2c3d4e5f6g7h8i"}),
        ],
        "by the role's full id, which has its own account": [
            approval(
                -10,
                operation="iam:UpdateAssumeRolePolicy",
                target=f"{ARN}, as agreed",
            ),
            LET_IN,
        ],
        "approved was this issuer": [
            trusted("oidc-provider/login.example.net"),
            op("T", 0, effects=TRUST, facts={"issuer": "login.example.net"}),
        ],
        "approved was the role for just her": [approval(-10, target="owner:eve@example.org"), OWNER],
        "by her name": [approval(-10, target="owner -> Eve Miller"), op_for("eve.miller@example.org")],
        "by her login, without its domain": [approval(-10, target="Eve -> owner"), OWNER],
        "with a ticket's number": [approval(-10, target="owner, CHG-4711"), OWNER],
        "with another number, and for how long": [approval(-10, target="owner: INC0012345; PT8H"), OWNER],
        "for the whole tenant": [approval(-10, target="owner:/"), OWNER],
        "for an id, which says nothing of a name": [
            approval(-10, target="owner:eve@example.org"),
            op_for("0f74493c-3d0a-4530-b2b4-ecaa34a18fbe"),
        ],
        "the change is registered for the role, and for her": [
            registered("change", -10, targets=("owner", "eve@example.org")),
            OWNER,
        ],
        "a role that the session made gets its policy": [MADE, GIVEN],
        "a secret that the session wrote is read before": [
            op(
                "U",
                -60,
                op_class=OpClass.OTHER,
                effects=(Effect.CREATES,),
                target="secret/own",
                target_kind="secret",
                grade=Grade.ATTESTED,
            ),
            op("S", -50, target="secret/own", grade=Grade.ATTESTED),
            MADE,
            GIVEN,
        ],
    },
    "faster_than_human": {
        "what is taken away was looked at before": [op("D", 0), op("V", 1, effects=(Effect.REMOVES,))],
    },
}
