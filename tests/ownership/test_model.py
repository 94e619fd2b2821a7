"""Any interleaving of starts, ends, kills, terminations, purges, and of a store that loses requests and answers."""

from __future__ import annotations

import json
from collections.abc import Callable

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from ownership.threads import document_of, leave, take_place
from store.documents import StoreError
from tests.store.memory import MemoryStore

THREADS = ("thread_1", "thread_2")
FAULTS = st.lists(st.sampled_from([None, None, "lost", "unheard", "overtaken"]), max_size=4)


class Conversations(RuleBasedStateMachine):
    """What the instances believe, beside what the store holds."""

    def __init__(self) -> None:
        super().__init__()
        self.store = MemoryStore()
        self.thread_of: dict[str, str] = {}
        """The instances that go on."""
        self.owners: dict[str, set[str]] = {thread: set() for thread in THREADS}
        """Those who were told that they own it, and go on."""
        self.granted: dict[str, list[str]] = {thread: [] for thread in THREADS}
        self.replacing: set[str] = set()
        self.impatient: set[str] = set()
        """Those who take no place behind others."""
        self.done: set[str] = set()
        """Those whose run has ended, which they have not seen yet."""
        self.number = 0
        self.store.overtaker = self.overtake
        self.overtakes = 0
        self.leaving = ""
        self.before: dict[str, list[str]] = {thread: [] for thread in THREADS}

    def has_ended(self, instance: str) -> bool:
        return instance not in self.thread_of

    def ask(self, instance: str) -> None:
        thread = self.thread_of[instance]
        try:
            place = take_place(
                self.store,
                thread,
                instance,
                self.has_ended,
                is_done=self.done.__contains__,
                next_in_turn=instance in self.replacing,
                waits=instance not in self.impatient,
            )
        except StoreError:
            return
        if place.is_owner:
            self.owners[thread].add(instance)
            if instance not in self.granted[thread]:
                self.granted[thread].append(instance)
        else:
            assert place.owner != instance
            assert instance not in self.owners[thread], "what was granted is never taken away"

    def line(self, thread: str) -> list[str]:
        found = self.store.documents.get(document_of(thread).path)
        return [] if found is None else json.loads(found[0])["line"]

    def one_of(self, pick: int, among: Callable[[str], bool] = lambda _: True) -> str | None:
        some = sorted(i for i in self.thread_of if among(i))
        return some[pick % len(some)] if some else None

    def overtake(self) -> None:
        """Somebody else asks, between another one's look and write."""
        self.overtakes += 1
        if instance := self.one_of(self.overtakes * 7, lambda i: i != self.leaving and i not in self.done):
            self.ask(instance)

    @rule(thread=st.sampled_from(THREADS), faults=FAULTS, replace=st.booleans(), impatient=st.booleans())
    def start(self, thread: str, faults: list[str | None], replace: bool, impatient: bool) -> None:
        self.number += 1
        instance = f"i{self.number:04}"
        self.thread_of[instance] = thread
        if replace and self.number % 5 == 0:
            self.replacing.add(instance)
        elif impatient and self.number % 5 == 1:
            self.impatient.add(instance)
        self.store.faults = list(faults)
        self.ask(instance)
        self.store.faults = []

    @rule(pick=st.integers(0, 999), faults=FAULTS)
    def poll(self, pick: int, faults: list[str | None]) -> None:
        if instance := self.one_of(pick, lambda i: i not in self.done):
            self.store.faults = list(faults)
            self.ask(instance)
            self.store.faults = []

    @rule(pick=st.integers(0, 999), faults=FAULTS)
    def finish(self, pick: int, faults: list[str | None]) -> None:
        """The activity that sees the run's end leaves the line; the store may not hear of it."""
        if instance := self.one_of(pick, lambda i: i in self.owners[self.thread_of[i]]):
            thread = self.thread_of[instance]
            self.store.faults = list(faults)
            self.owners[thread].discard(instance)  # it does nothing on the thread any more
            self.leaving = instance
            leave(self.store, thread, instance)
            self.leaving, self.store.faults = "", []
            del self.thread_of[instance]

    @rule(pick=st.integers(0, 999))
    def run_ends(self, pick: int) -> None:
        """The run ends; its owner posts nothing any more, and sees that later."""
        if instance := self.one_of(pick, lambda i: i in self.owners[self.thread_of[i]]):
            self.owners[self.thread_of[instance]].discard(instance)
            self.done.add(instance)

    @rule(pick=st.integers(0, 999), faults=FAULTS)
    def see_the_end(self, pick: int, faults: list[str | None]) -> None:
        """Somebody else may have passed it over by now."""
        if instance := self.one_of(pick, self.done.__contains__):
            self.store.faults, self.leaving = list(faults), instance
            leave(self.store, self.thread_of[instance], instance)
            self.leaving, self.store.faults = "", []
            del self.thread_of[instance]

    @rule(pick=st.integers(0, 999))
    def end_without_a_word(self, pick: int) -> None:
        """Terminated, failed, purged: nobody leaves the line."""
        if instance := self.one_of(pick):
            self.owners[self.thread_of.pop(instance)].discard(instance)

    @invariant()
    def there_are_never_two_owners(self) -> None:
        for owners in self.owners.values():
            assert len(owners) <= 1

    @invariant()
    def whoever_came_first_stands_first(self) -> None:
        for thread in THREADS:
            line = self.line(thread)
            patient = [i for i in line if i not in self.replacing]
            known = set(self.before[thread])
            kept = [i for i in self.before[thread] if i in patient]
            assert [i for i in patient if i in known] == kept
            assert patient[: len(kept)] == kept, "newcomers stand behind"
            self.before[thread] = patient

    @invariant()
    def nobody_stands_twice(self) -> None:
        for thread in THREADS:
            line = self.line(thread)
            assert len(line) == len(set(line))

    def teardown(self) -> None:
        """Nothing is stuck: with a store that answers, everybody gets his turn, in the order of the line, and nothing
        is left behind.
        """
        for instance in self.done & self.thread_of.keys():
            del self.thread_of[instance]
        self.impatient.clear()  # each asks until it has its turn
        for thread in THREADS:
            waiting = [i for i in self.thread_of if self.thread_of[i] == thread]
            for instance in sorted(waiting, key=lambda i: (i not in self.owners[thread], i)):
                self.ask(instance)
            order = [i for i in self.line(thread) if not self.has_ended(i)]
            assert sorted(order) == sorted(waiting)
            for instance in order:
                self.ask(instance)
                assert instance in self.owners[thread]
                self.owners[thread].discard(instance)
                leave(self.store, thread, instance)
                del self.thread_of[instance]
        for thread in THREADS:
            assert not [i for i in self.line(thread) if not self.has_ended(i)]


TestConversations = Conversations.TestCase
TestConversations.settings = settings(max_examples=300, stateful_step_count=40, deadline=None)
