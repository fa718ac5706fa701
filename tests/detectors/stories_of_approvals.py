"""What the text of an approval allows: an agent words what it asks for, and does something else."""

from typing import Any

from models.attested import Effect
from models.event import AnyEvent, Grade, Operation
from tests.builders import HUMAN, KNOWN_ISSUER, Stories, approval, op, registered

OWN = "222200001111"
THEIRS, OTHERS = "999900001111", "999900002222"
ADMIN = (Effect.EXPANDS, Effect.ADMIN)
ROLE = "Global Administrator"
ANN, EVE = "ann.lee@example.org", "eve@example.org"
POLICY = "AdministratorAccess"


def made(text: str, **let_in: str) -> list[AnyEvent]:
    """A role is allowed in these words, and made with a trust."""
    fields: dict[str, Any] = {"operation": "iam:CreateRole", "target": "partner", "target_kind": "role"}
    effects = (Effect.EXPANDS, Effect.CREATES, Effect.TRUST_PATH)
    facts = {"account": OWN} | let_in
    return [
        approval(-10, operation="iam:CreateRole", target=text),
        op("V", 0, effects=effects, grade=Grade.ATTESTED, facts=facts, **fields),
    ]


def opened(text: str, target: str = "role/app", **let_in: str) -> list[AnyEvent]:
    """A trust is allowed in these words, and a role opened."""
    facts = {"account": OWN} | let_in
    return [
        approval(-10, operation="iam:UpdateAssumeRolePolicy", target=text),
        op("T", 0, target=target, effects=(Effect.TRUST_PATH,), grade=Grade.ATTESTED, facts=facts),
    ]


def given(text: str, *who: str, **changed: Any) -> list[AnyEvent]:
    """A directory's role is allowed in these words, and somebody gets it."""
    fields: dict[str, Any] = {"operation": "Add member to role", "target": ROLE, "granted": ROLE} | changed
    facts = {"granted": fields.pop("granted"), "beneficiary": ",".join(who)}
    return [
        approval(-10, operation=fields["operation"], target=text),
        op("R", 0, effects=ADMIN, grade=Grade.ATTESTED, facts=facts, **fields),
    ]


PROJECT: dict[str, Any] = {"operation": "SetIamPolicy", "target": "prod-1", "granted": "roles/owner"}
SHOWN: dict[str, Any] = PROJECT | {"granted": "roles/viewer"}
BINDING: dict[str, Any] = {"target": "viewers", "granted": "view"}
ACCOUNTS = ("system:serviceaccount:ops:app", "system:serviceaccount:ops:spare")


def emergency(**let_in: str) -> list[AnyEvent]:
    """An incident is declared for a role, whose trust is then changed."""
    return [
        registered("incident", -600, "inc-1", targets=("breakglass",)),
        op("T", 0, target="breakglass", effects=(Effect.TRUST_PATH,), grade=Grade.ATTESTED, facts=let_in),
    ]


def joined(who: str) -> Operation:
    """Somebody joins an ordinary group, of whose rights the record tells."""
    facts = {"granted": "vpn-users", "beneficiary": who}
    return op("R", 0, target="vpn-users", effects=(Effect.EXPANDS,), grade=Grade.ATTESTED, facts=facts)


TIMES: tuple[str, ...] = (
    "until 04:38",
    "until 2026-11-19T04:38:50Z",
    "PT4H30M",
    "8hours",
    "90min",
    "2Stunden",
    "heute",
)
TIMES += ("19.11.2026", "11/19/2026", "Friday", "17:30", "8h", "P1D", "24h, SEV1, on-call")


def attached(text: str) -> list[AnyEvent]:
    """A policy is allowed in these words, and a role gets the strongest."""
    return given(text, "app", operation="iam:AttachRolePolicy", target="app", granted=POLICY)


ALONE = ("role/etl", "iam:role/etl", f"arn:aws:iam::{OWN}:role/etl", "Role/ETL")


def put(text: str, *effects: Effect) -> list[AnyEvent]:
    """A role's own policy is allowed in these words, of which its maker has chosen the name."""
    fields: dict[str, Any] = {"operation": "iam:PutRolePolicy", "target": "etl", "target_kind": "role"}
    gained = {"granted": "p-7", "beneficiary": "etl"}
    return [
        approval(-10, operation="iam:PutRolePolicy", target=text),
        op("V", 0, effects=(Effect.EXPANDS, *effects), grade=Grade.ATTESTED, facts=gained, **fields),
    ]


