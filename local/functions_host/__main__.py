"""Command line: `python -m local.functions_host`."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import faulthandler
import json
import logging
import os
import signal
import socket
import sys
import time
from collections.abc import Collection
from pathlib import Path

from local.functions_host import reload
from local.functions_host.clock import Clock
from local.functions_host.console import BRIEF, NORMAL, QUIET, VERBOSE, Console, ConsoleHandler
from local.functions_host.errors import AppError, BrokenRouteError, HostError
from local.functions_host.hooks import Hooks
from local.functions_host.hostile import BEHAVIOURS, Hostility, Plan, parse_plan
from local.functions_host.keys import Keys, load_keys, masked
from local.functions_host.loader import App, load_app
from local.functions_host.server import WEBHOOK, Host, HostOptions, listen
from local.functions_host.settings import HostConfig, load_host_config, load_local_settings, load_start_settings
from local.functions_host.speedup import install_fast_timestamps
from local.functions_host.storage import storage_account
from local.functions_host.store import Store

# Set in the environment of the process that takes over after an edit: from then on a broken app does not end the
# host, it answers 404 as the real one does.
_RELOADED = "LOCAL_FUNCTIONS_HOST_RELOADED"
# The host's clock, for an app that lives by it.
_CLOCK = "LOCAL_FUNCTIONS_HOST_CLOCK"
# How often the process has taken over from itself in hostile mode.
_RESTARTS = "LOCAL_FUNCTIONS_HOST_RESTARTS"
# The instances whose worker has died in hostile mode, as a JSON list: each dies once.
_DIED = "LOCAL_FUNCTIONS_HOST_DIED"
# The listening socket that a process hands to the one that takes over, so that nobody else gets the port meanwhile.
_SOCKET = "LOCAL_FUNCTIONS_HOST_SOCKET"
DEFAULT_PORT = 7071
_FOLDER = Path.cwd()  # before the app changes it


def parser() -> argparse.ArgumentParser:
    """The command line's definition."""
    p = argparse.ArgumentParser(
        prog="python -m local.functions_host",
        description="Run an Azure Functions app locally: HTTP and timer triggers and Durable Functions, state in one "
        "SQLite file. Listens on 127.0.0.1 only. For one developer's machine, never for production.",
    )
    p.add_argument("--app-root", type=Path, default=Path(), help="folder with function_app.py and host.json")
    p.add_argument("--port", type=int, help="0 takes a free one (default LocalHttpPort, or 7071)")
    p.add_argument("--db", help="state file, or :memory: (default <app-root>/.local/state.db)")
    p.add_argument(
        "--timers",
        choices=("azure-storage", "exact"),
        default="azure-storage",
        help="durable timers as Azure Storage fires them, cut to whole seconds (default), or exact",
    )
    p.add_argument("--clock-speed", type=float, default=1.0, metavar="X", help="run the host's clock X times faster")
    p.add_argument(
        "--hostile",
        metavar="SEED[:NAMES]",
        help="misbehave as the real host may, often, from this seed; NAMES picks behaviours: " + ", ".join(BEHAVIOURS),
    )
    p.add_argument("--auth", action="store_true", help="ask for keys, as on Azure")
    p.add_argument("--ready-file", type=Path, help="write URL, process id and functions here once listening")
    p.add_argument("--reload", action="store_true", help="restart when a file of the app changes")
    volume = p.add_mutually_exclusive_group()
    volume.add_argument("--verbose", action="store_true", help="stack traces too")
    volume.add_argument("--brief", action="store_true", help="one line per instance that has ended, and what is wrong")
    volume.add_argument("--quiet", action="store_true", help="warnings and errors only")
    return p


def main(arguments: list[str] | None = None) -> int:
    """Run the host until a signal ends it; returns the exit code."""
    faulthandler.enable()  # a crash inside a compiled package says where, instead of nothing
    given = parser().parse_args(arguments)
    console = Console(level=QUIET if given.quiet else BRIEF if given.brief else VERBOSE if given.verbose else NORMAL)
    try:
        changed = asyncio.run(_run(given, console))
    except HostError as error:
        if isinstance(error, AppError):
            sys.stderr.write(f"{_on_azure(error)}\n")
        sys.stderr.write(f"ERROR {error}\n")
        return 1
    if changed:
        os.environ[_RELOADED] = "1"
        _take_over(changed)
    return 0


