"""The curl lines that `make start` prints: each works as it stands, in one shell from top to bottom."""

from __future__ import annotations

import shlex
from collections.abc import Sequence

HISTORY = "asst_history00000000000000000"
SLOW = "asst_slow00000000000000000000"
TOOL = "asst_tool00000000000000000000"
"""Agents of the emulator: the first answers in 2 seconds, the second in 20, the third asks for a tool's output."""

_RUN_URI = """grep -o 'http[^"]*/api/runs/[^"/]*' | head -1"""
_CALL_ID = "grep -o 'call_[A-Za-z0-9]*' | head -1"
_OUTPUT = """'{"tool_outputs": [{"tool_call_id": "'$CALL'", "output": "18 degrees"}]}'"""


def examples(url: str, agent_ids: Sequence[str], function_key: str | None) -> list[tuple[str, list[str]]]:
    """Return pairs of a subject and its lines. A run needs an agent; without a key the host asks for none."""
    curl = "curl -s" if function_key is None else f"curl -s -H {shlex.quote(f'x-functions-key: {function_key}')}"

    def start(agent_id: str, message: str, more: str = "") -> str:
        return f"{curl} {url}/api/agents/{agent_id}/runs -H 'Content-Type: text/plain'{more} -d '{message}'"

    shown = [("Which agents there are", [f"{curl} {url}/api/agents"])]
    if not agent_ids:
        return [*shown, ("Whether the project can be used", [f"{curl} {url}/api/health/ready"])]
    quick = HISTORY if HISTORY in agent_ids else agent_ids[0]
    lasting = SLOW if SLOW in agent_ids else agent_ids[0]
    shown += [
        ("A run, and its answer", [start(quick, "Why is the sky blue?", " -H 'Prefer: wait=60'")]),
        (
            "A run that is looked at, and cancelled",
            [
                f"RUN=$({start(lasting, 'Take your time.')} | {_RUN_URI})",
                f"{curl} $RUN",
                f"{curl} -X POST $RUN/cancel",
            ],
        ),
    ]
    if TOOL in agent_ids:
        lines = [
            f"RUN=$({start(TOOL, 'How warm is it in Oslo?')} | {_RUN_URI})",
            f"until CALL=$({curl} $RUN | {_CALL_ID}); [ $CALL ]; do sleep 1; done",
            f"{curl} $RUN/tool_outputs -H 'Content-Type: application/json' -d {_OUTPUT}",
        ]
        shown.append(("A run that asks for a tool's output", lines))
    return shown
