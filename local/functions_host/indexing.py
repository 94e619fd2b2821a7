"""What the platform's Python worker refuses while it indexes an app; one refusal and the app has no function at all.

The rules and the words are those of Microsoft's runtime (`azure-functions-runtime`), the order of the checks too, so
that what is said first here is what Azure's log says. The local host adds the place and the remedy.
"""

from __future__ import annotations

import collections.abc
import inspect
import types
import typing
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from azure.functions.decorators.core import BindingDirection, DataType
from azure.functions.decorators.function_app import Function as SdkFunction

from local.functions_host import bindings

RETURN = "$return"
# Generic aliases of these are none to the worker.
_NOT_GENERIC = (typing.Union, types.UnionType, tuple, typing.ClassVar, collections.abc.Callable)
_TYPES = {
    "httpTrigger": "func.HttpRequest",
    "timerTrigger": "func.TimerRequest",
    "durableClient": "df.DurableOrchestrationClient",
}


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why the worker refuses a function or an app: its own text, and what to do about it."""

    text: str
    remedy: str


class _RefusedError(Exception):
    def __init__(self, text: str, remedy: str) -> None:
        super().__init__(text)
        self.refusal = Refusal(text, remedy)


def app_refusal(apps: Sequence[object], script: str) -> Refusal | None:
    """Judge what a module holds at its top level: `apps` has one item for each name of an app."""
    if not apps:
        text = f"ValueError: Could not find top level function app instances in {script}."
        return Refusal(text, "write `app = df.DFApp()` at its top level")
    if len(apps) > 1:
        kind = type(apps[0]).__name__
        text = f"ValueError: More than one {kind} or other top level function app instances are defined."
        return Refusal(text, "keep one, under one name, and register blueprints on it")
    return None


def refusal(function: SdkFunction) -> Refusal | None:
    """Judge a function; None where the worker takes it."""
    try:
        _check(function)
    except _RefusedError as error:
        return error.refusal
    return None


def place(call: Callable[..., Any]) -> str:
    """File and line of a function's own code, below what decorators made of it."""
    code = inspect.unwrap(getattr(call, "orchestrator_function", call))
    file = inspect.getsourcefile(code) or "?"
    try:
        lines, first = inspect.getsourcelines(code)
    except OSError:
        return file
    return f"{file}, line {first + next(n for n, line in enumerate(lines) if _defines(line))}"


def _defines(line: str) -> bool:
    return line.lstrip().startswith(("def ", "async def ", "class "))


def _check(function: SdkFunction) -> None:
    name, call = str(function.get_function_name()), function.get_user_function()
    parameters = list(inspect.signature(call).parameters)
    with _Worded("its annotations cannot be read: name what exists while the module is imported"):
        annotations = typing.get_type_hints(call)
    bound = {b.name: b for b in function.get_bindings() if b.name != RETURN}
    for binding in function.get_bindings():
        _check_direction(name, binding)
    if "context" in parameters and "context" not in bound:
        parameters.remove("context")
        _check_context(name, function, annotations)
    _check_names(name, parameters, bound)
    for parameter in parameters:
        if parameter in annotations:
            _check_parameter(name, parameter, bound[parameter], annotations[parameter])
    returned = next((b for b in function.get_bindings() if b.name == RETURN), None)
    if returned is not None and "return" in annotations:
        _check_return(name, str(returned.type), annotations["return"])


class _Worded:
    """Whatever is raised inside is a refusal in the worker's words: the exception itself."""

    def __init__(self, remedy: str) -> None:
        self._remedy = remedy

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if isinstance(error, Exception):
            raise _RefusedError(f"{type(error).__name__}: {error}", self._remedy) from error


def _refused(function: str, why: str, remedy: str) -> _RefusedError:
    return _RefusedError(f"FunctionLoadError: cannot load the {function} function: {why}", remedy)


def _check_direction(name: str, binding: Any) -> None:
    if binding.direction == BindingDirection.INOUT.value:
        raise _refused(name, '"inout" bindings are not supported', "bind what comes in and what goes out by two names")
    if binding.name == RETURN and binding.direction != BindingDirection.OUT.value:
        raise _refused(
            name, '"$return" binding must have direction set to "out"', "give an input binding a parameter's name"
        )


def _check_context(name: str, function: SdkFunction, annotations: Mapping[str, Any]) -> None:
    annotation = annotations.get("context")
    if "context" not in annotations or (isinstance(annotation, type) and annotation.__name__ == "Context"):
        return
    trigger = function.get_trigger()
    orchestrates = trigger is not None and trigger.type in ("orchestrationTrigger", "entityTrigger")
    raise _refused(
        name,
        f'the "context" parameter is expected to be of type azure.functions.Context, got "{annotation!r}"',
        "write `context_name='context'`" if orchestrates else "write `context: func.Context`",
    )


