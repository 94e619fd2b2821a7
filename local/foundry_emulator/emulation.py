"""The emulated project without HTTP: the service, its clock, faults and ledger, and what tests do behind its back."""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from local.foundry_emulator import wire
from local.foundry_emulator.agents import builtin_agents, filler_agents
from local.foundry_emulator.clock import Clock, ScaledClock
from local.foundry_emulator.faults import Faults
from local.foundry_emulator.journal import Journal, JournalError
from local.foundry_emulator.ledger import Ledger, Recorder
from local.foundry_emulator.objects import Run
from local.foundry_emulator.scripts import Agent, End, File, Quota, load_agents
from local.foundry_emulator.second.agents import second_only_agents
from local.foundry_emulator.second.summary import conversation_summary, responses_summary
from local.foundry_emulator.second.unknowns import Unknowns
from local.foundry_emulator.service import GENERATIONS, Service, summary
from local.foundry_emulator.state import State


class Emulation:
    """One emulated project. `server` puts it on a port, `control` lets other processes reach it."""

    def __init__(
        self,
        *,
        agents: str | Path | Iterable[Agent] = (),
        clock_speed: float = 1.0,
        clock: Clock | None = None,
        project: str = "demo",
        token: str | None = None,
        latency: float = 0.0,
        filler_agents: int = 0,
        message_limit: int = 100_000,
        quota: Quota | None = None,
        db: str | Path | None = None,
        unknowns: Unknowns | Mapping[str, Any] | None = None,
        generations: Sequence[str] = GENERATIONS,
    ) -> None:
        self._initial_unknowns = unknowns if isinstance(unknowns, Unknowns) else Unknowns().changed(unknowns or {})
        known = _all_agents(agents, filler_agents)
        self._journal = None if db is None else Journal(Path(db))
        self.clock: Clock = clock or ScaledClock(clock_speed, not_before=self._journal.now if self._journal else 0)
        try:
            self.service = Service(
                known,
                self.clock,
                project=project,
                token=token,
                message_limit=message_limit,
                quota=quota,
                journal=self._journal,
                unknowns=self._initial_unknowns,
                generations=generations,
            )
        except JournalError as error:
            self.close()
            raise JournalError(f"the file {db} is damaged: {error}. Delete it (its threads are lost)") from error
        self.faults = Faults()
        self.recorder = Recorder()
        self.latency = latency
        self.errors: list[Exception] = []
        self.connections_opened = 0

    def close(self) -> None:
        """Close the file, if there is one."""
        if self._journal is not None:
            self._journal.close()

    # --- what tests ask ---

    @property
    def state(self) -> State:
        """Agents, threads, messages and runs; hold `state.lock` while reading more than one thing."""
        return self.service.state

    def ledger(self) -> Ledger:
        """Copy what was received, and what each thread holds now."""
        with self.state.lock:
            self.service.catch_up()
            now = self.state.now()
            conversations = {one.id: conversation_summary(one, now) for one in self.state.conversations.values()}
            loose = [one for one in self.state.responses.values() if one.conversation_id is None]
            return Ledger(
                self.recorder.entries(),
                summary(self.state),
                self.connections_opened,
                conversations,
                responses_summary(loose, now),
            )

    def agents(self) -> list[dict[str, str]]:
        """List the agents and what each does."""
        with self.state.lock:
            return [
                {
                    "id": one.id,
                    "name": str(one.fields.get("name") or ""),
                    "does": one.does or "Made by a client.",
                }
                for one in self.state.assistants.values()
            ]

    def named_agents(self) -> list[dict[str, str]]:
        """List the agents of the second generation: the latest version of each."""
        with self.state.lock:
            return [
                {
                    "name": one.id,
                    "version": one.versions[-1].version,
                    "kind": one.versions[-1].kind,
                    "state": "enabled" if one.enabled else "disabled",
                    "does": one.does,
                }
                for one in self.state.named.values()
            ]

    @property
    def unknowns(self) -> Unknowns:
        """What the second generation does where no source says it."""
        return self.service.second.switches.unknowns

    # --- what tests do ---

    def set_unknowns(self, **values: Any) -> Unknowns:
        """Turn switches, and leave the others. Raises ValueError for a name or a value that there is not."""
        with self.state.lock:
            self.service.second.switches.unknowns = self.unknowns.changed(values)
            return self.unknowns

    def add_file(self, file: File) -> str:
        """Add a file to the project, as an upload does; return its id."""
        with self.state.lock:
            self.state.add_file(file)
            self.state.commit()
            return file.id

    def reset(self) -> None:
        """Forget threads, runs and their like, requests, faults, created agents, turned switches, connections."""
        self.service.reset()
        self.service.second.switches.unknowns = self._initial_unknowns
        self.recorder.clear()
        self.faults.clear()
        self.connections_opened = 0

    def cancel_run(self, run_id: str) -> dict[str, Any]:
        """Cancel a run as somebody else would, `cancelling` first. Raises KeyError, ValueError (ended)."""
        with self.state.lock:
            run, now = self._active(run_id), self.clock.now()
            if run.cancel_at is None:
                run.cancel_at = now
            self.state.keep(run)
            self.state.commit()
            return wire.show_run(self.state, run)

    def end_run(self, run_id: str, end: End) -> dict[str, Any]:
        """End a run at once. Raises KeyError or ValueError (it has ended)."""
        with self.state.lock:
            run = self._active(run_id)
            run.forced = (self.clock.now(), end)
            self.state.keep(run)
            self.state.commit()
            return wire.show_run(self.state, run)

    def cancel_response(self, response_id: str) -> dict[str, Any]:
        """Cancel a response as somebody else would. Raises KeyError, ValueError (ended)."""
        return self.end_response(response_id, End(status="cancelled"))

    def end_response(self, response_id: str, end: End) -> dict[str, Any]:
        """End a response at once. Raises KeyError or ValueError (it has ended)."""
        with self.state.lock:
            shown = self.service.second.responses.end(response_id, end)
            self.state.commit()
            return shown

    def break_conversation(self, conversation_id: str) -> dict[str, Any]:
        """Let every further response of a conversation fail, as the service was seen to do. Raises KeyError."""
        with self.state.lock:
            shown = self.service.second.spoil(conversation_id)
            self.state.commit()
            return shown

    def _active(self, run_id: str) -> Run:
        run = self.state.runs[run_id]
        state = run.look(self.clock.now())
        if state.is_terminal:
            raise ValueError(f"run {run_id} has ended: {state.status}")
        return run


def _all_agents(added: str | Path | Iterable[Agent], fillers: int) -> list[Agent]:
    builtin: Iterable[Agent] = (*builtin_agents(), *second_only_agents())
    if isinstance(added, str | Path):
        loaded = load_agents(Path(added))
        added = loaded.agents
        builtin = builtin if loaded.include_builtin else ()
    by_id = {agent.id: agent for agent in (*builtin, *filler_agents(fillers))}
    by_id.update({agent.id: agent for agent in added})
    return list(by_id.values())