def _listen(port: int) -> socket.socket:
    """Open the port, or go on with the socket of the process that this one takes over from."""
    handed = os.environ.pop(_SOCKET, None)
    return listen(port) if handed is None else socket.socket(fileno=int(handed))


def _take_over(listening: socket.socket) -> None:
    """Replace the process by a fresh one on the same port: Python cannot un-import an app. Nothing is drained."""
    sys.stdout.flush()
    command = [sys.executable, "-m", "local.functions_host", *sys.argv[1:]]
    if os.name == "posix":
        listening.set_inheritable(True)  # callers wait for the new process, and nobody else gets the port
        os.environ[_SOCKET] = str(listening.fileno())
    else:
        command += ["--port", str(listening.getsockname()[1])]
    os.chdir(_FOLDER)  # relative arguments mean what they meant
    os.execv(sys.executable, command)  # noqa: S606 - the same program with the same arguments


async def _run(given: argparse.Namespace, console: Console) -> socket.socket | None:
    """Run one host; returns its socket where it is to start again because the app has changed."""
    stop = _stop_on_signals()
    app_root = given.app_root.resolve()
    ready = given.ready_file.resolve() if given.ready_file else None
    if not app_root.is_dir():
        raise HostError(f"there is no folder {app_root}")
    state = app_root / ".local" / "state.db" if given.db is None else Path(given.db)
    database = ":memory:" if given.db == ":memory:" else str(state.resolve())
    if not given.clock_speed > 0:
        raise HostError(f"--clock-speed must be above 0, not {given.clock_speed}")
    start = load_start_settings(app_root)
    for warning in (*load_local_settings(app_root, os.environ), *start.warnings):
        console.warn(warning)
    seen = reload.snapshot(app_root) if given.reload else None  # before anything is read: no edit slips through
    config, config_error = _config(app_root)
    for warning in config.warnings:
        console.warn(warning)
    with contextlib.ExitStack() as opened:
        store = Store(database)
        opened.callback(store.close)
        opened.enter_context(storage_account(database, os.environ))
        clock = Clock(speed=given.clock_speed, not_before=store.latest_timestamp())
        os.environ[_CLOCK] = clock.told
        ahead = clock.timestamp() - time.time()
        if ahead > 60:
            console.info(f"the clock is {ahead:.0f} s ahead: so far had a faster one come on this database")
        keys = load_keys(None if database == ":memory:" else Path(database).parent / "keys.json")
        os.chdir(app_root)
        _log_to(console)
        app = _load(app_root, console, config_error)
        options = HostOptions(
            app_root=app_root,
            exact_timers=given.timers == "exact",
            auth=given.auth,
            cors=start.cors,
        )
        listening = _listen(start.port or DEFAULT_PORT if given.port is None else given.port)
        hooks = _hooks(given, database, clock, console, listening)
        host = Host(
            options,
            config,
            app,
            listening=listening.dup(),
            store=store,
            clock=clock,
            console=console,
            keys=keys,
            hooks=hooks,
        )
        try:
            await host.start()
            _greet(host, config, app, keys, console, auth=given.auth)
            if ready:
                _write_ready(ready, host, app, keys, auth=given.auth)
            changed = await _until_stopped(stop, app_root, console, seen)
            if changed:
                return listening
            listening.close()
            return None
        finally:
            await host.stop()


def _config(app_root: Path) -> tuple[HostConfig, HostError | None]:
    try:
        return load_host_config(app_root), None
    except HostError as error:
        if _RELOADED not in os.environ:
            raise
        return HostConfig(), error


def _hooks(given: argparse.Namespace, database: str, clock: Clock, console: Console, listening: socket.socket) -> Hooks:
    if given.hostile is None:
        return Hooks()
    plan = parse_plan(given.hostile)
    if database == ":memory:" and "restart" in plan.names:
        if plan.explicit:
            raise HostError("--hostile ...:restart needs a database in a file, with --db :memory: all would be lost")
        plan = Plan(plan.seed, plan.names - {"restart"}, explicit=False)
    restarts = int(os.environ.get(_RESTARTS, "0"))
    console.line(f"hostile mode, seed {plan}, restart {restarts}")

    def restart(died: Collection[str]) -> None:
        os.environ[_RESTARTS] = str(restarts + 1)
        os.environ[_DIED] = json.dumps(list(died))
        _take_over(listening)

    died = json.loads(os.environ.get(_DIED, "[]"))
    return Hostility(plan, clock=clock, console=console, restarts=restarts, restart=restart, died=died)


