"""When two names mean one thing, and when they only look alike."""

import pytest

from detectors.naming import names_target, same_thing, stands_whole_in
from tests.builders import op


@pytest.mark.parametrize(
    ("written", "target", "same"),
    [
        ("iam:role/app", "app", True),
        ("iam:role/app", "role/APP", True),
        ("ops/RoleBinding/team", "ops/team", True),
        ("arn:aws:iam::111122223333:role/app", "iam:role/app", True),
        ("kv/app", "kv/data/app", True),
        ("ops/team", "kube-system/team", False),
        ("arn:aws:iam::111122223333:role/app", "arn:aws:iam::444455556666:role/app", False),
        ("app", "app2", False),
        ("", "", False),
        ("/", "/", False),
        ("app", "", False),
    ],
)
def test_what_both_say_of_where_it_is_has_to_agree(written: str, target: str, *, same: bool) -> None:
    """One of the two may say less, and neither may contradict the other."""
    assert same_thing(written, target) is same
    assert same_thing(target, written) is same


@pytest.mark.parametrize(
    ("written", "kind", "named"),
    [
        ("iam:role/app", "role", True),
        ("iam:role/app", "user", False),
        ("ops/RoleBinding/app", "binding", True),
        ("ops/Role/app", "binding", False),
        ("iam:oidc-provider/app", "oidc_provider", True),
        ("teams/app", "role", True),
    ],
)
def test_a_kind_that_is_known_has_to_be_the_same(written: str, kind: str, *, named: bool) -> None:
    """A word before the name that is no kind says nothing of it."""
    assert names_target(written, op("V", 0, target="app", target_kind=kind)) is named


@pytest.mark.parametrize(
    ("name", "text", "stands"),
    [
        ("svc-backup", "svc-backup->admins", True),
        ("svc-backup", "user SVC-BACKUP, admins", True),
        ("svc-backup", "svc-backup-reader:policy", False),
        ("svc-backup", "old-svc-backup", False),
        ("svc-backup", "svc-backup.example.org", False),
        ("kv/app", "see kv/app.", True),
    ],
)
def test_a_name_inside_a_longer_one_does_not_stand_there(name: str, text: str, *, stands: bool) -> None:
    """What an approval names is whole."""
    assert stands_whole_in(name, text) is stands
