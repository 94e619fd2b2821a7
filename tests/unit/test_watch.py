"""A watch on a clock of the test's own: when it looks, and what ends it."""

import asyncio
from collections.abc import Awaitable, Callable

import msgspec
import pytest

from activities.look_rate import LookRate
from activities.slots import Slots
from activities.watch import MOST_WATCHES, Watch, watch_of_worker
from contracts.runs import PendingCall, RunSnapshot, RunState

RUN = RunSnapshot(run_id="run_1", thread_id="thread_1", state=RunState.ACTIVE, raw_status="in_progress")
DONE = msgspec.structs.replace(RUN, state=RunState.COMPLETED, raw_status="completed")
ASKS = msgspec.structs.replace(
    RUN, state=RunState.REQUIRES_ACTION, pending_calls=(PendingCall(id="c1", kind="function", name="f"),)
)
STOPPING = msgspec.structs.replace(RUN, state=RunState.CANCELLING)


class Service:
    """Answers looks one after the other, the last one again and again; None is a look that fails."""

    def __init__(self, *answers: RunSnapshot | None, takes: float = 0.0) -> None:
        self.now = 100.0
        self.answers = list(answers)
        self.takes = takes
        self.looks: list[float] = []

    def clock(self) -> float:
        return self.now

    async def sleep(self, seconds: float) -> None:
        self.now += seconds

    async def look(self) -> RunSnapshot | None:
        self.looks.append(round(self.now - 100.0, 2))
        self.now += self.takes
        return self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]

    def watch(self, *, rate: float = 20, slots: int = 1) -> Watch:
        return Watch(LookRate(rate, self.now), Slots(slots), self.clock, self.sleep)

    def news(self, run: RunSnapshot = RUN, *, age: float = 0.0, left: float = 600.0, **of: float) -> RunSnapshot:
        return asyncio.run(self.watch(**of).news_of(run, self.look, age=age, seconds_left=left))


def test_it_looks_at_the_ages_of_the_schedule_and_no_longer() -> None:
    service = Service(RUN)
    seen = service.news()
    assert service.looks == [0.4, 1.2, 3.0, 3.5, 4.3, 5.25]
    assert (seen.state, seen.looks) == (RunState.ACTIVE, 6)
    assert service.now <= 105.5


def test_the_older_the_run_the_fewer_the_looks_but_for_the_first_seconds() -> None:
    counts = []
    for age in (0, 10, 30, 59):
        service = Service(RUN)
        service.news(age=age)
        counts.append(len(service.looks))
    assert counts == [6, 7, 4, 2]


@pytest.mark.parametrize("news", [DONE, ASKS], ids=["ended", "asks"])
def test_news_end_it(news: RunSnapshot) -> None:
    service = Service(RUN, news)
    seen = service.news()
    assert service.looks == [0.4, 1.2]
    assert (seen.state, seen.pending_calls, seen.looks) == (news.state, news.pending_calls, 2)


@pytest.mark.parametrize("news", [DONE, ASKS], ids=["ended", "asks"])
def test_there_is_nothing_to_watch_where_the_news_are_there(news: RunSnapshot) -> None:
    service = Service(RUN)
    assert service.news(news) is news
    assert service.looks == []


def test_a_run_that_is_being_cancelled_is_watched() -> None:
    assert Service(STOPPING, DONE).news(STOPPING).state is RunState.COMPLETED


def test_a_look_that_fails_ends_it_with_what_was_last_seen() -> None:
    service = Service(STOPPING, None)
    seen = service.news()
    assert service.looks == [0.4, 1.2]
    assert (seen.state, seen.looks) == (RunState.CANCELLING, 2)


def test_no_look_begins_after_the_deadline() -> None:
    service = Service(RUN)
    service.news(left=1.3)
    assert service.looks == [0.4, 1.2]
    late = Service(RUN)
    late.news(left=-5)
    assert late.looks == []


def test_slow_looks_make_it_no_longer_than_the_one_that_is_under_way() -> None:
    service = Service(RUN, takes=3.0)
    service.news()
    assert service.looks == [0.4, 3.4]
    assert service.now == pytest.approx(106.4)


def test_the_look_that_came_before_is_counted_too() -> None:
    assert Service(DONE).news(msgspec.structs.replace(RUN, looks=1)).looks == 2


def test_without_a_slot_a_look_is_one_look() -> None:
    service = Service(RUN)
    assert service.news(slots=0) is RUN
    assert service.looks == []


def test_a_slot_is_given_back_whatever_happens() -> None:
    service = Service(DONE)
    watch = service.watch()

    async def breaks() -> RunSnapshot | None:
        raise RuntimeError("a bug")

    async def one_after_the_other() -> list[RunState]:
        with pytest.raises(RuntimeError):
            await watch.news_of(RUN, breaks, age=0, seconds_left=60)
        seen = [await watch.news_of(RUN, service.look, age=0, seconds_left=60) for _ in range(2)]
        return [run.state for run in seen]

    assert asyncio.run(one_after_the_other()) == [RunState.COMPLETED] * 2


def test_a_watch_that_is_cancelled_gives_its_slot_back() -> None:
    service = Service(DONE)
    began, slots = asyncio.Event(), Slots(1)

    async def for_ever(_seconds: float) -> None:
        began.set()
        await asyncio.Event().wait()

    async def stopped() -> bool:
        watch = Watch(LookRate(20, 0.0), slots, service.clock, for_ever)
        task = asyncio.create_task(watch.news_of(RUN, service.look, age=0, seconds_left=60))
        await began.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        return slots.take()

    assert asyncio.run(stopped())


def test_the_rate_holds_looks_up_and_ends_a_watch_that_would_wait_too_long() -> None:
    service = Service(RUN)
    service.news(rate=1)
    assert service.looks == [0.4, 1.4, 3.0, 4.0, 5.25]
    rare = Service(RUN)
    rare.news(rate=0.1)
    assert rare.looks == []


def test_as_many_watch_as_have_a_slot_and_each_waits_on_the_loop() -> None:
    """Two hundred at once: they hold no thread, and beyond the slots a look is one look."""
    released: list[Callable[[], None]] = []

    async def all_at_once() -> list[RunSnapshot]:
        free = asyncio.Event()
        released.append(free.set)

        async def sleep(_seconds: float) -> None:
            await free.wait()

        async def look() -> RunSnapshot | None:
            return DONE

        watch = Watch(LookRate(1000, 0.0), Slots(48), lambda: 0.0, sleep)
        tasks: list[Awaitable[RunSnapshot]] = [
            asyncio.ensure_future(watch.news_of(RUN, look, age=0, seconds_left=60)) for _ in range(200)
        ]
        for _ in range(3):
            await asyncio.sleep(0)
        released[0]()
        return await asyncio.gather(*tasks)

    seen = [run.state for run in asyncio.run(all_at_once())]
    assert seen.count(RunState.COMPLETED) == 48
    assert seen.count(RunState.ACTIVE) == 152


def test_a_worker_has_one_set_of_slots() -> None:
    watch_of_worker.cache_clear()
    assert watch_of_worker(20) is watch_of_worker(20)
    assert MOST_WATCHES == 48
    assert watch_of_worker(20).slots.take()
    assert not watch_of_worker(0).slots.take()
    watch_of_worker.cache_clear()
