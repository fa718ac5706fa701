"""A registry that never answers: no worker waits for it for long, and none judges less because of it."""

import asyncio
import os
import threading
import time
from concurrent.futures import Future
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from models.baselines.baseline import Baseline
from models.errors import UnansweredError
from stream.configuration.settings import Settings
from stream.metrics import REGISTRY
from stream.model_registry.announcement import Act, Announcement, Slot
from stream.model_registry.copies import Copies, copies_of
from stream.model_registry.objects import Objects
from stream.model_registry.patience import answered, begun, within
from stream.model_registry.registry import ModelRegistry
from stream.model_registry.slots import AGAIN_S, AGAIN_S_MAX, UNANSWERED_MAX, Refusal, Slots
from stream.worker.engine import Engine
from tests.builders import TRUSTED
from tests.servers.deployment import until
from tests.test_model_registry import STRANGER, artifact, loaded

WAIT_S = 0.3


class Silent:
    """A topic on which nothing is said."""

    def __init__(self, *_: object) -> None:
        self.last: dict[Slot, Announcement] = {}

    async def open(self) -> None:
        """Nothing to hear."""


@pytest.fixture(autouse=True)
def no_topic(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nor a broker."""
    monkeypatch.setattr("stream.model_registry.slots.Hearing", Silent)


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """A registry and a copy of the test's own."""
    models, copies = str(tmp_path / "models"), str(tmp_path / "copy")
    return Settings(models=models, models_copies=copies, models_wait_s=WAIT_S)


def promoted(settings: Settings, *contents: bytes) -> list[Announcement]:
    """What is said of baselines that become live one after the other."""
    registry = ModelRegistry(Objects(settings.models), TRUSTED)
    return [registry.fill(Slot.LIVE, registry.put(each, Path("b")).version, "ann", "") for each in contents]


def file_of(settings: Settings, said: Announcement) -> Path:
    """The file of an announced baseline."""
    assert said.version is not None
    return Path(settings.models, "baselines", f"{said.version.removeprefix('baseline@')}.json")


def hang(path: Path) -> None:
    """A pipe that nobody writes into: whoever opens it waits, as in a network folder that is gone."""
    path.unlink(missing_ok=True)
    os.mkfifo(path)


def counted(result: str) -> float:
    """Announced baselines of the live slot that ended so."""
    labels = {"slot": "live", "result": result}
    return REGISTRY.get_sample_value("chainbrake_baseline_changes_total", labels) or 0.0


class Heard(Slots):
    """Slots that are told by the test instead of by the topic."""

    def __init__(self, settings: Settings, fallback: Baseline | None = None) -> None:
        self.put: list[str] = []
        super().__init__(settings, "topic", fallback, self._note)

    def _note(self, slot: Slot, baseline: Baseline | None) -> None:
        self.put.append(f"{slot} {baseline.version if baseline else 'none'}")

    def hear(self, said: Announcement) -> None:
        """An announcement has arrived."""
        self._hearing.last[said.slot] = said

    async def turn(self) -> float:
        """What a running worker does between two polls; how long that took."""
        began_s = time.monotonic()
        await self._fill(Slot.LIVE, WAIT_S / 3)
        return time.monotonic() - began_s

    def live(self) -> dict[str, str | None]:
        """What `/readyz` says of the live one."""
        return self.standing()["live"]


def test_an_answer_that_does_not_come_is_an_error_and_one_of_the_store_is_its_own() -> None:
    """A time-out that the store's client raises is not taken for ours."""
    silence = threading.Event()
    with pytest.raises(
        UnansweredError, match=r"models: no answer within 0\.1 s \(CHAINBRAKE_MODELS_WAIT_S\)"
    ):
        within(0.1, "models", silence.wait)

    def fails() -> None:
        raise TimeoutError("of the store")

    with pytest.raises(TimeoutError, match="of the store"):
        within(5, "models", fails)
    assert within(5, "models", lambda: 3) == 3


def test_an_answer_is_waited_for_more_than_once() -> None:
    """Whoever gives up leaves the question as it is; it may be answered yet."""
    silence = threading.Event()

    async def ask() -> list[bool]:
        answer = begun(silence.wait)
        first = await answered(answer, 0.05)
        silence.set()
        return [first, await answered(answer, 5), await answered(answer, 0)]

    assert asyncio.run(ask()) == [False, True, True]


def test_a_baseline_file_that_hangs_ends_the_start(tmp_path: Path) -> None:
    """With one line, in the time that is set."""
    hang(tmp_path / "baseline.json")
    began_s = time.monotonic()
    with pytest.raises(UnansweredError, match=r"baseline\.json: no answer"):
        Engine(Settings(baseline=str(tmp_path / "baseline.json"), models_wait_s=WAIT_S), adopt_topic=False)
    assert time.monotonic() - began_s < 100 * WAIT_S


def test_a_worker_that_starts_waits_no_longer_than_is_set(settings: Settings) -> None:
    """It goes on with what it is given for want of an announced one, and says so."""
    (said,) = promoted(settings, artifact(40))
    hang(file_of(settings, said))
    fallback = loaded(artifact(60))
    before = counted("unanswered")

    async def story() -> Heard:
        slots = Heard(settings, fallback)
        slots.hear(said)
        await slots.open()
        return slots

    began_s = time.monotonic()
    with capture_logs() as logs:
        slots = asyncio.run(story())
    assert time.monotonic() - began_s < 100 * WAIT_S
    assert slots.filled[Slot.LIVE] is fallback
    live = slots.live()
    assert (live["version"], live["announced"]) == (fallback.version, said.version)
    assert "no answer within 0.3 s" in str(live["error"])
    assert [row["event"] for row in logs] == ["announced baseline cannot be put to work, what ran goes on"]
    assert counted("unanswered") == before + 1
    assert REGISTRY.get_sample_value("chainbrake_baseline_behind", {"slot": "live"}) == 1


def test_a_worker_starts_with_its_copy_of_what_is_announced(settings: Settings) -> None:
    """As if the registry had answered; it is not even asked."""
    (said,) = promoted(settings, artifact(40))
    copy = Path(settings.models_copies, "live.json")

    async def story() -> Heard:
        slots = Heard(settings)
        slots.hear(said)
        await slots.open()
        return slots

    asyncio.run(story())
    until(copy.exists, 10, "a copy")
    hang(file_of(settings, said))
    assert asyncio.run(story()).live() == {"version": said.version}
    assert copy.read_bytes() == artifact(40)


@pytest.mark.slow
def test_a_worker_starts_with_what_was_live_last_until_it_has_the_announced_one(settings: Settings) -> None:
    """Behind, and it says so; then as announced."""
    old, new = promoted(settings, artifact(40), artifact(60))
    copies_of(settings).keep(artifact(40))
    whole = file_of(settings, new).read_bytes()
    hang(file_of(settings, new))

    async def story() -> Heard:
        slots = Heard(settings)
        slots.hear(new)
        await slots.open()
        assert slots.live()["version"] == old.version
        assert slots.live()["announced"] == new.version
        file_of(settings, new).unlink()
        file_of(settings, new).write_bytes(whole)
        while slots.live() != {"version": new.version}:
            slots._refused[Slot.LIVE].again_s = 0.0  # noqa: SLF001
            await slots.turn()
        return slots

    slots = asyncio.run(asyncio.wait_for(story(), 20))
    assert slots.put == [f"live {old.version}", f"live {new.version}"]


def test_a_timer_that_is_a_moment_early_keeps_no_worker_from_its_copy(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The event loop counts from when it last looked at the clock: what it waited may be a little less."""
    first, second = promoted(settings, artifact(40), artifact(60))
    assert first.version is not None
    copies_of(settings).keep(file_of(settings, first).read_bytes())
    hang(file_of(settings, second))

    async def early(answer: Future[object], wait_s: float) -> bool:
        return await answered(answer, wait_s - 0.01)

    monkeypatch.setattr("stream.model_registry.slots.answered", early)

    async def started() -> Heard:
        slots = Heard(settings)
        slots.hear(second)
        await slots.open()
        return slots

    live = asyncio.run(started()).live()
    assert (live["version"], live["announced"]) == (first.version, second.version)


def test_what_was_taken_back_does_not_come_back_from_a_copy(settings: Settings) -> None:
    """Somebody rolled back from it for a reason."""
    registry = ModelRegistry(Objects(settings.models), TRUSTED)
    first, second = promoted(settings, artifact(40), artifact(60))
    back = registry.roll_back("bob", "stops everybody")
    copies = copies_of(settings)
    copies.keep(artifact(60))
    assert copies.instead(back) is None
    assert copies.instead(first) is not None
    assert copies.exactly(second) is not None
    assert copies.exactly(back) is None


@pytest.mark.parametrize("content", [b"", b"{", artifact(40)[:-9], artifact(40, STRANGER)])
def test_a_copy_is_believed_no_more_than_any_file(tmp_path: Path, content: bytes) -> None:
    """Cut off, empty, or signed by a stranger."""
    copies = Copies(tmp_path, lambda: TRUSTED)
    said = Announcement(slot=Slot.LIVE, act=Act.FILL, number=1, version=None, by="ann", at_ms=1)
    copies.keep(content)
    assert copies.instead(said) is None
    assert Copies(tmp_path / "none", lambda: TRUSTED).instead(said) is None


def test_a_copy_that_cannot_be_kept_is_said(tmp_path: Path) -> None:
    """The worker runs on."""
    (tmp_path / "file").write_text("")
    with capture_logs() as logs:
        Copies(tmp_path / "file", lambda: TRUSTED).keep(artifact(40))
        Copies(None, lambda: TRUSTED).keep(artifact(40))
    assert [row["setting"] for row in logs] == ["CHAINBRAKE_MODELS_COPIES"]


def test_a_running_worker_hears_on_while_a_registry_hangs(settings: Settings) -> None:
    """A turn is short, what runs goes on, and what is announced meanwhile is done at once."""
    one, two = promoted(settings, artifact(40), artifact(60))
    hang(file_of(settings, two))

    async def story() -> Heard:
        slots = Heard(settings)
        slots.hear(one)
        while slots.live() != {"version": one.version}:
            await slots.turn()
        slots.hear(two)
        turns = [await slots.turn() for _ in range(6)]
        assert max(turns) < 50 * WAIT_S
        assert slots.live()["version"] == one.version
        assert slots.live()["announced"] == two.version
        slots.hear(ModelRegistry(Objects(settings.models), TRUSTED).roll_back("bob", ""))
        await slots.turn()
        assert slots.live() == {"version": one.version}
        return slots

    assert asyncio.run(asyncio.wait_for(story(), 20)).put == [f"live {one.version}"]


def test_what_cannot_be_had_is_tried_again_less_and_less_often(settings: Settings) -> None:
    """Twice the pause each time, up to a limit; another announcement begins anew."""
    one, two = promoted(settings, artifact(40), artifact(60))
    for said in (one, two):
        file_of(settings, said).unlink()

    async def story() -> list[float]:
        slots = Heard(settings)
        pauses: list[float] = []
        refused: dict[Slot, Refusal] = slots._refused  # noqa: SLF001
        for said in (*[one] * 6, two):
            slots.hear(said)
            last = refused.get(Slot.LIVE)
            while refused.get(Slot.LIVE) is last:
                await slots.turn()
            pauses.append(refused[Slot.LIVE].pause_s)
            before = counted("refused")
            await slots.turn()
            assert counted("refused") == before, "not before its time"
            refused[Slot.LIVE].again_s = 0.0
        return pauses

    pauses = asyncio.run(asyncio.wait_for(story(), 30))
    assert pauses == [AGAIN_S, 2 * AGAIN_S, 4 * AGAIN_S, 8 * AGAIN_S, AGAIN_S_MAX, AGAIN_S_MAX, AGAIN_S]


def test_a_registry_that_hangs_for_good_costs_a_bounded_number_of_threads(settings: Settings) -> None:
    """However many baselines are announced meanwhile, and however often it is tried again."""
    all_said = promoted(settings, *(artifact(40 + number) for number in range(3)))
    for said in all_said:
        hang(file_of(settings, said))

    async def story() -> Heard:
        slots = Heard(settings)
        for turn in range(3 * UNANSWERED_MAX):
            slots.hear(all_said[turn % 3])
            await slots._fill(Slot.LIVE, 0.01)  # noqa: SLF001
        return slots

    before = threading.active_count()
    slots = asyncio.run(asyncio.wait_for(story(), 20))
    assert threading.active_count() - before <= UNANSWERED_MAX
    assert f"{UNANSWERED_MAX} questions hang" in str(slots.live()["error"])
