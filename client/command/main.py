"""Does what the command line says."""

from __future__ import annotations

import argparse
import os
import signal
import sys
from collections.abc import Callable, Sequence

from ..documents import Question, Run
from ..errors import AgentRunsError, RefusedError, StillRunningError, UsageError
from ..harmless_text import one_line
from ..runs import AgentRuns, new_key
from . import words
from .answers import THE_ONLY_ONE, Given, answers_to
from .arguments import PROGRESS_SECONDS, parser
from .exit_codes import ExitCode, code_of_error, code_of_run
from .screen import Screen

MOST_PAGES = 20
"""A list stops there: a page of a filter that leaves little may hold nothing."""


def main(program: str = "agent-runs") -> int:
    """Run the command of this process; return its exit code. SIGTERM does what Ctrl-C does: a build that is cancelled
    sends it.
    """
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    return execute(sys.argv[1:], program, AgentRuns.from_environment)


def execute(arguments: Sequence[str], program: str, connect: Callable[..., AgentRuns]) -> int:
    """Do what the arguments say; return the exit code."""
    given = parser(program).parse_args(arguments)
    screen = Screen(program)
    try:
        with connect(patience=given.patience, notice=lambda text: screen.say(one_line(text))) as runs:
            return _COMMANDS[given.command](runs, given, screen)
    except AgentRunsError as error:
        _explain(error, screen)
        return code_of_error(error)
    except KeyboardInterrupt:
        screen.say("interrupted")
        return ExitCode.INTERRUPTED
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # Python flushes it once more at the end
        return ExitCode.BROKEN_PIPE


def _start(runs: AgentRuns, given: argparse.Namespace, screen: Screen) -> int:
    message = _text_or_input(given.message)
    key = given.idempotency_key or new_key()
    fields = {
        "timeout_seconds": given.deadline,
        "if_thread_busy": given.if_thread_busy,
        "metadata": dict(given.metadata) or None,
    }
    try:
        run_id = runs.start(message, agent=given.agent, thread_id=given.thread, idempotency_key=key, fields=fields)
    except (KeyboardInterrupt, ConnectionError):
        screen.say(f"it is not known whether the run was started: --idempotency-key {one_line(key)} goes on with it")
        raise
    if given.detach:
        screen.line(run_id)
        return ExitCode.SUCCESS
    screen.say(f"started {run_id}")
    return _follow(runs, run_id, given, screen)


def _watch(runs: AgentRuns, given: argparse.Namespace, screen: Screen) -> int:
    return _follow(runs, given.id, given, screen)


def _follow(runs: AgentRuns, run_id: str, given: argparse.Namespace, screen: Screen) -> int:
    """Wait for the run, show its progress, print its answer."""
    run: Run | None = None
    try:
        with screen.watching() as show:
            for run in runs.watch(
                run_id, every=PROGRESS_SECONDS, timeout=given.timeout, through_questions=given.through_questions
            ):
                show(words.state(run))
    except KeyboardInterrupt:
        return _interrupted(runs, run_id, given, screen)
    except (StillRunningError, ConnectionError, RefusedError):
        if run is not None:  # or else it may not exist
            screen.say(words.how_to_go_on(screen.program, run_id))
        raise
    assert run is not None
    _print_outcome(run, given, screen)
    return code_of_run(run)


def _interrupted(runs: AgentRuns, run_id: str, given: argparse.Namespace, screen: Screen) -> int:
    if not given.cancel_on_interrupt:
        screen.say(f"interrupted; {words.how_to_go_on(screen.program, run_id)}")
        return ExitCode.INTERRUPTED
    screen.say("interrupted; cancelling the run ...")
    try:
        _cancel_it(runs, run_id, "interrupted", screen)
    except BaseException:
        screen.say(f"the run is not cancelled: {screen.program} cancel {run_id}")
        raise
    return ExitCode.INTERRUPTED


