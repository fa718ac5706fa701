"""Who may act as an account of Google Cloud: from which project, from whose pipelines, with which keys."""

import pytest

from stream.sources.gcp.audit import normalise
from tests.ingest.clouds import deltas, gcp, read

VICTIM = "owner@shop-1.iam.gserviceaccount.com"


@pytest.mark.parametrize(
    ("member", "foreign"),
    [
        ("runner@other-99.iam.gserviceaccount.com", True),
        ("service-12345@other-99.iam.gserviceaccount.com", True),
        ("service-12345@gcp-sa-pubsub.iam.gserviceaccount.com", False),
    ],
)
def test_who_may_use_an_identity_from_another_project_gets_in_as_it(member: str, *, foreign: bool) -> None:
    """Unless it is the platform's own agent of the project."""
    name = f"projects/-/serviceAccounts/{VICTIM}"
    told = deltas(("ADD", "roles/iam.workloadIdentityUser", f"serviceAccount:{member}"))
    _, event = read(normalise, gcp("SetIamPolicy", name, serviceData=told))
    assert ("trust_path" in event.effects) is foreign
    assert ("foreign_account" in event.facts) is foreign


def test_a_pool_s_members_say_whose_pipelines_they_are() -> None:
    """By the attribute that the pool maps."""
    pool = "principalSet://iam.googleapis.com/projects/1/locations/global/workloadIdentityPools/gha"
    name = f"projects/-/serviceAccounts/{VICTIM}"
    for member, owner in (
        ("attribute.repository/Shop/app", "shop"),
        ("attribute.repository_owner/eve", "eve"),
    ):
        told = deltas(("ADD", "roles/iam.workloadIdentityUser", f"{pool}/{member}"))
        _, event = read(normalise, gcp("SetIamPolicy", name, serviceData=told))
        assert event.facts["admits"] == owner


def test_a_storage_key_says_whose_it_is() -> None:
    """Of the account, not of the project that the record names."""
    made = {"metadata": {"accessId": "GOOG1", "serviceAccountEmail": VICTIM}}
    _, event = read(normalise, gcp("storage.hmacKeys.create", "projects/shop-1", response=made))
    assert (event.facts["beneficiary"], event.facts["minted"]) == (VICTIM, "GOOG1")
