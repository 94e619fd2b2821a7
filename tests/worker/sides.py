"""One app, indexed and invoked by Microsoft's runtime or by the local host's own parts, in a process of its own.

``python -m tests.worker.sides runtime|local`` serves the app of the current folder: it reads a command a line and
answers with a line, JSON both. Both sides give the same form of answer, so that it can be compared. The runtime keeps
an app in its modules' globals, and so does the SDK: hence the process.
"""

from __future__ import annotations

import asyncio
import json
import logging
import os
import sys
from pathlib import Path
from typing import Any, Protocol, TextIO

Json = dict[str, Any]


class Side(Protocol):
    """What a side does. Answers of ``invoke`` are ``{"result": ...}``, or ``{"error": ...}``: what the host is told."""

    async def index(self) -> Json:
        """Index the app: ``{"functions": {name: bindings}}`` or ``{"error": ...}``."""
        ...

    async def invoke(self, name: str, kind: str, given: Any, client: str, trace: str) -> Json:
        """Invoke a function by its trigger's type, within the trace of this `traceparent` unless it is empty, and with
        the text of its durable client binding if it has one.
        """
        ...


class AppLog(logging.Handler):
    """Keeps the lines of the app's own loggers until they are taken."""

    def __init__(self) -> None:
        super().__init__(logging.INFO)
        self._lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        if record.name.split(".")[0] == "agent_run":
            self._lines.append(f"{record.levelname} {record.getMessage()}")

    def take(self) -> list[str]:
        lines, self._lines = self._lines, []
        return lines


async def serve(side: Side, commands: TextIO, answers: TextIO) -> None:
    log = AppLog()
    logging.getLogger().addHandler(log)
    logging.getLogger("agent_run").setLevel(logging.INFO)
    while line := await asyncio.to_thread(commands.readline):
        command = json.loads(line)
        if command["do"] == "index":
            answer = await side.index()
        else:
            answer = await side.invoke(*(command[part] for part in ("name", "kind", "given", "client", "trace")))
            answer["log"] = log.take()
        answers.write(json.dumps(answer) + "\n")
        answers.flush()


def main() -> None:
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # what the app prints is no answer
    root = Path.cwd()
    sys.path.insert(0, str(root))
    side: Side
    if sys.argv[1] == "runtime":
        from tests.worker.runtime_side import RuntimeSide

        side = RuntimeSide(root)
    else:
        from tests.worker.local_side import LocalSide

        side = LocalSide(root)
    asyncio.run(serve(side, sys.stdin, answers))
    answers.flush()
    os._exit(0)  # the runtime has no way to end its threads


if __name__ == "__main__":
    main()
