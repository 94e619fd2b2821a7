"""One host's worker process in the race: `python -m tests.ownership.worker FILE NAME`. It works until it is killed.

The environment names the storage account and the Foundry project, as it does for the app. Each step of an instance is
the activity that the orchestrator would call; a place that is not in front is asked for again, as there.
"""

from __future__ import annotations

import random
import sys
import threading
import time
import uuid
from datetime import UTC, datetime
from pathlib import Path

from contracts.runs import RunSnapshot, Stamp
from foundry.connection import agent_service
from foundry.errors import FoundryError, ThreadBusyError
from foundry.service import AgentService
from ownership.keys import KeyHolder, claim, mark_started
from ownership.threads import leave, take_place
from settings import load_settings
from store.connection import document_store
from store.documents import DocumentStore, StoreError
from tests.e2e.world import agent
from tests.ownership.platform import Platform, Work

THREADS = 24
LONGEST_PAUSE = 0.6
RESULTS_LOST = 0.03
"""So many results of steps do not get to the platform, which has them done again."""


class WorkerProcess:
    """Does steps of instances and starts with keys."""

    def __init__(self, platform: Platform, name: str) -> None:
        self.platform = platform
        self.name = name
        self.service: AgentService = agent_service(load_settings())
        self.store: DocumentStore = document_store()

    def has_ended(self, instance: str) -> bool:
        return self.platform.runtime_status(instance) != "Running"

    def work(self) -> None:
        """Do what is due, one thing after the other."""
        while True:
            if work := self.platform.take(self.name):
                self.do(work)
            elif keyed := self.platform.take_keyed(self.name):
                self.start(*keyed)
            else:
                time.sleep(0.02)

    def do(self, work: Work) -> None:
        """Do a step, and see to it that it is done again where it has failed for now."""
        try:
            getattr(self, work.step)(work, self.service.within(30))
        except (StoreError, FoundryError) as error:
            if not (error.retryable or isinstance(error, ThreadBusyError)):
                self.platform.find(f"{work.instance} failed: {error.code} {error.message}")
                self.platform.end(work.instance, "failed")
            else:
                self.platform.go_on(work, work.step, seconds=random.random() * LONGEST_PAUSE)

    def go_on(self, work: Work, step: str, *, run: str | None = None, seconds: float = 0.0) -> None:
        """Tell the platform what is next, which may not hear of it."""
        lost = random.random() < RESULTS_LOST
        self.platform.go_on(work, work.step if lost else step, run=None if lost else run, seconds=seconds)

    def create_message(self, work: Work, service: AgentService) -> None:
        place = take_place(self.store, work.thread, work.instance, self.has_ended)
        if not place.is_owner:
            self.platform.go_on(work, work.step, seconds=(0.5 + random.random()) * LONGEST_PAUSE)
            return
        self.platform.owns(work.thread, work.instance)
        stamp = Stamp(instance_id=work.instance, operation_id=f"{work.instance}:message")
        if service.find_message(work.thread, stamp).message_id is None:
            service.create_message(work.thread, work.message, {}, stamp)
        self.go_on(work, "create_run")

    def create_run(self, work: Work, service: AgentService) -> None:
        stamp = Stamp(instance_id=work.instance, operation_id=f"{work.instance}:run-0")
        run = service.find_run(work.thread, stamp) or service.create_run(work.thread, agent("history"), {}, {}, stamp)
        self.go_on(work, "get_run", run=run.run_id, seconds=0.1)

    def get_run(self, work: Work, service: AgentService) -> None:
        assert work.run is not None
        run: RunSnapshot = service.get_run(work.thread, work.run)
        if not run.state.is_ended:
            self.platform.go_on(work, "get_run", seconds=0.1)
            return
        answer = service.get_answer(work.thread, work.run)
        self.platform.owns_no_more(work.thread, work.instance)
        leave(self.store, work.thread, work.instance)
        if random.random() < RESULTS_LOST:
            self.platform.go_on(work, "get_run")
            return
        self.platform.end(work.instance, run.state, answer.text)

    def start(self, key: str, caller: int) -> None:
        """Start the instance of a key, as the HTTP function does; a 503 is asked again."""
        mine = KeyHolder(instance=uuid.uuid4().hex, fingerprint=key, created=datetime.now(UTC))
        try:
            holder = claim(self.store, key, mine)
        except StoreError:
            self.platform.answer_keyed(key, caller, None, seconds=random.random() * LONGEST_PAUSE)
            return
        if not holder.started and not self.platform.is_started(holder.instance):
            self.platform.start(key, holder.instance)
            mark_started(self.store, key, holder)
        self.platform.answer_keyed(key, caller, holder.instance)


def main() -> None:
    """Work until killed."""
    process = WorkerProcess(Platform(Path(sys.argv[1])), sys.argv[2])

    def work() -> None:
        try:
            process.work()
        except BaseException as error:
            process.platform.find(f"a worker's thread died: {type(error).__name__}: {error}")
            raise

    threads = [threading.Thread(target=work) for _ in range(THREADS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


if __name__ == "__main__":
    main()
