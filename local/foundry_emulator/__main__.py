"""Run the emulator in the foreground: `python -m local.foundry_emulator --help`."""

import argparse
import json
import os
import re
import shlex
import signal
import sys
import threading
from pathlib import Path

import msgspec

from local.foundry_emulator.emulator import FoundryEmulator
from local.foundry_emulator.journal import JournalError
from local.foundry_emulator.scripts import AgentsFileError, Quota
from local.foundry_emulator.second.unknowns import parse
from local.foundry_emulator.service import GENERATIONS

ANY_TOKEN = "any-token-for-the-emulator"  # noqa: S105 - what to send where every token is right
SHORTEST_TOKEN = 20  # clients take nothing shorter for a token


def main(arguments: list[str] | None = None) -> int:
    """Serve until SIGINT or SIGTERM; return the exit code."""
    options = parser().parse_args(arguments)
    try:
        emulator = FoundryEmulator(
            agents=options.agents or (),
            clock_speed=options.clock_speed,
            port=options.port,
            token=options.token,
            latency=options.latency,
            filler_agents=options.filler_agents,
            project=options.project,
            quota=options.quota,
            db=options.db,
            unknowns=parse(options.unknown),
            generations=options.generations,
        )
    except (AgentsFileError, JournalError, ValueError) as error:
        print(f"foundry emulator: {error}", file=sys.stderr)
        return 2
    ended = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: ended.set())
    try:
        emulator.start()
    except (OSError, OverflowError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        print(f"foundry emulator: cannot listen on port {options.port}: {reason}", file=sys.stderr)
        emulator.stop()
        return 1
    try:
        token = options.token or ANY_TOKEN
        _announce(emulator, token, options.db)
        if options.ready_file is not None:
            _write_ready_file(options.ready_file, emulator, token)
        while not ended.wait(timeout=0.5):  # a timeout, so that Ctrl-C is noticed on Windows too
            pass
    except OSError as error:
        print(f"foundry emulator: {error}", file=sys.stderr)
        return 1
    finally:
        emulator.stop()
    return 0


def parser() -> argparse.ArgumentParser:
    """The command line's definition."""
    p = argparse.ArgumentParser(
        prog="python -m local.foundry_emulator",
        description="An emulator of the Azure AI Foundry agent service on 127.0.0.1.",
    )
    p.add_argument("--port", type=_port, default=0, help="0 (default): a free one")
    p.add_argument(
        "--db", type=Path, metavar="FILE", help="keep threads and runs there; default: they end with the process"
    )
    p.add_argument("--agents", type=Path, metavar="FILE", help="JSON file of agents, see agents.example.json")
    p.add_argument(
        "--clock-speed",
        type=_positive,
        default=1.0,
        metavar="X",
        help="the service's time runs X times as fast",
    )
    p.add_argument(
        "--ready-file", type=Path, metavar="PATH", help="write url, endpoint, token and pid there once listening"
    )
    p.add_argument("--latency", type=_not_negative, default=0.0, metavar="SECONDS", help="added to every answer")
    p.add_argument(
        "--token",
        type=_token,
        help=f"the only bearer token that is accepted, of {SHORTEST_TOKEN} characters or more; default: any",
    )
    p.add_argument("--filler-agents", type=_count, default=0, metavar="N", help="so many more agents")
    p.add_argument("--project", type=_project, default="demo", metavar="NAME", help="the project's name; default: demo")
    p.add_argument(
        "--quota", type=_quota, metavar="RUNS/SECONDS", help="the project takes so many runs in so many seconds"
    )
    p.add_argument(
        "--unknown",
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="what the second generation does where no source says it, such as p2=hidden; can be repeated",
    )
    p.add_argument(
        "--generations",
        type=_generations,
        default=GENERATIONS,
        metavar="NAMES",
        help=f"those that the project has; default: {','.join(GENERATIONS)}",
    )
    return p


def _generations(text: str) -> tuple[str, ...]:
    names = tuple(text.split(","))
    if not set(names) <= set(GENERATIONS):
        raise ValueError
    return names


def _project(text: str) -> str:
    if not re.fullmatch(r"[A-Za-z0-9_][A-Za-z0-9._~-]*", text):
        raise ValueError
    return text


def _quota(text: str) -> Quota:
    runs, _, seconds = text.partition("/")
    try:
        return msgspec.convert({"runs": int(runs), "seconds": float(seconds)}, Quota)
    except msgspec.ValidationError as error:
        raise argparse.ArgumentTypeError(str(error)) from error


def _port(text: str) -> int:
    port = int(text)
    if not 0 <= port <= 65535:
        raise ValueError
    return port


def _positive(text: str) -> float:
    value = float(text)
    if not 0 < value < float("inf"):
        raise ValueError
    return value


def _not_negative(text: str) -> float:
    value = float(text)
    if not 0 <= value < float("inf"):
        raise ValueError
    return value


def _count(text: str) -> int:
    value = int(text)
    if value < 0:
        raise ValueError
    return value


def _token(text: str) -> str:
    if len(text) < SHORTEST_TOKEN:
        raise argparse.ArgumentTypeError(f"{SHORTEST_TOKEN} characters are needed, this has {len(text)}")
    return text


def _announce(emulator: FoundryEmulator, token: str, db: Path | None) -> None:
    print(f"An emulator of the Foundry agent service on {emulator.url}. What its client needs:\n")
    print(f"  export FOUNDRY_PROJECT_ENDPOINT={emulator.endpoint}")
    print(f"  export FOUNDRY_ACCESS_TOKEN={shlex.quote(token)}\n")
    held = len(emulator.state.threads) + len(emulator.state.conversations)
    kept = "are forgotten when it ends" if db is None else f"are kept in {db} ({held} by now)"
    print(f"Threads and conversations {kept}. Control and ledger: {emulator.url}/_emulator/\n\nAgents:")
    agents = [one for one in emulator.agents() if not one["name"].startswith("filler")]
    width = max((len(one["name"]) for one in agents), default=0)
    for one in agents:
        print(f"  {one['id']}  {one['name']:<{width}}  {one['does']}")
    hidden = len(emulator.agents()) - len(agents)
    if hidden:
        print(f"  and {hidden} filler agents")
    names = {one["name"] for one in agents}
    print("\nThe second generation has them by their names, and:")
    for named in emulator.named_agents():
        if named["name"] not in names and not named["name"].startswith("filler"):
            print(f"  {named['name']:<{width}}  {named['does']}")
    print("\nCtrl-C ends it.", flush=True)


def _write_ready_file(path: Path, emulator: FoundryEmulator, token: str) -> None:
    """Write atomically: whoever sees the file sees all of it."""
    content = {"url": emulator.url, "endpoint": emulator.endpoint, "token": token, "pid": os.getpid()}
    partial = path.with_name(f"{path.name}.{os.getpid()}.part")
    partial.write_text(json.dumps(content), encoding="utf-8")
    partial.replace(path)


if __name__ == "__main__":
    sys.exit(main())