FIRES: Stories = {
    "unapproved_change": {
        "approved was the account that the role is called by, and another is let in": opened(
            f"role/partner-{THEIRS}: let in {THEIRS}", f"role/partner-{THEIRS}", foreign_account=OTHERS
        ),
        "approved was a new role for another account": made(f"partner: {THEIRS}", foreign_account=OTHERS),
        "approved was a new role, and anybody may take it on": made("partner", foreign_account="*"),
        "approved was the role of another account that is called alike": opened(
            f"role/app: arn:aws:iam::{THEIRS}:role/app", foreign_account=OTHERS
        ),
        "approved was another issuer, by its host alone": opened(
            "role/app -> login.partner.example", issuer="login.example.net"
        ),
        "approved was a public issuer, and an account is let in": opened(
            "role/app: gitlab.com", foreign_account=OTHERS
        ),
        "approved was the bare role, and it is opened to anybody": opened("role/app", foreign_account="*"),
        "approved was a role in a project, and all the world gets it": given(
            "prod-1:roles/viewer", "allUsers", **SHOWN
        ),
        "approved was one of two who get it": given(f"prod-1:roles/owner:{ANN}", ANN, EVE, **PROJECT),
        "approved was one of two accounts that are bound": given(
            "viewers -> view: ops/app", *ACCOUNTS, operation="create clusterrolebindings", **BINDING
        ),
        "approved was the role for somebody else, by her name": given(f"{ROLE} -> Ann Lee", EVE),
        "and who gets it is one of several accounts": given(f"{ROLE} -> Ann Lee", "breakglass1@example.org"),
        "a guest of another house": given(
            f"{ROLE} -> ann.lee@partner.example", "ann.lee_example.net#EXT#@example.onmicrosoft.com"
        ),
        "of two who get it one, by her login without its domain": given(f"{ROLE} -> ann.lee", ANN, EVE),
        "the same address in another house": given(f"{ROLE}:{ANN}", "ann.lee@example.net"),
        "behind a colon": given(f"{ROLE}: Ann Lee", "eve.miller@example.org"),
        "in a sentence": given(f"{ROLE} for Ann Lee", EVE),
        "in another": given(f"Ann Lee as {ROLE}", "emiller@example.org"),
        "in an incident the role that it names is opened to a stranger": emergency(foreign_account=OTHERS),
        "and to a stranger's issuer": emergency(issuer="login.example.net"),
        "the change is registered for the group, and for other users": [
            registered("change", -10, targets=("vpn-users", ANN)),
            joined(EVE),
        ],
        "whoever allowed it acts, by the login without its domain": [
            approval(-10, decided_by=HUMAN),
            op("V", 0, effects=ADMIN, grade=Grade.ATTESTED, principal="ann"),
        ],
        "in a session of a role that bears that login": [
            approval(-10, decided_by=HUMAN, session="aws:AROA7:ann"),
            op("V", 0, effects=ADMIN, grade=Grade.ATTESTED, principal="admin", session="aws:AROA7:ann"),
        ],
        "whoever declared the incident acts, by that login": [
            registered("incident", -600, "inc-1", targets=("ann",), decided_by=HUMAN),
            op("V", 0, target="ann", effects=ADMIN, grade=Grade.ATTESTED, principal="ann"),
        ],
        **{
            f"what is given is administrative, allowed was {text}": put(text, Effect.ADMIN)
            for text in ALONE[:3]
        },
        "the name is a policy's": put("policy/etl"),
        "the name is another service's": put("ecs:etl"),
        "the name is a part of another": put("role/etl-2"),
        "the role is named beside something else": put("role/etl:policy/reader"),
        "the policy is what is not to be given": attached(f"app: ReadOnlyAccess, not {POLICY}"),
        "or what is to be replaced": attached(f"app: ReadOnlyAccess instead of the policy {POLICY}"),
    }
}

