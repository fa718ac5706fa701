"""Entra's directory audit: who gains what, whose credential, whose tokens are trusted, what got weaker."""

from typing import Any

import pytest

from models.event import CredentialKind, OpClass
from stream.sources.entra.records import normalise
from stream.sources.sighting import Handle
from tests.ingest.clouds import (
    PERSON,
    changed,
    directory,
    read,
    thing,
)
from tests.ingest.entra_records import CONSENT, SAMPLES, access, keys


def test_an_application_is_known_by_its_object_and_followed_by_request() -> None:
    """The caller's own request id first, then the token."""
    sighting, event = read(normalise, SAMPLES[4])
    assert sighting.follows == (
        Handle("entra.request", "client-1"),
        Handle("entra.request", "req-1"),
        Handle("entra.uti", "uti-1"),
    )
    assert (event.source, event.session, event.principal) == ("entra.audit", "entra:sp-1", "sp-1")
    assert (event.act, event.credential, event.credential_kind) == (
        "client-1",
        "uti-1",
        CredentialKind.EPHEMERAL,
    )
    assert event.workload_proven
    assert event.facts["address"] == "192.0.2.9"


def test_a_person_is_known_by_name_and_has_a_session_by_id() -> None:
    """`initiatedBy.user`."""
    _, event = read(normalise, directory("Add owner to application", initiatedBy=PERSON))
    assert (event.session, event.principal) == ("entra:u-1", "ada@shop.example")
    assert event.facts["address"] == "192.0.2.7"
    assert event.at_ms == 1_777_863_721_234


@pytest.mark.parametrize(
    ("record", "op_class", "target", "effects", "facts"),
    [
        (
            SAMPLES[0],
            "role_mapping",
            "Global Administrator",
            {"expands", "admin"},
            {"beneficiary": "ada@x.example"},
        ),
        (
            directory(
                "Remove member from role",
                thing("User", "ada@x.example", changed("Role.DisplayName", "Global Administrator", None)),
            ),
            "role_mapping",
            "Global Administrator",
            {"removes"},
            {"beneficiary": "ada@x.example"},
        ),
        (
            directory(
                "Add member to group",
                thing("User", "ada@x.example", changed("Group.DisplayName", None, "wiki-readers")),
            ),
            "role_mapping",
            "wiki-readers",
            {"expands"},
            {"beneficiary": "ada@x.example", "granted": "wiki-readers"},
        ),
        (
            directory(
                "Add member to group",
                thing("User", "ada@x.example", changed("Group.DisplayName", None, "tenant-admins")),
            ),
            "role_mapping",
            "tenant-admins",
            {"expands", "admin"},
            {},
        ),
        (
            directory(
                "Add eligible member to role in PIM completed (permanent)",
                thing("Role", "Privileged Role Administrator"),
                thing("ServicePrincipal", "desk-bot"),
            ),
            "privilege_change",
            "Privileged Role Administrator",
            {"expands", "admin", "long_lived"},
            {"beneficiary": "desk-bot,sp-1", "granted": "Privileged Role Administrator"},
        ),
        (
            directory(
                "Add member to role in PIM completed (timebound)",
                thing("Role", "Reports Reader"),
                thing("User", "bo@x.example"),
            ),
            "privilege_change",
            "Reports Reader",
            {"expands"},
            {"beneficiary": "bo@x.example"},
        ),
        (
            directory(
                "Add member to role in PIM completed (PIM activation)",
                thing("Role", "Reports Reader"),
                thing("Request", "r-17"),
                thing("User", "bo@x.example"),
                thing("Directory", "Example Tenant"),
            ),
            "privilege_change",
            "Reports Reader",
            {"expands"},
            {"beneficiary": "bo@x.example"},
        ),
        (
            directory("Add owner to application", thing("User", "bo@x.example"), thing("Application", "crm")),
            "role_mapping",
            "crm",
            {"expands"},
            {"beneficiary": "bo@x.example"},
        ),
    ],
)
def test_a_grant_says_what_to_whom(
    record: dict[str, Any], op_class: str, target: str, effects: set[str], facts: dict[str, str]
) -> None:
    """Whoever made it and gains by it is named as both its names."""
    _, event = read(normalise, record)
    assert (event.op_class, event.target) == (op_class, target)
    assert set(event.effects) == effects
    assert facts.items() <= event.facts.items()


def test_keys_say_whose_which_and_whether_they_only_went() -> None:
    """By what was described before and after, whatever the activity is called."""
    _, event = read(normalise, keys([], ["11111111-aaaa"]))
    assert event.operation == "Update application - Certificates and secrets management"
    assert (event.op_class, event.target, event.facts["beneficiary"]) == (
        OpClass.CREDENTIAL_MINT,
        "crm",
        "crm",
    )
    assert set(event.effects) == {"mints", "long_lived"}
    assert event.facts["minted"] == "11111111-aaaa"
    _, event = read(normalise, keys(["11111111-aaaa"], ["22222222-bbbb"], "Update application"))
    assert (event.op_class, event.facts["minted"]) == (OpClass.CREDENTIAL_MINT, "22222222-bbbb")
    _, event = read(normalise, keys(["11111111-aaaa", "22222222-bbbb"], ["22222222-bbbb"]))
    assert event.effects == ("removes",)
    assert "minted" not in event.facts


