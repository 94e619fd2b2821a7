"""Reads the code of an orchestrator, without running it, for what replay does not survive."""

from __future__ import annotations

import ast
import inspect
import textwrap
from collections.abc import Callable, Iterator
from typing import Any

from local.functions_host.lint import Finding

_CALLS = {"call_activity", "call_activity_with_retry", "call_sub_orchestrator", "call_sub_orchestrator_with_retry"}
# Last parts of dotted names whose value differs from replay to replay, and what to use instead.
_UNSTABLE = {
    ("datetime", "now"): "context.current_utc_datetime",
    ("datetime", "utcnow"): "context.current_utc_datetime",
    ("datetime", "today"): "context.current_utc_datetime",
    ("time", "time"): "context.current_utc_datetime",
    ("time", "sleep"): "context.create_timer",
    ("uuid", "uuid1"): "context.new_uuid",
    ("uuid", "uuid4"): "context.new_uuid",
    ("os", "getenv"): "the input or an activity",
}
_MODULES = {"random": "an activity", "secrets": "an activity", "requests": "an activity"}


def lint_source(function: Callable[..., Any], activities: set[str], orchestrators: set[str]) -> list[Finding]:
    """Check an orchestrator's own code; the generator function, not what the decorator made of it."""
    try:
        tree = ast.parse(textwrap.dedent(inspect.getsource(function)))
    except (OSError, TypeError, SyntaxError):
        return []  # no source at hand: made at run time
    return [
        finding
        for node in ast.walk(tree)
        if isinstance(node, ast.Call)
        for finding in _call(node, activities, orchestrators)
    ]


def _call(node: ast.Call, activities: set[str], orchestrators: set[str]) -> Iterator[Finding]:
    if not isinstance(node.func, ast.Attribute):
        return
    name = node.func.attr
    owner = node.func.value
    last = owner.attr if isinstance(owner, ast.Attribute) else owner.id if isinstance(owner, ast.Name) else ""
    if name in _CALLS and node.args and isinstance(node.args[0], ast.Constant):
        called = node.args[0].value
        known = activities if "activity" in name else orchestrators
        if isinstance(called, str) and called not in known:
            text = f"line {node.lineno} calls '{called}', which is not registered: the instance stays Running for ever"
            yield Finding("unregistered", text)
    instead = _UNSTABLE.get((last, name)) or _MODULES.get(last)
    if instead:
        text = f"line {node.lineno} calls {last}.{name}, which differs from replay to replay; use {instead}"
        yield Finding("non-deterministic", text)