MUST_NOT: Stories = {
    "unapproved_change": {
        "a role is called by the account that is let in": opened(
            f"role/partner-{OTHERS}, CHG-12", f"role/partner-{OTHERS}", foreign_account=OTHERS
        ),
        "a new role for this account": made(f"partner in {OWN} for {OTHERS}", foreign_account=OTHERS),
        "a new role": made("role/partner", foreign_account=OTHERS),
        "the role of another account that is called alike is let in": opened(
            f"role/app: arn:aws:iam::{OTHERS}:role/app", foreign_account=OTHERS
        ),
        "an issuer, by its host alone": opened(
            "role/app -> login.partner.example", issuer="login.partner.example"
        ),
        "and who asked for it": opened("role/app, for ann.lee@example.org", foreign_account=OTHERS),
        "and where to read about it": opened(
            "role/app, tickets.example.org/browse/CHG-12", foreign_account=OTHERS
        ),
        "and in whose pages": opened(
            "role/app: https://acme.service-now.com/nav_to.do?uri=chg", foreign_account=OTHERS
        ),
        "and which code it is for": opened(
            "role/app: github.com/example-org/infra", issuer="token.actions.githubusercontent.com"
        ),
        "and for which audience": opened(
            "role/app: aud sts.amazonaws.com", issuer="token.actions.githubusercontent.com"
        ),
        "and in which file and version": opened("role/app, trust.json v1.2.3", foreign_account=OTHERS),
        "a role over everything in a cluster, by its name alone": given(
            "wide-view", operation="create clusterroles", target="wide-view", granted="*"
        ),
        "a role in a project for all the world": given("prod-1:roles/viewer:allUsers", "allUsers", **SHOWN),
        "both who get it": given(f"prod-1:roles/owner:{ANN},{EVE}", ANN, EVE, **PROJECT),
        "whoever gets it": given("prod-1:roles/owner", ANN, EVE, **PROJECT),
        "who comes to those that are bound already": given(
            "viewers -> view: ops/app", *ACCOUNTS, operation="update clusterrolebindings", **BINDING
        ),
        "her name, and her login is made of it": given(f"{ROLE} -> Ann Lee", "alee@example.org"),
        "in a sentence": given(f"{ROLE} for Dr. Ann Lee", ANN),
        "in another spelling": given(f"Jörg Müller as {ROLE}", "mueller.joerg@example.org"),
        "last name first": given(f"{ROLE} -> Lee, Ann", ANN),
        "her name, and a login of her own for this": given(f"{ROLE} -> Ann Lee", "adm-alee@example.org"),
        "her name, and a login that is a number": given(f"{ROLE} -> Ann Lee", "p48151@example.org"),
        "her account for this, and for whom it is": given(
            f"{ROLE} -> breakglass1 for Tom Hardy", "breakglass1@example.org"
        ),
        "her name, in another script than logins have": given(f"{ROLE} -> Анна Ли", "anna.li@example.org"),
        "her name, in a script without capitals": given(f"{ROLE} -> 李安", "an.li@example.org"),
        "her address at home, where her login is of the directory": given(
            f"{ROLE}:{ANN}", "ann.lee@example.onmicrosoft.com"
        ),
        "for which region": given(f"{ROLE}: EMEA", ANN),
        "why": given(f"{ROLE}; Justification: Cloud Migration", ANN),
        "who asked for it": given(f"{ROLE}, requested by Tom Hardy", ANN),
        "what it is for": given(f"{ROLE}: Incident Response", ANN),
        "for how long": given(f"{ROLE} for eight hours", ANN),
        **{f"until, or for, {time}": given(f"{ROLE}; {time}", ANN) for time in TIMES},
        "in which tenant": given(f"{ROLE}: example.onmicrosoft.com", ANN),
        "her id, where her login is on record": given(f"{ROLE}:0f74493c-3d0a-4530-b2b4-ecaa34a18fbe", ANN),
        "the address of a guest": given(
            f"{ROLE} -> ann.lee@partner.example", "ann.lee_partner.example#EXT#@example.onmicrosoft.com"
        ),
        "for an id of a directory of AWS": given(
            f"{ROLE}:{ANN}", "906765b1d8-0f74493c-3d0a-4530-b2b4-ecaa34a18fbe"
        ),
        "in an incident the role that it names is opened to a known issuer": emergency(issuer=KNOWN_ISSUER),
        "the change is registered for the group, and for her": [
            registered("change", -10, targets=("vpn-users", ANN, EVE)),
            joined(EVE),
        ],
        "the change is registered for the group": [
            registered("change", -10, targets=("vpn-users",)),
            joined(EVE),
        ],
        "the change is registered for her": [registered("change", -10, targets=(EVE,)), joined(EVE)],
        "somebody acts who is called like whoever allowed it, elsewhere": [
            approval(-10, decided_by=HUMAN),
            op("V", 0, effects=ADMIN, grade=Grade.ATTESTED, principal="ann@example.net"),
        ],
        **{f"the role that gains, written {text}": put(text) for text in ALONE},
        "the policy, without an end": attached(f"app:{POLICY} without expiry"),
        "the policy, instead of another": attached(f"app: {POLICY} instead of ReadOnlyAccess"),
    }
}
