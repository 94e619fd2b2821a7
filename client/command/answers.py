"""What the arguments of `answer` say to the question that a run asks. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ..documents import Question
from ..errors import UsageError

THE_ONLY_ONE = ""
"""Stands for the call's id where one call of its kind waits."""


@dataclass(frozen=True, slots=True)
class Given:
    """The arguments: outputs by their calls, and the calls that are approved or denied."""

    outputs: Sequence[tuple[str, str]] = ()
    approved: Sequence[str] = ()
    denied: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class Answers:
    """The answers, by call."""

    outputs: dict[str, str]
    approvals: dict[str, bool]


def answers_to(question: Question, given: Given) -> Answers:
    """Return the answers, each with its call's id. What the app checks (that all calls are answered, and no others) is
    left to it. Raises `UsageError` where it is not clear which call is meant, or one is answered twice.
    """
    outputs = [(_call(question, call, wants_yes=False), text) for call, text in given.outputs]
    decided = [(_call(question, call, wants_yes=True), True) for call in given.approved]
    decided += [(_call(question, call, wants_yes=True), False) for call in given.denied]
    if not outputs and not decided:
        raise UsageError("say what to answer: a text, --output, --approve or --deny")
    for calls in ([call for call, _ in outputs], [call for call, _ in decided]):
        if len(set(calls)) < len(calls):
            raise UsageError("one call is answered twice")
    return Answers(dict(outputs), dict(decided))


def _call(question: Question, call: str, *, wants_yes: bool) -> str:
    if call != THE_ONLY_ONE:
        return call
    waiting = [c.id for c in question.calls if (c.wants_yes if wants_yes else c.kind == "function")]
    if len(waiting) != 1 or question.more:
        what = "approvals are asked for" if wants_yes else "tool calls wait for an output"
        count = "more" if question.more else len(waiting)
        raise UsageError(f"{count} {what}: name each by its id")
    return waiting[0]
