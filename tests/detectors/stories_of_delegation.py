"""Stories of who handed work to whom, and with whose credential it is done."""

from typing import Any

from tests.builders import Stories, approval, delegation, op, started, told

OTHER: dict[str, Any] = {"session": "s2", "agent": "agent-8"}
TWO_RUNS = [started("s1"), started("s2", "agent-8")]

FIRES: Stories = {
    "unexplained_hop": {
        "another agent's token attaches a policy": [*TWO_RUNS, *told("D@0"), op("V", 60, **OTHER)],
        "it reads a secret, and the owner's own record of the token comes late": [
            *TWO_RUNS,
            *told("D@90"),
            op("S", 100, **OTHER),
            op("D", 0),
        ],
        "it was another one that it was delegated by": [
            started("s1"),
            started("s3", "agent-9"),
            started("s2", "agent-8", parent="s3"),
            *told("D@0"),
            op("V", 60, **OTHER),
        ],
        "it acts by order of one that handed it nothing": [
            started("s1"),
            started("s3", "agent-9"),
            started("s2", "agent-8", parent="s1"),
            op("V", 60, parent_session="s3", credential="cred-8", **OTHER),
        ],
    },
}

MUST_NOT: Stories = {
    "unexplained_hop": {
        "the owner of the token delegated to it": [
            *TWO_RUNS,
            delegation(-1, "s1", "s2"),
            *told("D@0"),
            op("V", 60, **OTHER),
        ],
        "by way of a third": [
            started("s1"),
            started("s3", "agent-9", parent="s1"),
            started("s2", "agent-8", parent="s3"),
            *told("D@0"),
            op("V", 60, **OTHER),
        ],
        "the delegate's token, used by who delegated": [
            started("s1", parent="s2"),
            started("s2", "agent-8"),
            *told("D@0"),
            op("V", 60, **OTHER),
        ],
        "two runs of one agent": [started("s1"), started("s2"), *told("D@0"), op("V", 60, session="s2")],
        "an account that is shared": [
            *TWO_RUNS,
            op("D", 0, credential_kind="shared"),
            op("V", 60, credential_kind="shared", **OTHER),
        ],
        "on behalf of the person whose session it is": [
            *TWO_RUNS,
            op("D", 0, principal="ann.lee@example.org"),
            op("V", 60, on_behalf_of="ann.lee@example.org", **OTHER),
        ],
        "it only looks around with it": [*TWO_RUNS, *told("D@0"), op("P", 60, **OTHER)],
        "it was refused": [*TWO_RUNS, *told("D@0"), op("V", 60, outcome="denied", **OTHER)],
        "a person approved its change": [
            *TWO_RUNS,
            *told("D@0"),
            approval(50, session="s2"),
            op("V", 60, **OTHER),
        ],
        "nobody told that a run began: a handle of an account": [*told("D@0"), op("V", 60, **OTHER)],
        "it names the grandparent that its work came from": [
            started("s1"),
            started("s3", "agent-9", parent="s1"),
            started("s2", "agent-8", parent="s3"),
            op("V", 60, parent_session="s1", credential="cred-8", **OTHER),
        ],
    },
}
