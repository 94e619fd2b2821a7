"""Finds the functions of an app and checks them as the platform does: the worker first, then the host.

What the worker refuses (`indexing`), or an app that does not import, leaves no function at all: AppError. What the
host refuses leaves that one function out, with a warning that says why.
"""

from __future__ import annotations

import importlib
import inspect
import json
import os
import re
import sys
import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from azure.functions.decorators.function_app import Function as SdkFunction
from azure.functions.decorators.function_app import FunctionRegister

from local.functions_host import cron
from local.functions_host.errors import AppError, BrokenRouteError
from local.functions_host.indexing import app_refusal, place, refusal
from local.functions_host.routing import Route, RouteError, parse_route
from local.functions_host.settings import resolve

SCRIPT = "function_app.py"
_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_-]{0,126}")
_SUPPORTED_TRIGGERS = {"httpTrigger", "timerTrigger", "orchestrationTrigger", "activityTrigger"}
_SUPPORTED_BINDINGS = _SUPPORTED_TRIGGERS | {"durableClient", "http"}


@dataclass(frozen=True, slots=True)
class Function:
    """A function of the app. `bindings` are the dictionaries of function.json, plain JSON."""

    name: str
    call: Callable[..., Any]
    trigger: str
    trigger_name: str
    bindings: tuple[dict[str, Any], ...]
    client_names: tuple[str, ...]
    wants_context: bool
    route: Route | None = None
    methods: tuple[str, ...] = ()
    auth_level: str = "function"
    schedule: str = ""
    run_on_startup: bool = False
    use_monitor: bool = True
    durable_name: str = ""
    disabled: bool = False

    @property
    def is_async(self) -> bool:
        """Whether the function runs on the event loop of async functions."""
        return inspect.iscoroutinefunction(self.call)


@dataclass(slots=True)
class App:
    """The functions that were found and, for those left out, why.

    `state` is what the real host would say of itself: `Error` only for faults it notices while it starts.
    """

    functions: list[Function] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    state: str = "Running"

    def of(self, trigger: str) -> dict[str, Function]:
        """Functions with a trigger of this type, by the name they are called by, without those that are disabled."""
        return {f.durable_name or f.name: f for f in self.functions if f.trigger == trigger and not f.disabled}

    def disabled(self, trigger: str) -> set[str]:
        """Names of the functions with a trigger of this type that a setting disables."""
        return {f.durable_name or f.name for f in self.functions if f.trigger == trigger and f.disabled}


def load_app(app_root: Path) -> App:
    """Import `function_app.py` and index its functions; raises AppError where the whole app is unusable."""
    script = app_root / SCRIPT
    apps = [v for v in vars(_import(app_root)).values() if isinstance(v, FunctionRegister)]
    refused = app_refusal(apps, SCRIPT)
    if refused is not None:
        raise AppError(f"{refused.text} ({script}): {refused.remedy}")
    try:
        found = apps[0].get_functions()
    except Exception as error:
        raise AppError(f"{type(error).__name__}: {error} ({script})") from error
    _check_all(found)
    app = App()
    for function in found:
        _add(app, function)
    return app


def _check_all(functions: Sequence[SdkFunction]) -> None:
    refused = [(f, r) for f in functions if (r := refusal(f)) is not None]
    if not refused:
        return
    function, first = refused[0]  # the worker names no other
    others = ", ".join(f"'{f.get_function_name()}'" for f, _ in refused[1:])
    also = f" (also refused: {others})" if others else ""
    raise AppError(f"{first.text} ({place(function.get_user_function())}): {first.remedy}{also}")