def _print_outcome(run: Run, given: argparse.Namespace, screen: Screen) -> None:
    if given.json:
        screen.document(run.document)
    elif run.response:
        screen.text(run.response)
    elif run.succeeded:
        screen.say("the agent wrote no text; --json shows what else it wrote")
    if run.question and not run.ended:
        _print_question(run, run.question, screen)


def _print_question(run: Run, question: Question, screen: Screen) -> None:
    screen.say("the run waits for an answer to")
    for line in words.question_lines(question):
        screen.say(f"  {line}")
    screen.say(words.how_to_answer(screen.program, run, question))


def _list(runs: AgentRuns, given: argparse.Namespace, screen: Screen) -> int:
    filters = {
        "status": given.status,
        "agent_id": given.agent,
        "thread_id": given.thread,
        "needs_answer": "true" if given.needs_answer else None,
        "created_from": given.created_from,
        "created_to": given.created_to,
    }
    found: list[Run] = []
    cursor = given.cursor
    for _ in range(MOST_PAGES):
        page = runs.page(filters, cursor=cursor, limit=min(given.limit - len(found), 100))
        found += page.runs
        cursor = page.next_cursor
        if cursor is None or len(found) >= given.limit:
            break
    if given.json:
        for run in found:
            screen.document(run.document, in_one_line=True)
    elif found:
        screen.table(words.COLUMNS, [words.row(run) for run in found])
    if cursor is not None:
        screen.say(f"there may be more: --cursor {one_line(cursor, 4000)}")
    elif not found:
        screen.say("no such run")
    return ExitCode.SUCCESS


def _show(runs: AgentRuns, given: argparse.Namespace, screen: Screen) -> int:
    run = runs.get(given.id)
    if given.json:
        screen.document(run.document)
        return ExitCode.SUCCESS
    for name, value in words.fields(run):
        screen.line(f"{name:8} {value}")
    for line in words.question_lines(run.question) if run.question else ():
        screen.line(f"asks     {line}")
    if run.response:
        screen.line("")
        screen.text(run.response)
    return ExitCode.SUCCESS


def _cancel(runs: AgentRuns, given: argparse.Namespace, screen: Screen) -> int:
    _cancel_it(runs, given.id, given.reason, screen)
    return ExitCode.SUCCESS


def _cancel_it(runs: AgentRuns, run_id: str, reason: str | None, screen: Screen) -> None:
    run = runs.cancel(run_id, reason)
    screen.say(f"{run.id} is cancelled" if run.ended else f"{run.id} is being cancelled")


def _answer(runs: AgentRuns, given: argparse.Namespace, screen: Screen) -> int:
    run = runs.get(given.id)
    if run.question is None:
        raise UsageError(f"the run waits for no answer now: {words.state(run)}")
    only = [] if given.text is None else [(THE_ONLY_ONE, _text_or_input(given.text))]
    answers = answers_to(
        run.question, Given([*only, *map(tuple, given.output)], approved=given.approve, denied=given.deny)
    )
    for line in words.question_lines(run.question):
        screen.say(f"  {line}")
    runs.answer(given.id, outputs=answers.outputs, approvals=answers.approvals, headers_ref=given.headers_ref)
    screen.say("the answer is taken")
    return _follow(runs, given.id, given, screen) if given.watch else ExitCode.SUCCESS


def _text_or_input(text: str) -> str:
    return sys.stdin.read() if text == "-" else text


def _explain(error: AgentRunsError, screen: Screen) -> None:
    code = f"{error.code}: " if isinstance(error, RefusedError) and error.code else ""
    screen.say(one_line(f"{code}{error}", 4000))
    for line in error.details if isinstance(error, RefusedError) else ():
        if line.replace(": ", " ", 1) != str(error):  # of one thing that is wrong the error itself tells
            screen.say(f"  {one_line(line, 2000)}")


_COMMANDS: dict[str, Callable[[AgentRuns, argparse.Namespace, Screen], int]] = {
    "run": _start,
    "watch": _watch,
    "ls": _list,
    "show": _show,
    "cancel": _cancel,
    "answer": _answer,
}
