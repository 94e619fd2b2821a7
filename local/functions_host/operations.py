"""What clients may do with instances: start, look, raise, terminate, suspend, resume, restart, rewind, purge.

Everything is written to the store before the caller hears of it. HTTP is `management`.
"""

from __future__ import annotations

import uuid
from collections.abc import Collection, Sequence
from dataclasses import replace

from local.functions_host import protocol
from local.functions_host.clock import iso, parse_iso
from local.functions_host.engine import Engine
from local.functions_host.protocol import Event, Kind
from local.functions_host.store import Instance
from local.functions_host.tracing import Trace, trace_of


class ConflictError(Exception):
    """An instance of this id is in use."""

    def __init__(self, status: str) -> None:
        """Name the status it is in."""
        super().__init__(f"An Orchestration instance with the status {status} already exists.")


class DisabledError(Exception):
    """The orchestrator is disabled."""

    def __init__(self, name: str) -> None:
        """Name it."""
        super().__init__(f"The function '{name}' doesn't exist, is disabled, or is not an orchestrator function.")


class NotFoundError(Exception):
    """No instance of this id."""


class GoneError(Exception):
    """The instance has ended."""


class BrokenRequestError(Exception):
    """The extension fails where it should say that the instance has ended; hostile mode only."""


class WrongStateError(Exception):
    """The operation does not fit the status of the instance; the message is the extension's."""


