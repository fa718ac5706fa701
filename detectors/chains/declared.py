"""A declared chain: which classes of operations, in which order, within which time, bound how."""

from msgspec import Struct

from models.event import GRANTS, OpClass


class Chain(Struct, frozen=True, kw_only=True):
    """Ordered and gap-tolerant: other operations between the steps do not matter."""

    name: str
    title: str
    steps: tuple[frozenset[OpClass], ...]
    """The last step is the decisive one; an approval that covers it absolves."""
    bound_step: int
    """The step whose targets the decisive one is compared with."""
    tags: tuple[str, ...] = ()


READ_THEN_WRITE = Chain(
    name="read_then_write_chain",
    title="identities listed, policies read, a secret read, then a role, privilege or trust changed",
    steps=(
        frozenset({OpClass.DISCOVERY}),
        frozenset({OpClass.POLICY_READ}),
        frozenset({OpClass.SECRET_READ}),
        GRANTS,
    ),
    bound_step=1,
    tags=("T1087.004", "T1069.003", "T1555.006", "T1098.003", "AML.T0098", "AML.T0053", "ASI03"),
)