def _import(app_root: Path) -> Any:
    script = app_root / SCRIPT
    if not script.is_file():
        raise AppError(f"there is no {SCRIPT} in {app_root}")
    if str(app_root) not in sys.path:
        sys.path.insert(0, str(app_root))
    try:
        module = importlib.import_module("function_app")
    except SyntaxError as error:
        raise AppError(f"{error.filename}, line {error.lineno}: SyntaxError: {error.msg}") from error
    except Exception as error:
        raise AppError(f"{_place(error, app_root, script)}: {type(error).__name__}: {_one_line(error)}") from error
    loaded = Path(module.__file__ or "").resolve()
    if loaded != script.resolve():
        raise AppError(f"another function_app is in the way: {loaded} was imported instead of {script}")
    return module


def _place(error: BaseException, app_root: Path, script: Path) -> str:
    """File and line of the app where an exception came from, the innermost frame of the app's own code."""
    frames = traceback.extract_tb(error.__traceback__)
    own = [f for f in frames if Path(f.filename).is_relative_to(app_root) and "site-packages" not in f.filename]
    return f"{own[-1].filename}, line {own[-1].lineno}" if own else str(script)


def _one_line(error: BaseException) -> str:
    return " ".join(str(error).split())


def _add(app: App, function: SdkFunction) -> None:
    name = str(function.get_function_name())
    # As the worker tells the host: the words of function.json, enums by their names.
    bindings = tuple(json.loads(text) for text in function.get_raw_bindings())
    sdk_trigger = function.get_trigger()
    assert sdk_trigger is not None  # the SDK refuses a function without one
    trigger = bindings[function.get_bindings().index(sdk_trigger)]
    call = function.get_user_function()
    try:
        built = _build(name, call, trigger, bindings)
        _check_route(app, built)
    except RouteError as error:
        raise BrokenRouteError(f"function '{name}': {error}") from error
    except ValueError as error:
        app.warnings.append(f"function '{name}' is left out: {error}")
        return
    if built.disabled:
        app.warnings.append(f"function '{name}' is disabled by the setting {_switch(name)}")
    app.functions.append(built)


def _switch(name: str) -> str:
    return f"AzureWebJobs.{name}.Disabled"


def _build(
    name: str, call: Callable[..., Any], trigger: dict[str, Any], bindings: tuple[dict[str, Any], ...]
) -> Function:
    kind = trigger["type"]
    if not _NAME.fullmatch(name):
        raise ValueError("its name must begin with a letter and hold letters, digits, _ and - only")
    for binding in bindings:
        if binding["type"] not in _SUPPORTED_BINDINGS:
            raise ValueError(f"{binding['type']} is not supported by the local host")
    schedule = resolve(str(trigger.get("schedule") or ""))
    if kind == "timerTrigger":
        cron.parse(schedule)
    route = None
    if kind == "httpTrigger":
        route = parse_route(str(trigger.get("route") or name))
    return Function(
        name=name,
        call=call,
        trigger=kind,
        trigger_name=trigger["name"],
        bindings=bindings,
        client_names=tuple(b["name"] for b in bindings if b["type"] == "durableClient"),
        wants_context=kind != "orchestrationTrigger"
        and "context" in inspect.signature(call).parameters
        and all(b["name"] != "context" for b in bindings),
        route=route,
        methods=tuple(str(m).upper() for m in trigger.get("methods") or ()),
        auth_level=str(trigger.get("authLevel") or "function").lower(),
        schedule=schedule,
        run_on_startup=bool(trigger.get("runOnStartup")),
        use_monitor=trigger.get("useMonitor") is not False,
        durable_name=str(trigger.get("orchestration") or trigger.get("activity") or name),
        disabled=os.environ.get(_switch(name), "").lower() in ("true", "1"),
    )


def _check_route(app: App, function: Function) -> None:
    if function.route is None:
        return
    if function.route.first in ("admin", "runtime"):
        raise ValueError(f"its route '{function.route.template}' begins with a reserved word")
    for other in app.functions:
        if other.route is None or other.route.shape != function.route.shape:
            continue
        if not other.methods or not function.methods or set(other.methods) & set(function.methods):
            raise ValueError(f"its route '{function.route.template}' is that of '{other.name}' too")
