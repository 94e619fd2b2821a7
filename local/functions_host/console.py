"""What the user sees: one readable line per request, episode and activity."""

from __future__ import annotations

import json
import logging
import sys
import threading
import traceback
from datetime import datetime
from typing import TextIO

from local.functions_host.store import Instance
from local.terminal import Colour, painted

QUIET, BRIEF, NORMAL, VERBOSE = range(4)
_LONGEST_REASON = 160


class Console:
    """Writes lines to a stream from any thread."""

    def __init__(self, *, level: int = NORMAL, stream: TextIO | None = None) -> None:
        """Write to `stream`, standard output by default; `level` is one of the four above."""
        self.level = level
        self._stream = stream if stream is not None else sys.stdout
        self._lock = threading.Lock()

    def line(self, text: str) -> None:
        """Write a line as it is."""
        with self._lock:
            self._stream.write(text + "\n")
            self._stream.flush()

    def info(self, text: str) -> None:
        """Write something worth knowing, unless quiet."""
        if self.level >= NORMAL:
            self._stamped(text)

    def detail(self, text: str) -> None:
        """Write something only the curious want."""
        if self.level >= VERBOSE:
            self._stamped(text)

    def always(self, text: str) -> None:
        """Write something that is worth knowing also when quiet."""
        self._stamped(text)

    def warn(self, text: str) -> None:
        """Write a warning, also when quiet."""
        self._stamped(f"WARNING {text}")

    def error(self, text: str, error: BaseException) -> None:
        """Write an error: one line, and the stack where the user wants details."""
        self._stamped(f"ERROR {text}: {type(error).__name__}: {error}")
        if self.level >= VERBOSE:
            self.line("".join(traceback.format_exception(error)).rstrip())

    def request(self, method: str, path: str, status: int, seconds: float, function: str) -> None:
        """Report an HTTP request that has been answered."""
        self.info(f"{method} {path} -> {status} {function} {_ms(seconds)}".replace("  ", " "))

    def episode(self, row: Instance, seconds: float) -> None:
        """Report an episode of an orchestrator; in brief, the end of an instance."""
        if self.level == BRIEF and row.ended:
            colour = Colour.GOOD if row.status == "Completed" else Colour.BAD
            self._stamped(painted(ending(row), colour, self._stream))
        self.info(f"orchestrator {row.name} '{row.instance_id}' {row.status} {_ms(seconds)}")

    def activity(self, name: str, instance_id: str, seconds: float, failure: str | None) -> None:
        """Report an activity that has ended."""
        outcome = "failed" if failure else "succeeded"
        self.info(f"  activity {name} '{instance_id}' {outcome} {_ms(seconds)}")

    def timer(self, name: str, seconds: float, *, past_due: bool, failed: bool) -> None:
        """Report a run of a timer trigger."""
        late = " (past due)" if past_due else ""
        self.info(f"timer {name} {'failed' if failed else 'succeeded'}{late} {_ms(seconds)}")

    def _stamped(self, text: str) -> None:
        self.line(f"[{datetime.now().astimezone():%H:%M:%S.%f}".rstrip()[:13] + f"] {text}")


class ConsoleHandler(logging.Handler):
    """Sends what the app logs to the console."""

    def __init__(self, console: Console) -> None:
        """Write through `console`."""
        super().__init__()
        self._console = console
        self.setFormatter(logging.Formatter("%(levelname)s %(name)s: %(message)s"))

    def emit(self, record: logging.LogRecord) -> None:
        """Write one record; warnings and errors also when quiet."""
        if record.levelno >= logging.WARNING:
            self._console.always(self.format(record))
        else:
            self._console.info(self.format(record))


def ending(row: Instance) -> str:
    """Say in one line how an instance ended, after how long, and why if it did not complete."""
    line = f"{row.name} {row.instance_id} {row.status} after {row.updated - row.created:.1f} s"
    reason = json.loads(row.output) if row.output and row.status != "Completed" else None
    if not isinstance(reason, str):
        return line
    first = reason.strip().split("\n", 1)[0]
    return f"{line}: {first[:_LONGEST_REASON]}"


def _ms(seconds: float) -> str:
    return f"{seconds * 1000:.0f} ms" if seconds < 10 else f"{seconds:.1f} s"