class Operations:
    """The client side of the task hub."""

    def __init__(self, engine: Engine, disabled: Collection[str] = ()) -> None:
        """Work on the engine's store; orchestrators that are `disabled` are not started."""
        self._engine = engine
        self._disabled = disabled
        self._store = engine.store

    def start(
        self,
        name: str,
        instance_id: str | None,
        input_text: str | None,
        version: str | None,
        trace: Trace | None = None,
    ) -> str:
        """Start an instance, within a trace of its own or this one; raises ConflictError where the id belongs to one
        that has not ended, or DisabledError.
        """
        if name in self._disabled:
            raise DisabledError(name)
        instance_id = instance_id or uuid.uuid4().hex
        present = self._store.instance(instance_id)
        if present is not None and not present.ended and not self._engine.hooks.overlooks(present):
            raise ConflictError(present.status)
        self._create(name, instance_id, input_text, version or self._engine.options.versions.current, trace)
        return instance_id

    def _create(
        self, name: str, instance_id: str, input_text: str | None, version: str | None, trace: Trace | None = None
    ) -> None:
        span = (trace or trace_of({})).child() if self._engine.options.traces else None
        started = self._engine.event(
            Kind.EXECUTION_STARTED,
            name=name,
            version=version,
            input=input_text,
            instance_id=instance_id,
            execution_id=str(uuid.uuid4()),
            generation=0,
            trace_parent=span and span.parent,
            trace_state=span and span.state,
        )
        with self._store.transaction():
            at = self._engine.create(started)
        self._engine.wake_at(instance_id, at)

    def status(self, instance_id: str) -> Instance | None:
        """Return an instance, None where there is none."""
        return self._store.instance(instance_id)

    def history(self, instance_id: str) -> list[Event]:
        """Return the history of an instance."""
        return [protocol.event_from_text(t) for t in self._store.history(instance_id)]

    def query(
        self,
        *,
        created_from: float | None,
        created_to: float | None,
        statuses: Sequence[str],
        prefix: str,
        after: str,
        limit: int,
    ) -> list[Instance]:
        """Return instances in id order."""
        return self._store.instances(
            created_from=created_from,
            created_to=created_to,
            statuses=statuses,
            prefix=prefix,
            after=after,
            limit=limit,
        )

    def raise_event(self, instance_id: str, name: str, input_text: str) -> None:
        """Send an external event."""
        row = self.alive(instance_id)
        hooks = self._engine.hooks
        if hooks.loses_event(row):
            return
        event = self._engine.event(Kind.EVENT_RAISED, name=name, input=input_text)
        for _ in range(2 if hooks.repeats_event(row) else 1):
            self._send(instance_id, event)

    def terminate(self, instance_id: str, reason: str) -> None:
        """End an instance at its next episode."""
        row = self.alive(instance_id)
        event = self._engine.event(Kind.EXECUTION_TERMINATED, reason=reason)
        with self._store.transaction():
            at = self._engine.send_termination(row, event)
        self._engine.wake_at(instance_id, at)

    def suspend(self, instance_id: str, reason: str) -> None:
        """Stop an instance from handling events until it is resumed."""
        row = self.alive(instance_id)
        if row.status == "Suspended":
            raise WrongStateError(
                f"Cannot suspend the orchestration instance {instance_id} because instance is in the Suspended state."
            )
        self._send(instance_id, self._engine.event(Kind.EXECUTION_SUSPENDED, reason=reason))

    def resume(self, instance_id: str, reason: str) -> None:
        """Let a suspended instance go on."""
        row = self.alive(instance_id)
        if row.status != "Suspended":
            raise WrongStateError(
                f"Cannot resume the orchestration instance {instance_id} because instance is in the {row.status} state."
            )
        self._send(instance_id, self._engine.event(Kind.EXECUTION_RESUMED, reason=reason))

    def restart(self, instance_id: str, new_id: str | None, version: str | None) -> str:
        """Start an instance again with its name, input and, unless another is given, version; returns the new id.

        Without one the new id is made up; raises ConflictError where it belongs to an instance that has not ended.
        """
        row = self._found(instance_id)
        target = uuid.uuid4().hex if new_id is None else new_id
        present = self._store.instance(target)
        if present is not None and not present.ended:
            raise ConflictError(present.status)
        self._create(row.name, target, row.input, version or row.version)
        return target

    def rewind(self, instance_id: str, reason: str) -> None:
        """Put a failed instance back to before its failure and run it again, failed children included."""
        row = self._found(instance_id)
        if row.status != "Failed":
            raise WrongStateError(
                f'This orchestration has status {row.status}, but only orchestrations in the "Failed" state can be '
                "rewound."
            )
        leaves: list[str] = []
        with self._store.transaction():
            self._rewind(row, reason, leaves)
        for leaf in leaves:
            self._engine.revive(leaf)

    def _rewind(self, row: Instance, reason: str, leaves: list[str]) -> None:
        """Take failed tasks and the end out of the history; inside a transaction.

        An instance with failed children waits for them: only the innermost are `leaves`, and go on by themselves.
        """
        history = self.history(row.instance_id)
        failed = {e.task_id for e in history if e.kind in (Kind.TASK_FAILED, Kind.SUB_FAILED)}
        waits_for: set[int] = set()
        for event in history:
            if event.kind is Kind.SUB_CREATED and event.event_id in failed and event.instance_id:
                child = self._store.instance(event.instance_id)
                if child is not None and child.status == "Failed":
                    self._rewind(child, reason, leaves)
                    waits_for.add(event.event_id)
        kept = [_rewound(e, failed, waits_for) for e in history]
        self._store.replace_history(row.instance_id, [protocol.event_to_text(e) for e in kept])
        row.status = "Pending"  # the old output is shown until the instance ends or continues as new
        row.updated = self._engine.clock.timestamp()
        self._store.save_instance(row)
        self._engine.forget(row.instance_id)
        if not waits_for:
            self._engine.send(row.instance_id, self._engine.event(Kind.GENERIC, reason=reason))
            leaves.append(row.instance_id)

    def purge(self, instance_id: str) -> None:
        """Delete an instance that has ended."""
        row = self._found(instance_id)
        if not row.ended:
            raise WrongStateError(
                "Only orchestrations in a terminal state can be purged, but the orchestration with instance ID "
                f"{instance_id} has status {row.status}"
            )
        self._delete([row])

    def purge_by(self, *, created_from: float, created_to: float | None, statuses: Sequence[str]) -> int:
        """Delete every instance in a range, running ones too where no terminal status is named (rule 13)."""
        rows = self._store.instances(created_from=created_from, created_to=created_to, statuses=statuses)
        self._delete(rows)
        return len(rows)

    def _delete(self, rows: Sequence[Instance]) -> None:
        with self._store.transaction():
            for row in rows:
                self._store.delete_instance(row.instance_id)
        for row in rows:
            self._engine.forget(row.instance_id)
        self._engine.compact_soon()

    def alive(self, instance_id: str) -> Instance:
        """Return an instance that has not ended, else raise NotFoundError or GoneError."""
        row = self._found(instance_id)
        if row.ended:
            if self._engine.hooks.fails_request(row):
                raise BrokenRequestError(f"The instance {instance_id} is completing.")
            raise GoneError
        return row

    def _found(self, instance_id: str) -> Instance:
        row = self._store.instance(instance_id)
        if row is None:
            raise NotFoundError(instance_id)
        return row

    def _send(self, instance_id: str, event: Event) -> None:
        with self._store.transaction():
            at = self._engine.send(instance_id, event)
        self._engine.wake_at(instance_id, at)


def _rewound(event: Event, failed: set[int], waits_for: set[int]) -> Event:
    """Replace what a rewind undoes by an event that says nothing, so that the rest keeps its place."""
    ended = event.kind is Kind.EXECUTION_COMPLETED
    failure = event.kind in (Kind.TASK_FAILED, Kind.SUB_FAILED)
    again = event.kind in (Kind.TASK_SCHEDULED, Kind.SUB_CREATED) and event.event_id in failed - waits_for
    if not (ended or failure or again):
        return event
    moment = iso(parse_iso(event.timestamp))
    return replace(Event(Kind.GENERIC, moment), reason=f"{protocol.REWOUND}{protocol.NAMES[event.kind]}")