def _load(app_root: Path, console: Console, config_error: HostError | None) -> App:
    try:
        if config_error is not None:
            raise config_error
        app = load_app(app_root)
        if app.of("orchestrationTrigger"):
            install_fast_timestamps()
    except HostError as error:
        if _RELOADED not in os.environ:
            raise
        app = App(state="Error" if _stops_the_host(error) else "Running")
        console.warn(f"{error}. The host stays up without functions, as on Azure")
        console.warn(_on_azure(error))
    for warning in app.warnings:
        console.warn(warning)
    return app


def _stops_the_host(error: HostError) -> bool:
    return isinstance(error, BrokenRouteError) or not isinstance(error, AppError)


def _on_azure(error: HostError) -> str:
    """Say what an app that does not load looks like on Azure, where nobody is told why."""
    if _stops_the_host(error):
        return "0 functions found: on Azure the host is in state Error now, and every route answers 503"
    return (
        "0 functions found: on Azure the host says it is Running, every route answers 404, and nothing in "
        "/admin/host/status tells why"
    )


def _log_to(console: Console) -> None:
    root = logging.getLogger()
    root.handlers[:] = [ConsoleHandler(console)]
    root.setLevel(logging.INFO)


def _stop_on_signals() -> asyncio.Event:
    """Return an event that SIGINT and SIGTERM set."""
    loop = asyncio.get_running_loop()
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        try:
            loop.add_signal_handler(number, stop.set)
        except NotImplementedError:  # Windows
            signal.signal(number, lambda *_: loop.call_soon_threadsafe(stop.set))
    return stop


async def _until_stopped(stop: asyncio.Event, app_root: Path, console: Console, seen: dict[Path, int] | None) -> bool:
    """Wait for the stop or, with a snapshot, for a change of the app since; True for a change."""
    waits: list[asyncio.Task[object]] = [asyncio.create_task(stop.wait())]
    if seen is not None:
        waits.append(asyncio.create_task(reload.changed(app_root, seen)))
    done, pending = await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
    for task in pending:
        task.cancel()
    await asyncio.gather(*pending, return_exceptions=True)
    if stop.is_set():
        console.info("stopping")
        return False
    console.info(f"{next(iter(done)).result()} has changed: starting again")
    return True


def _greet(host: Host, config: HostConfig, app: App, keys: Keys, console: Console, *, auth: bool) -> None:
    console.info(f"task hub {config.hub}, {len(app.functions)} functions")
    for function in sorted(app.of("httpTrigger").values(), key=lambda f: f.name):
        assert function.route is not None
        prefix = f"/{config.route_prefix}" if config.route_prefix else ""
        url = f"{host.url}{prefix}/{function.route.template}"
        console.info(f"  {function.name}: [{','.join(function.methods or ('any',))}] {url}")
    for kind in ("timerTrigger", "orchestrationTrigger", "activityTrigger"):
        names = ", ".join(sorted(app.of(kind)))
        if names:
            console.info(f"  {kind.removesuffix('Trigger')}: {names}")
    if auth:
        console.info(f"  keys: host {masked(keys.host)}, system {masked(keys.system)}, master {masked(keys.master)}")
    console.info(f"Listening on {host.url} (management API below {WEBHOOK}); Ctrl-C ends the host")


def _write_ready(path: Path, host: Host, app: App, keys: Keys, *, auth: bool) -> None:
    """Write the ready file in one step, so that a reader never sees half of it."""
    document: dict[str, object] = {
        "url": host.url,
        "pid": os.getpid(),
        "functions": sorted(f.name for f in app.functions),
    }
    if auth:
        document |= {"system_key": keys.system, "master_key": keys.master, "host_key": keys.host}
        document |= {"function_key": keys.function}
    temporary = path.with_name(f"{path.name}.{os.getpid()}")
    temporary.write_text(json.dumps(document), encoding="utf-8")
    temporary.replace(path)


if __name__ == "__main__":
    sys.exit(main())
