"""The command line's definition."""

from __future__ import annotations

import argparse

from ..runs import PATIENCE_SECONDS, WAIT_SECONDS
from .answers import THE_ONLY_ONE

PROGRESS_SECONDS = 5.0
"""What is shown of a run's progress is no older."""

_CODES = """exit codes:
  0 success   1 the run failed   2 arguments or request refused   3 cancelled   4 the run waits for an answer
  5 the app is not reached, lets nobody in or fails   6 time is over, the run goes on   130 interrupted

environment:
  AGENT_RUNS_URL    the app's address (default http://localhost:7071)
  AGENT_RUNS_KEY    a function key; it travels in a header, and no option takes it
  AGENT_RUNS_TOKEN  a token, where Entra guards the app
"""


def parser(program: str) -> argparse.ArgumentParser:
    """Return the definition; `command` is the name of what is to be done."""
    p = argparse.ArgumentParser(
        prog=program,
        description="Start, watch, answer and cancel durable runs of agents.",
        epilog=_CODES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    commands = p.add_subparsers(dest="command", required=True, metavar="COMMAND")
    _run(commands.add_parser("run", help="start a run, wait for it, print its answer", allow_abbrev=False))
    _list(commands.add_parser("ls", help="list runs, newest first", allow_abbrev=False))
    _show(commands.add_parser("show", help="print how a run is now", allow_abbrev=False))
    watch = commands.add_parser("watch", help="wait for a run, print its answer", allow_abbrev=False)
    _with_id(watch)
    _waiting(watch)
    _cancel(commands.add_parser("cancel", help="cancel a run, in Foundry too", allow_abbrev=False))
    _answer(commands.add_parser("answer", help="answer what a run waits for", allow_abbrev=False))
    for command in commands.choices.values():
        command.add_argument(
            "--patience",
            type=_seconds,
            default=PATIENCE_SECONDS,
            metavar="SECONDS",
            help="how long a call is repeated while the app does not answer (default %(default)g)",
        )
    return p


def _run(p: argparse.ArgumentParser) -> None:
    p.add_argument("message", help="what to say to the agent; - reads it from standard input")
    p.add_argument("--agent", help="its id or name (default: the app's own default)")
    p.add_argument("--thread", metavar="ID", help="go on with this conversation")
    p.add_argument("--deadline", type=_whole_seconds, metavar="SECONDS", help="the app ends the run after this time")
    p.add_argument("--if-thread-busy", choices=("wait", "fail", "replace"), help="if another run uses the thread")
    p.add_argument("--metadata", type=_pair, action="append", default=[], metavar="NAME=VALUE", help="may be repeated")
    p.add_argument("--idempotency-key", metavar="KEY", help="the same run for the same key (default: one of its own)")
    p.add_argument("--detach", action="store_true", help="print the run's id and do not wait")
    _waiting(p)


def _waiting(p: argparse.ArgumentParser) -> None:
    p.add_argument(
        "--timeout",
        type=_seconds,
        default=WAIT_SECONDS,
        metavar="SECONDS",
        help="how long to wait; the run goes on afterwards (default %(default)g)",
    )
    p.add_argument("--through-questions", action="store_true", help="wait on while others answer what the run asks")
    p.add_argument("--cancel-on-interrupt", action="store_true", help="Ctrl-C and SIGTERM cancel the run")
    p.add_argument("--json", action="store_true", help="print the status document instead of the answer")


def _list(p: argparse.ArgumentParser) -> None:
    p.add_argument("--status", help="Running, Cancelling, Success, Failed or Cancelled")
    p.add_argument("--agent", metavar="ID", help="runs of this agent")
    p.add_argument("--thread", metavar="ID", help="runs on this thread")
    p.add_argument("--needs-answer", action="store_true", help="runs that wait for an answer")
    p.add_argument("--from", dest="created_from", metavar="TIME", help="created then or later (2026-11-26T15:00:00Z)")
    p.add_argument("--to", dest="created_to", metavar="TIME", help="created before")
    p.add_argument("--limit", type=_count, default=20, metavar="N", help="how many at most (default %(default)s)")
    p.add_argument("--cursor", help="go on where the last list ended")
    p.add_argument("--json", action="store_true", help="print a status document a line")


def _show(p: argparse.ArgumentParser) -> None:
    _with_id(p)
    p.add_argument("--json", action="store_true", help="print the status document")


def _cancel(p: argparse.ArgumentParser) -> None:
    _with_id(p)
    p.add_argument("--reason", help="for whoever looks at the run later")


def _answer(p: argparse.ArgumentParser) -> None:
    _with_id(p)
    p.add_argument("text", nargs="?", help="the output of the only tool call that waits; - reads standard input")
    p.add_argument(
        "--output",
        nargs=2,
        action="append",
        default=[],
        metavar=("CALL", "TEXT"),
        help="a tool call's output; may be repeated",
    )
    for name, help_text in (("approve", "let a call happen"), ("deny", "do not")):
        p.add_argument(
            f"--{name}",
            nargs="?",
            const=THE_ONLY_ONE,
            action="append",
            default=[],
            metavar="CALL",
            help=f"{help_text}; may be repeated, and needs no id where one approval waits",
        )
    p.add_argument("--headers-ref", metavar="NAME", help="the headers that an operator keeps for the MCP server")
    p.add_argument("--watch", action="store_true", help="then wait for the run, as watch does")
    _waiting(p)


def _with_id(p: argparse.ArgumentParser) -> None:
    p.add_argument("id", help="the run's id")


def _pair(text: str) -> tuple[str, str]:
    name, sign, value = text.partition("=")
    if not name or not sign:
        raise argparse.ArgumentTypeError("must be NAME=VALUE")
    return name, value


def _seconds(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = -1.0
    if not 0 <= seconds <= 86_400 * 6:
        raise argparse.ArgumentTypeError("must be a number of seconds, at most six days")
    return seconds


def _whole_seconds(text: str) -> int:
    return int(_seconds(text))


def _count(text: str) -> int:
    if not text.isdecimal() or not 1 <= int(text) <= 100_000:
        raise argparse.ArgumentTypeError("must be a number from 1 to 100,000")
    return int(text)
