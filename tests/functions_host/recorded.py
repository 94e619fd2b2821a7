"""The recorded app inside this process, for tests that drive its orchestrators through the SDK themselves."""

from __future__ import annotations

import functools
import importlib.util
import sys
import warnings
from types import ModuleType

from tests.functions_host.conformance import RECORDED_APP

ACTIVITIES = {"nap", "fail", "echo", "flaky", "gives_a_set", "terminate_self"}


@functools.cache
def recorded_app() -> ModuleType:
    """The app, imported under a name of its own: the real one is called function_app too."""
    spec = importlib.util.spec_from_file_location("recorded_function_app", RECORDED_APP / "function_app.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


def orchestrators() -> set[str]:
    return {name for name in vars(recorded_app()) if name.startswith("o_")}


def run_episode(name: str, context: str) -> tuple[str | None, str | None]:
    """Run an episode through the SDK: what it returned, or the message it raised."""
    handle = getattr(recorded_app(), name)._function.get_user_function()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the SDK warns of early events and loose JSON
        try:
            return handle(context), None
        except Exception as error:  # noqa: BLE001
            return None, str(error)