def _check_names(name: str, parameters: Collection[str], bound: Collection[str]) -> None:
    free = sorted(set(parameters) - set(bound))
    if free:
        raise _refused(
            name,
            "the following parameters are declared in Python but not in the function definition (function.json or "
            f"function decorators):  {_set(free)}",
            f"remove {_quoted(free)} or bind it by that name",
        )
    missing = sorted(set(bound) - set(parameters))
    if missing:
        raise _refused(
            name,
            "Extra parameters in binding definition — the following parameters are declared as bindings but are not "
            f"present in Python: {_set(missing)}",
            f"add the parameter {_quoted(missing)}",
        )


def _check_parameter(name: str, parameter: str, binding: Any, annotation: Any) -> None:
    is_out = _is_out(annotation)
    python_type = annotation
    if is_out:
        arguments = typing.get_args(annotation)
        if len(arguments) != 1:
            text = f"binding {parameter} has invalid Out annotation {annotation!r}"
            raise _refused(name, text, f"write `{parameter}: func.Out[str]`")
        python_type = arguments[0]
    if not isinstance(python_type, type) and not _is_generic(python_type):
        text = f"binding {parameter} has invalid non-type annotation {annotation!r}"
        raise _refused(name, text, _plainly(parameter, binding, python_type, is_out=is_out))
    goes_out = binding.direction == BindingDirection.OUT.value
    if goes_out and not is_out:
        raise _refused(
            name,
            f'binding {parameter} is declared to have the "out" direction, but its annotation in Python is not a '
            "subclass of azure.functions.Out",
            _plainly(parameter, binding, python_type, is_out=True),
        )
    if is_out and not goes_out:
        raise _refused(
            name,
            f'binding {parameter} is declared to have the "in" direction in the binding decorator, but its annotation '
            "is azure.functions.Out in Python",
            _plainly(parameter, binding, python_type, is_out=False),
        )
    _check_type(name, parameter, binding, python_type, is_out=is_out)


def _check_type(name: str, parameter: str, binding: Any, python_type: Any, *, is_out: bool) -> None:
    remedy = _plainly(parameter, binding, None, is_out=is_out)
    # Text and bytes are taken wherever the function's result is not the binding's too.
    as_text = python_type in (str, bytes) and not bindings.has_implicit_output(binding.type)
    kind = "generic" if as_text else binding.type
    with _Worded(remedy):
        if bindings.takes(kind, python_type, output=is_out):
            return
        python_name = python_type.__name__
    if binding.data_type == DataType.UNDEFINED.value:
        text = (
            f'type of {parameter} binding in the binding decorator "{binding.type}" does not match its Python '
            f'annotation "{python_name}"'
        )
    else:
        text = (
            f'binding type "{parameter!r}" and dataType "{binding.type}" in the binding decorator do not match the '
            f"corresponding function parameter's Python type annotation {python_name}"
        )
    raise _refused(name, text, remedy)


def _check_return(name: str, kind: str, annotation: Any) -> None:
    remedy = "write `-> func.HttpResponse`" if kind == "http" else "leave the return annotation out"
    origin = typing.get_origin(annotation) if _is_generic(annotation) else None
    if origin is not None and origin.__name__ == "Out":
        raise _refused(name, "return annotation should not be azure.functions.Out", remedy)
    if not isinstance(annotation, type):
        raise _refused(name, f"has invalid non-type return annotation {annotation!r}", remedy)
    with _Worded(remedy):
        fits = bindings.takes(kind, annotation, output=True)
    if not fits:
        text = f'Python return annotation "{annotation.__name__}" does not match binding type "{kind}"'
        raise _refused(name, text, remedy)


def _is_generic(annotation: Any) -> bool:
    """Whether the worker takes an annotation for a generic class: the aliases of `typing`, not the built-in ones."""
    origin = typing.get_origin(annotation)
    return origin is not None and not isinstance(annotation, types.GenericAlias) and origin not in _NOT_GENERIC


def _is_out(annotation: Any) -> bool:
    origin = typing.get_origin(annotation) if _is_generic(annotation) else None
    named = annotation if origin is None else origin
    return isinstance(named, type) and named.__name__ == "Out"


def _plainly(parameter: str, binding: Any, annotation: Any, *, is_out: bool) -> str:
    """Say which annotation would do: the binding's own type, or the plain class that is meant."""
    plain = _TYPES.get(binding.type) or _plain_class(annotation)
    if plain is None:
        return f"write `{parameter}` without an annotation"
    return f"write `{parameter}: func.Out[{plain}]`" if is_out else f"write `{parameter}: {plain}`"


def _plain_class(annotation: Any) -> str | None:
    """Name the one class that an annotation is about, None where there is none or more than one."""
    origin = typing.get_origin(annotation)
    if origin in (typing.Union, types.UnionType):
        others = [a for a in typing.get_args(annotation) if a is not types.NoneType]
        return _plain_class(others[0]) if len(others) == 1 else None
    plain = annotation if origin is None else origin
    if not isinstance(plain, type):
        return None
    module = plain.__module__
    return plain.__qualname__ if module in ("builtins", "function_app") else f"{module}.{plain.__qualname__}"


def _set(names: Sequence[str]) -> str:
    return "{" + ", ".join(repr(n) for n in names) + "}"


def _quoted(names: Sequence[str]) -> str:
    return ", ".join(f"`{n}`" for n in names)
