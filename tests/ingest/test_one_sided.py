"""What only one side tells is said, once both had time and only where both usually speak."""

from msgspec.structs import replace

from models.attested import Registered
from models.event import AnyEvent, OpClass, Outcome, Registration
from models.registry import EMPTY
from stream.ingest.one_sided import TOGETHER_MIN, WAIT_MS
from stream.ingest.resolver import Resolver
from stream.sources.sighting import Handle, Sighting
from tests.ingest.sightings import KEY, LONG_AFTER_MS, REQUEST, RUN, last, record, started, tool

POD = Handle("pod", f"pod-{RUN}")
GRANT = {"operation": "iam:AttachRolePolicy", "op_class": OpClass.PRIVILEGE_CHANGE, "target": "role/app"}
MINUTE_MS = 60_000


def recorded(number: int, minute: int, *brings: Handle, **fields: object) -> Sighting:
    """The platform's record of a grant by the run."""
    given = {**GRANT, "system": "aws", **fields}
    return record(number, POD, at_ms=minute * MINUTE_MS, brings=brings, **given)  # type: ignore[arg-type]


def said(number: int, minute: int, **fields: object) -> Sighting:
    """The agent's span of one."""
    span = tool(number, minute * MINUTE_MS, "iam_attach_role_policy")
    given = {**GRANT, "operation": "iam_attach_role_policy", "system": "aws", **fields}
    return replace(span, event=replace(span.event, **given))


def both(first: int, last: int) -> list[Sighting]:
    """Grants of which both tell, one a minute."""
    return [one for k in range(first, last) for one in (said(k, k), recorded(k, k))]


def one_sided(sightings: list[Sighting], until_ms: int = 3 * WAIT_MS) -> list[tuple[Registered, str]]:
    """What is said of which act; each arrives when it happened."""
    return [(event.what, event.reference) for event in told(sightings, until_ms)]


def told(sightings: list[Sighting], until_ms: int) -> list[Registration]:
    """As events, after records of others that arrive until then."""
    resolver = Resolver(EMPTY)
    times = (until_ms // 2, until_ms)
    others = [record(1000 + at_ms, at_ms=at_ms, session="aws:other", system="aws") for at_ms in times]
    events: list[AnyEvent] = []
    for one in [started(), *sorted([*sightings, *others], key=lambda each: each.event.at_ms)]:
        events += resolver.take(one, one.event.at_ms)
    events += resolver.overdue(LONG_AFTER_MS**2)
    kinds = (Registered.UNTOLD, Registered.UNRECORDED)
    return [event for event in events if isinstance(event, Registration) and event.what in kinds]


def test_both_directions_are_told() -> None:
    """A record without a span, and a span without a record, in a run where both usually come."""
    assert one_sided([*both(0, 3), recorded(7, 7)]) == [(Registered.UNTOLD, "record-7")]
    assert one_sided([*both(0, 3), said(7, 7)]) == [(Registered.UNRECORDED, "span-7")]
    assert one_sided(both(0, 9)) == []


def test_it_is_told_where_the_act_belongs_as_a_guess() -> None:
    """In the run's workflow, dated as the act, and with what a human has to know."""
    (event,) = told([*both(0, 3), recorded(7, 7)], 3 * WAIT_MS)
    assert (event.session, event.workflow, event.grade) == (RUN, "wf-1", "inferred")
    assert (event.at_ms, event.targets) == (7 * MINUTE_MS, ("role/app",))
    assert event.facts == {"operation": "iam:AttachRolePolicy", "source": "aws.cloudtrail"}


def test_who_never_spoke_is_not_silent() -> None:
    """An agent without spans on that provider, or a call that the provider was never seen to record."""
    few = both(0, TOGETHER_MIN - 1)
    assert one_sided([*few, recorded(7, 7)]) == []
    assert one_sided([*few, said(7, 7)]) == []
    assert one_sided([*both(0, 3), recorded(7, 7, system="okta")]) == []
    assert one_sided([*both(0, 3), said(7, 7, operation="iam_other_tool")]) == []


def test_a_lagging_or_silent_source_is_no_finding() -> None:
    """Nothing before ten minutes; a span is not held against a platform that told of nothing since."""
    acts = [*both(0, 3), recorded(7, 7), said(8, 8, operation="iam_attach_role_policy")]
    assert one_sided(acts, 7 * MINUTE_MS + WAIT_MS - 1) == []
    resolver = Resolver(EMPTY)
    silent = [started(), *both(0, 3), said(7, 7), said(60, 60)]
    events = [event for one in silent for event in resolver.take(one, one.event.at_ms)]
    late = replace(recorded(7, 7), event=replace(recorded(7, 7).event, id="late"))
    events += [*resolver.take(late, 61 * MINUTE_MS), *resolver.take(said(90, 90), 90 * MINUTE_MS)]
    assert not any(map(is_one_sided, events))


def is_one_sided(event: AnyEvent) -> bool:
    """Whether it says that one side was silent."""
    return isinstance(event, Registration) and event.what in (Registered.UNTOLD, Registered.UNRECORDED)


def test_reads_logins_and_refusals_are_nobodys_to_tell() -> None:
    """Libraries log in and refresh; some platforms do not record what they refuse."""
    usual = both(0, 3)
    assert one_sided([*usual, recorded(7, 7, op_class=OpClass.DISCOVERY)]) == []
    assert one_sided([*usual, recorded(7, 7, KEY, op_class=OpClass.CREDENTIAL_MINT)]) == []
    assert one_sided([*usual, said(7, 7, outcome=Outcome.DENIED)]) == []


def test_a_record_and_a_span_that_are_left_over_are_one_act() -> None:
    """Calls in quick succession may be joined crosswise: nothing was left out by either side."""
    apart = said(8, 8)
    later = replace(apart, event=replace(apart.event, at_ms=8 * MINUTE_MS + 9_000))
    assert one_sided([*both(0, 3), recorded(8, 8), later]) == []


def test_a_record_that_ran_in_another_session_first_finds_its_span() -> None:
    """The login is recorded after the call: the call is told of twice all the same, and by one act."""
    resolver = Resolver(EMPTY)
    call = record(1, REQUEST, KEY, at_ms=100, system="aws", **GRANT)  # type: ignore[arg-type]
    login = record(2, POD, at_ms=0, operation="sts:AssumeRole", brings=(KEY,))
    events = [event for one in (started(), call, said(1, 0), login) for event in resolver.take(one, 1000)]
    assert last(events, "record-1").session == RUN
    assert last(events, "record-1").act == last(events, "span-1").act
