"""What a registration's words allow."""

import pytest

from models.scope import Scope, read_scope


@pytest.mark.parametrize(
    ("words", "scope"),
    [
        ("", Scope()),
        ("read", Scope(read_only=True)),
        ("read metadata", Scope(read_only=True, metadata_only=True)),
        ("secrets */db, user svc-a, user svc-b", Scope(secrets=("*/db",), users=("svc-a", "svc-b"))),
        ("namespaced", Scope(namespaced=True)),
        ("users and ordinary groups", Scope(ordinary=True)),
        ("whatever people write", Scope()),
        ("ready made", Scope()),
    ],
)
def test_terms_are_read_and_other_words_are_for_people(words: str, scope: Scope) -> None:
    """A term that is not known limits nothing: it must not be mistaken for one that does."""
    assert read_scope(words) == scope


def test_secrets_match_as_in_a_shell() -> None:
    """And without a term every secret is within; with `metadata` none."""
    assert read_scope("secrets */db").allows_secret("app/db")
    assert not read_scope("secrets */db").allows_secret("platform/root-ca")
    assert read_scope("").allows_secret("platform/root-ca")
    assert not read_scope("read metadata").allows_secret("app/db")


def test_a_wildcard_name_is_within_only_where_a_pattern_says_so() -> None:
    """`*` in a pattern stands for one host; a certificate for every host is another matter."""
    scope = read_scope("", "*.svc.example.org (no wildcard names)")
    assert scope.allows_name("api.svc.example.org")
    assert not scope.allows_name("*.svc.example.org")
    assert not scope.allows_name("www.example.net")
    assert read_scope("").allows_name("*.example.net")
