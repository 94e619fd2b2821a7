"""JSON as .NET writes it, and failures as the worker and the extension describe them."""

from __future__ import annotations

import json
import math
import re
import traceback
from typing import Any

# What the platform says where the process that ran a function has died.
DEAD_WORKER = "python exited with code 137 (0x89)"
MAX_DEPTH = 64  # of arrays and objects inside one another, as the host's own reader takes them
_NESTING = re.compile(r'"[^"\\]*(?:\\.[^"\\]*)*"|[\[\]{}]', re.DOTALL)
_SURROGATE = re.compile("[\ud800-\udfff]")


def dumps(value: Any) -> str:
    """Write JSON as the extension does: compact, not escaped beyond need, half a surrogate pair as U+FFFD."""
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    if not _SURROGATE.search(text):
        return text
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def normalise(value: Any) -> Any:
    """What .NET leaves of a JSON value: `$type` keys vanish, NaN and infinities become strings [M]."""
    if isinstance(value, float) and not math.isfinite(value):
        return "NaN" if math.isnan(value) else ("Infinity" if value > 0 else "-Infinity")
    if isinstance(value, dict):
        return {k: normalise(v) for k, v in value.items() if k != "$type"}
    if isinstance(value, list):
        return [normalise(v) for v in value]
    return value


def normalise_text(text: str) -> str:
    """Re-write JSON text as the extension records results and events."""
    return dumps(normalise(json.loads(text)))


def checked(text: str) -> str:
    """Return JSON text that the host's own routes take; raises ValueError for anything else."""
    depth = 0
    for token in _NESTING.findall(text):
        depth += {"[": 1, "{": 1, "]": -1, "}": -1}.get(token, 0)
        if depth > MAX_DEPTH:
            raise ValueError(f"The reader's MaxDepth of {MAX_DEPTH} has been exceeded.")
    json.loads(text)
    return text


def worker_failure(error: BaseException) -> str:
    """Describe an exception of user code as the Python worker reports it to the host."""
    stack = "".join(traceback.format_exception(error))
    return f"Result: Failure\nException: {type(error).__name__}: {error}\nStack: {stack})"


def failure_details(message: str) -> str:
    """The `Details` of a failed activity: a .NET exception as JSON, cut to what an orchestrator may look at."""
    return dumps(
        {
            "$type": "System.Exception, System.Private.CoreLib",
            "ClassName": "System.Exception",
            "Message": message,
        }
    )
