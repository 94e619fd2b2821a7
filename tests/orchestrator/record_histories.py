"""Records histories of today's version: `python -m tests.orchestrator.record_histories NAME ...` (or `--all`).

They go to `tests/histories/VERSION`, by `defaultVersion` in host.json. A file holds, for every generation of one
orchestration, what the platform handed to the orchestrator at its end and what it answered. A file that exists stands
for instances in flight. It is recorded anew only where nothing but inputs, custom status or texts differ; where the
order of the steps does, the version is raised and the old file stays as it is (docs/changing-the-orchestrator.md).
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.orchestrator.conversations import POLICY, Conversations
from tests.orchestrator.scripted_foundry import (
    DEAD_WORKER,
    NO_ANSWER,
    ActivityCrashError,
    ScriptedFoundry,
    call,
    down,
    failure,
    ok,
)
from tests.orchestrator.simulation import VERSION, Ended, Simulation

HISTORIES = Path(__file__).resolve().parents[1] / "histories"

ASKS = {"state": "requires_action", "pending_calls": [call("c1"), call("c2")]}
OUTPUTS = {"tool_outputs": [{"tool_call_id": i, "output": "42"} for i in ("c1", "c2")], "approvals": []}
UNSUPPORTED = {
    "state": "requires_action",
    "pending_calls": [call("cu_1", name="computer_use_preview", kind="unsupported")],
}
LIMITED = {"state": "failed", "error_code": "rate_limit_exceeded", "rate_limited": True, "retry_after_seconds": 7}

ASKS_MORE = {"state": "requires_action", "pending_calls": [call("c3")]}
MORE_OUTPUTS = {"tool_outputs": [{"tool_call_id": "c3", "output": "42"}], "approvals": []}
LOST = failure("connection_failed", retryable=True)
NOT_YET = failure("may_have_happened", retryable=True, retry_after_seconds=2.5)

Scenario = Callable[[], tuple[ScriptedFoundry, Ended]]


def _run(
    foundry: ScriptedFoundry, request: dict[str, Any] | None = None, **options: Any
) -> tuple[ScriptedFoundry, Ended]:
    return foundry, foundry.run(request, **options)


def _watched(states: dict[float, Any]) -> ScriptedFoundry:
    foundry = ScriptedFoundry(states)
    foundry.watches = True
    return foundry


SCENARIOS: dict[str, Scenario] = {
    "success": lambda: _run(ScriptedFoundry()),
    "given-thread": lambda: _run(ScriptedFoundry(), {"thread_id": "thread_x"}),
    "retries": lambda: _run(
        ScriptedFoundry(create_thread=[down()], create_run=[down(), ActivityCrashError(DEAD_WORKER)])
    ),
    "not-found": lambda: _run(ScriptedFoundry(create_run=[failure("not_found")])),
    "run-failed": lambda: _run(ScriptedFoundry({0: "active", 3: {"state": "failed", "error_code": "server_error"}})),
    "run-cancelled": lambda: _run(ScriptedFoundry({0: "active", 3: "cancelled"})),
    "timeout": lambda: _run(ScriptedFoundry({0: "active"}), timeout=20),
    "long": lambda: _run(ScriptedFoundry({0: "active", 200: "completed"})),
    "cancel-while-polling": lambda: _run(ScriptedFoundry({0: "active"}), events=[(5, "cancel")]),
    "cancel-early": lambda: _run(ScriptedFoundry(), events=[(0.05, "cancel")]),
    "tool-outputs": lambda: _run(
        ScriptedFoundry({0: ASKS}), events=[(4, "tool_outputs_1", {}), (9, "tool_outputs_2", OUTPUTS)]
    ),
    "no-quota": lambda: _run(ScriptedFoundry({0: "active", 2: LIMITED}), policy={"rate_limit_retries": 1}),
    "busy-thread": lambda: _run(
        ScriptedFoundry(create_message=[failure("thread_busy", active_run_id="run_o")] * 2), {"thread_id": "thread_x"}
    ),
    "answer-refused": lambda: _run(
        ScriptedFoundry({0: ASKS}, submit_tool_outputs=[failure("answer_refused", message="string too long")]),
        events=[(4, "tool_outputs_1", OUTPUTS), (9, "tool_outputs_2", OUTPUTS)],
    ),
    "unsupported-action": lambda: _run(ScriptedFoundry({0: "active", 2: UNSUPPORTED})),
    "look-refused": lambda: _run(ScriptedFoundry({0: "active", 9: "completed"}, get_run=[failure("forbidden")] * 3)),
    "cancel-refused": lambda: _run(
        ScriptedFoundry({0: "active"}, cancel_run=[failure("not_found")] * 2), events=[(5, "cancel")]
    ),
    "thread-deleted": lambda: _run(
        ScriptedFoundry(delete_thread=[failure("refused_for_now", retryable=True)]),
        policy={"delete_thread": "on_success"},
    ),
    "no-message": lambda: _run(ScriptedFoundry(), {"thread_id": "thread_x", "user_message": None}),
    "watched": lambda: _run(_watched({0: "active", 6: "completed"})),
    "cancel-in-the-first-watch": lambda: _run(_watched({0: "active"}), events=[(2, "cancel")]),
    "cancel-in-a-later-watch": lambda: _run(_watched({0: "active"}), events=[(7, "cancel")]),
    "conversation": lambda: _run(Conversations(), policy=POLICY),
    "conversation-rounds": lambda: _run(
        Conversations({0: ASKS}, {0: "active", 2: ASKS_MORE}, {0: "completed"}, submit_tool_outputs=[LOST, NOT_YET]),
        {"thread_id": "conv_x"},
        policy=POLICY,
        events=[(4, "tool_outputs_1", OUTPUTS), (30, "tool_outputs_2", MORE_OUTPUTS)],
    ),
    "conversation-cancelled-at-once": lambda: _run(
        Conversations({0: "active"}), {"thread_id": "conv_x"}, policy=POLICY, events=[(0.05, "cancel")]
    ),
    "conversation-takes-back": lambda: _run(
        Conversations(create_run=[failure("forbidden")]), {"thread_id": "conv_x"}, policy=POLICY
    ),
    "answer-lags": lambda: _run(ScriptedFoundry(get_response=[ok(NO_ANSWER)])),
}


def record(name: str) -> list[dict[str, Any]]:
    """Run the scenario; return its generations."""
    foundry, ended = SCENARIOS[name]()
    return [{"context": c, **answer_to(foundry.simulation, c)} for c in ended.histories]


def answer_to(simulation: Simulation, context: dict[str, Any]) -> dict[str, Any]:
    """Return what the orchestrator answers, or raises, for what the platform hands it."""
    answer, error = simulation.answer(json.dumps(context))
    return {"answer": answer, "error": error}


def main(names: list[str]) -> None:
    """Write the files."""
    folder = HISTORIES / VERSION
    folder.mkdir(parents=True, exist_ok=True)
    for name in SCENARIOS if names == ["--all"] else names:
        text = json.dumps(record(name), indent=1, sort_keys=True)
        (folder / f"{name}.json").write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1:])