def test_a_consent_says_its_scopes_and_for_whom() -> None:
    """Tenant-wide where an administrator consents; administrative by the permission."""
    admin = changed("ConsentContext.IsAdminConsent", None, "True")
    scopes = "[] => [[Id: 1, ConsentType: AllPrincipals, Scope:  Mail.Read User.Read, CreatedDateTime: , ]]; "
    for properties, effects, granted in (
        (
            (admin, changed("ConsentAction.Permissions", None, "[Mail.Read]")),
            {"expands", "wide"},
            "Mail.Read",
        ),
        ((changed("ConsentAction.Permissions", None, scopes),), {"expands", "wide"}, "Mail.Read,User.Read"),
        ((changed("ConsentAction.Permissions", None, "[User.Read]"),), {"expands"}, "User.Read"),
        (
            (changed("AppRole.Value", None, "RoleManagement.ReadWrite.Directory"),),
            {"expands", "admin"},
            "RoleManagement.ReadWrite.Directory",
        ),
    ):
        _, event = read(normalise, directory(CONSENT, thing("ServicePrincipal", "crm", *properties)))
        assert event.op_class is OpClass.PRIVILEGE_CHANGE
        assert set(event.effects) == effects
        assert event.facts["granted"] == granted


MFA = {
    "state": "enabled",
    "grantControls": {"builtInControls": ["mfa"]},
    "conditions": {"users": {"includeUsers": ["All"], "excludeUsers": []}},
}


@pytest.mark.parametrize(
    ("new", "weaker"),
    [
        (MFA, False),
        (MFA | {"state": "disabled"}, True),
        (MFA | {"state": "enabledForReportingButNotEnforced"}, True),
        (MFA | {"grantControls": {"builtInControls": []}}, True),
        (MFA | {"grantControls": {"builtInControls": ["mfa", "compliantDevice"]}}, False),
        (MFA | {"conditions": {"users": {"includeUsers": ["All"], "excludeUsers": ["u-9"]}}}, True),
        (MFA | {"conditions": {"users": {"includeUsers": ["u-1"], "excludeUsers": []}}}, True),
        (MFA | {"displayName": "renamed"}, False),
    ],
)
def test_a_policy_is_weaker_where_it_asks_less_or_spares_more(new: dict[str, Any], *, weaker: bool) -> None:
    """By its settings before and after; the other way round it is stronger."""
    _, event = read(normalise, access(MFA, new))
    assert event.op_class is OpClass.TRUST_CHANGE
    assert ("weakens" in event.effects) is weaker
    if weaker:
        assert "weakens" not in read(normalise, access(new, MFA))[1].effects


def test_a_federated_credential_says_whose_tokens_are_trusted() -> None:
    """On a managed identity by the resource manager, on an application by a property."""
    _, event = read(normalise, SAMPLES[5])
    assert (event.op_class, event.target) == (OpClass.TRUST_CHANGE, "mi-1")
    assert set(event.effects) == {"trust_path", "expands"}
    assert event.facts["issuer"] == "e.example"
    federated = changed(
        "FederatedIdentityCredentials", [], [{"Name": "ci", "Issuer": "https://ci.example/x"}]
    )
    _, event = read(normalise, directory("Update application", thing("Application", "crm", federated)))
    assert (event.op_class, event.facts["issuer"]) == (OpClass.TRUST_CHANGE, "ci.example")
    assert "trust_path" in event.effects


def test_a_domain_says_who_vouches_for_its_logins() -> None:
    """Settings stand as lists in the log, of one text each."""
    issuer = changed("IssuerUri", ["http://old.example/adfs"], ["http://new.example/adfs"])
    _, event = read(
        normalise, directory("Set federation settings on domain", thing("Domain", "x.example", issuer))
    )
    assert (event.op_class, event.facts["issuer"]) == (OpClass.TRUST_CHANGE, "new.example")


@pytest.mark.parametrize(
    ("old", "new", "issuer"), [("Managed", "Federated", "x.example"), ("Federated", "Managed", "")]
)
def test_a_domain_whose_logins_are_left_to_others_stands_for_whoever_vouches(
    old: str, new: str, issuer: str
) -> None:
    """Who that is has a record of its own, or none: a registered change can name the domain."""
    kind = changed("LiveType", [old], [new])
    _, event = read(normalise, directory("Set domain authentication", thing("Domain", "x.example", kind)))
    assert event.facts.get("issuer", "") == issuer
