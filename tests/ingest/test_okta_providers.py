"""What Okta's System Log says of sources of logins that were changed."""

from typing import Any

import pytest

from models.attested import Effect, Fact
from stream.sources.okta.system_log import normalise
from tests.ingest.changing import encoded
from tests.ingest.saas import only, operation


@pytest.mark.parametrize(
    ("before", "after", "opens"),
    [
        ({"issuer": "https://idp.example.org"}, {"issuer": "https://elsewhere.example"}, True),
        ({"credentials": {"trust": {"kid": "k1"}}}, {"credentials": {"trust": {"kid": "k2"}}}, True),
        ({"credentials": {"signing": {"kid": "k1"}}}, {"credentials": {"signing": {"kid": "k2"}}}, False),
        ({"endpoints": {"sso": {"url": "a"}}}, {"endpoints": {"sso": {"url": "b"}}}, True),
        ({"name": "partner"}, {"name": "partner of ours"}, False),
        ({"issuer": "a", "policy": {"x": "AUTO"}}, {"issuer": "a", "policy": {"x": "OFF"}}, False),
        ({"issuer": "a", "trust": {"kid": "k"}}, {"trust": {"kid": ""}}, False),
        ("a", ["b"], False),
        (None, {"issuer": ["https://elsewhere.example"]}, True),
    ],
)
def test_a_login_source_is_another_one_where_old_and_new_values_say_so(
    before: Any, after: Any, *, opens: bool
) -> None:
    """C11: whose word it takes, where it asks and with which key, is only in changeDetails."""
    provider = {"id": "0oapartner", "type": "IdentityProvider", "displayName": "partner-sso"}
    change = {**provider, "changeDetails": {"from": before, "to": after}}
    record = {
        "uuid": "e-1",
        "published": "2026-09-21T14:13:20.250Z",
        "eventType": "system.idp.lifecycle.update",
        "actor": {"id": "00uann", "type": "User", "alternateId": "ann@example.org"},
        "outcome": {"result": "SUCCESS"},
        "target": [change],
    }
    found = operation(only(normalise(encoded(record))))
    assert (Effect.TRUST_PATH in found.effects) is opens
    assert found.facts[Fact.ISSUER] == "0oapartner"
