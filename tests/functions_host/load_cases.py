"""What Azure's Python worker takes and refuses while it indexes an app, one small app for each rule.

The texts are those of the worker's own runtime, as it tells them to the host. Two suites use the table: this one holds
the local host to it, `tests/worker` holds the table to Microsoft's runtime.
"""

# ruff: noqa: UP006, UP007, UP045 - the old spellings are among the cases

from __future__ import annotations

import collections.abc
import typing
from dataclasses import dataclass

import azure.functions as func

_IMPORTS = """\
import collections.abc
import typing
from typing import Any, Dict, Generic, List, Mapping, Optional, Tuple, TypeVar, Union

import azure.durable_functions as df
import azure.functions as func

app = df.DFApp()
"""
_ORCHESTRATION_CONTEXT = "<class 'azure.functions._durable_functions.OrchestrationContext'>"


@dataclass(frozen=True)
class LoadCase:
    """An app, and what the worker says of it: ``error`` is None where it takes the app with its one function ``f``.

    ``remedy`` is part of what the local host adds.
    """

    name: str
    source: str
    error: str | None = None
    remedy: str = ""

    def __str__(self) -> str:
        return self.name


def _refused(why: str) -> str:
    return f"FunctionLoadError: cannot load the f function: {why}"


def _app(code: str) -> str:
    return f"{_IMPORTS}\n\n{code}"


def _activity(annotation: str) -> str:
    return _app(f"@app.activity_trigger(input_name='payload')\ndef f(payload: {annotation}) -> str: ...\n")


def _http(signature: str) -> str:
    return _app(f"@app.route(route='x')\ndef f{signature}: ...\n")


def _blob(annotation: str) -> str:
    return _app(
        "@app.route(route='x')\n"
        "@app.blob_output(arg_name='blob', path='p', connection='c')\n"
        f"def f(req: func.HttpRequest, blob: {annotation}) -> str: ...\n"
    )


def _generic(direction: str, name: str = "extra") -> str:
    parameter = "" if name == "$return" else f", {name}: str"
    return _app(
        "from azure.functions.decorators.core import BindingDirection\n"
        "from azure.functions.decorators.generic import GenericInputBinding\n\n"
        f"binding = GenericInputBinding(name='{name}', type='http')\n"
        f"binding._direction = BindingDirection.{direction}\n\n\n"
        f"@app.timer_trigger(arg_name='timer', schedule='0 0 0 1 1 *')\ndef f(timer{parameter}): ...\n\n\n"
        "f._function.add_binding(binding)\n"
    )


def _non_type(annotation: object, name: str = "payload") -> str:
    return _refused(f"binding {name} has invalid non-type annotation {annotation!r}")


def _mismatch(name: str, binding: str, python: str) -> str:
    return _refused(
        f'binding type "\'{name}\'" and dataType "{binding}" in the binding decorator do not match the '
        f"corresponding function parameter's Python type annotation {python}"
    )


_TAKEN = (
    "dict", "list", "str", "Any", "None", "Dict", "Dict[str, Any]", "List[int]", "Mapping[str, Any]", "List",
    "collections.abc.Mapping", "typing.Literal['a']", "typing.Annotated[dict, 'why']", "typing.Type[int]", "'dict'",
)  # fmt: skip

_ANNOTATIONS = (
    *(LoadCase(f"an activity takes {annotation}", _activity(annotation)) for annotation in _TAKEN),
    LoadCase("no annotation at all", _app("@app.activity_trigger(input_name='payload')\ndef f(payload): ...\n")),
    LoadCase(
        "a class of the app",
        _app(
            "class Payload(typing.TypedDict):\n    a: int\n\n\n"
            "@app.activity_trigger(input_name='payload')\ndef f(payload: Payload) -> str: ...\n"
        ),
    ),
    LoadCase("dict[...]", _activity("dict[str, Any]"), _non_type(dict[str, typing.Any]), "write `payload: dict`"),
    LoadCase("dict[...] as text", _activity("'dict[str, Any]'"), _non_type(dict[str, typing.Any]), "`payload: dict`"),
    LoadCase("list[...]", _activity("list[int]"), _non_type(list[int]), "write `payload: list`"),
    LoadCase("tuple[...]", _activity("tuple[int, str]"), _non_type(tuple[int, str]), "write `payload: tuple`"),
    LoadCase("X | None", _activity("dict | None"), _non_type(dict | None), "write `payload: dict`"),
    LoadCase("a union", _activity("int | str"), _non_type(int | str), "write `payload` without an annotation"),
    LoadCase("Optional", _activity("Optional[str]"), _non_type(typing.Optional[str]), "write `payload: str`"),
    LoadCase("Optional dict[...]", _activity("Optional[dict[str, int]]"), _non_type(typing.Optional[dict[str, int]])),
    LoadCase("Union", _activity("Union[int, str]"), _non_type(typing.Union[int, str])),
    LoadCase("Tuple", _activity("Tuple"), _non_type(typing.Tuple), "write `payload: tuple`"),
    LoadCase("Tuple[...]", _activity("Tuple[int, str]"), _non_type(typing.Tuple[int, str]), "write `payload: tuple`"),
    LoadCase("Callable", _activity("typing.Callable"), _non_type(typing.Callable)),
    LoadCase(
        "a generic of collections.abc",
        _activity("collections.abc.Mapping[str, int]"),
        _non_type(collections.abc.Mapping[str, int]),
        "write `payload: collections.abc.Mapping`",
    ),
    LoadCase(
        "a type variable",
        _app("T = TypeVar('T')\n\n\n@app.activity_trigger(input_name='payload')\ndef f(payload: T) -> str: ...\n"),
        _non_type(typing.TypeVar("T")),
        "write `payload` without an annotation",
    ),
    LoadCase(
        "a new type",
        _app(
            "Id = typing.NewType('Id', int)\n\n\n"
            "@app.activity_trigger(input_name='payload')\ndef f(payload: Id) -> str: ...\n"
        ),
        _refused("binding payload has invalid non-type annotation function_app.Id"),
    ),
    LoadCase(
        "a name that does not exist",
        _activity("'Nowhere'"),
        "NameError: name 'Nowhere' is not defined",
        "its annotations cannot be read",
    ),
    LoadCase(
        "the return annotation of an activity is not looked at",
        _app("@app.activity_trigger(input_name='payload')\ndef f(payload: dict) -> dict[str, Any] | None: ...\n"),
    ),
    LoadCase(
        "an unreadable return annotation is",
        _app("@app.activity_trigger(input_name='payload')\ndef f(payload: dict) -> 'Nowhere': ...\n"),
        "NameError: name 'Nowhere' is not defined",
    ),
)

_TYPES_OF_BINDINGS = (
    LoadCase("HTTP", _http("(req: func.HttpRequest) -> func.HttpResponse")),
    LoadCase("HTTP takes str", _http("(req: str) -> str")),
    LoadCase(
        "HTTP with the request's wrong type",
        _http("(req: dict) -> str"),
        _mismatch("req", "httpTrigger", "dict"),
        "write `req: func.HttpRequest`",
    ),
    LoadCase("HTTP with Any", _http("(req: Any) -> str"), _mismatch("req", "httpTrigger", "Any")),
    LoadCase(
        "HTTP with a generic",
        _http("(req: Dict[str, Any]) -> str"),
        "TypeError: issubclass() arg 1 must be a class",
        "write `req: func.HttpRequest`",
    ),
    LoadCase(
        "a timer",
        _app(
            "@app.timer_trigger(arg_name='timer', schedule='0 0 0 1 1 *')\n"
            "def f(timer: func.TimerRequest) -> None: ...\n"
        ),
    ),
    LoadCase(
        "a timer of a wrong type",
        _app("@app.timer_trigger(arg_name='timer', schedule='0 0 0 1 1 *')\ndef f(timer: dict) -> None: ...\n"),
        _mismatch("timer", "timerTrigger", "dict"),
        "write `timer: func.TimerRequest`",
    ),
    LoadCase(
        "a durable client",
        _app(
            "@app.route(route='x')\n@app.durable_client_input(client_name='client')\n"
            "async def f(req: func.HttpRequest, client: df.DurableOrchestrationClient) -> str: ...\n"
        ),
    ),
    LoadCase(
        "a durable client, otherwise annotated",
        _app(
            "@app.route(route='x')\n@app.durable_client_input(client_name='client')\n"
            "async def f(req: func.HttpRequest, client: dict[str, Any]) -> str: ...\n"
        ),
    ),
    LoadCase(
        "an orchestrator, whose own annotation the worker never sees",
        _app(
            "@app.orchestration_trigger(context_name='context')\n"
            "def f(context: dict[str, Any]) -> Optional[list[int]]: ...\n"
        ),
    ),
    LoadCase(
        "a data type named, and right",
        _app(
            "@app.timer_trigger(arg_name='timer', schedule='0 0 0 1 1 *')\n"
            "@app.blob_input(arg_name='blob', path='p', connection='c', data_type=func.DataType.UNDEFINED)\n"
            "def f(timer, blob: func.InputStream) -> None: ...\n"
        ),
    ),
    LoadCase(
        "a data type that is left undefined by name",
        _app(
            "@app.timer_trigger(arg_name='timer', schedule='0 0 0 1 1 *')\n"
            "@app.blob_input(arg_name='blob', path='p', connection='c', data_type=func.DataType.UNDEFINED)\n"
            "def f(timer, blob: dict) -> None: ...\n"
        ),
        _refused('type of blob binding in the binding decorator "blob" does not match its Python annotation "dict"'),
    ),
    LoadCase(
        "a binding that the SDK does not know",
        _app(
            "@app.timer_trigger(arg_name='timer', schedule='0 0 0 1 1 *')\n"
            "@app.generic_input_binding(arg_name='thing', type='thing')\n"
            "def f(timer, thing: dict) -> None: ...\n"
        ),
        _mismatch("thing", "thing", "dict"),
    ),
    LoadCase(
        "a binding that the SDK does not know, as text",
        _app(
            "@app.timer_trigger(arg_name='timer', schedule='0 0 0 1 1 *')\n"
            "@app.generic_input_binding(arg_name='thing', type='thing')\n"
            "def f(timer, thing: str) -> None: ...\n"
        ),
    ),
)

_OUT = (
    LoadCase("Out where it belongs", _blob("func.Out[str]")),
    LoadCase("Out of a generic", _blob("func.Out[List[int]]"), "TypeError: issubclass() arg 1 must be a class"),
    LoadCase(
        "Out of what is no type",
        _blob("func.Out[dict[str, int]]"),
        _refused("binding blob has invalid non-type annotation azure.functions._abc.Out[dict[str, int]]"),
        "write `blob: func.Out[dict]`",
    ),
    LoadCase(
        "Out of nothing",
        _blob("func.Out"),
        _refused("binding blob has invalid Out annotation <class 'azure.functions._abc.Out'>"),
        "write `blob: func.Out[str]`",
    ),
    LoadCase(
        "Out of two",
        _app(
            "A = TypeVar('A')\nB = TypeVar('B')\n\n\nclass Out(Generic[A, B]): ...\n\n\n"
            "@app.route(route='x')\n@app.blob_output(arg_name='blob', path='p', connection='c')\n"
            "def f(req, blob: Out[int, str]) -> str: ...\n"
        ),
        _refused("binding blob has invalid Out annotation function_app.Out[int, str]"),
    ),
    LoadCase("Out of a wrong type", _blob("func.Out[dict]"), _mismatch("blob", "blob", "dict")),
    LoadCase(
        "an output without an annotation",
        _app(
            "@app.route(route='x')\n@app.blob_output(arg_name='blob', path='p', connection='c')\n"
            "def f(req, blob) -> str: ...\n"
        ),
    ),
    LoadCase(
        "an output without Out",
        _blob("str"),
        _refused(
            'binding blob is declared to have the "out" direction, but its annotation in Python is not a subclass of '
            "azure.functions.Out"
        ),
        "write `blob: func.Out[str]`",
    ),
    LoadCase(
        "an input with Out",
        _activity("func.Out[str]"),
        _refused(
            'binding payload is declared to have the "in" direction in the binding decorator, but its annotation is '
            "azure.functions.Out in Python"
        ),
        "write `payload: str`",
    ),
)

_NAMES = (
    LoadCase(
        "a parameter that is not bound",
        _http("(req, more) -> str"),
        _refused(
            "the following parameters are declared in Python but not in the function definition (function.json or "
            "function decorators):  {'more'}"
        ),
        "remove `more` or bind it",
    ),
    LoadCase(
        "a binding without a parameter",
        _http("(more) -> str").replace("route='x'", "route='x', trigger_arg_name='req'"),
        _refused(
            "the following parameters are declared in Python but not in the function definition (function.json or "
            "function decorators):  {'more'}"
        ),
    ),
    LoadCase(
        "a binding without any parameter",
        _http("() -> str"),
        _refused(
            "Extra parameters in binding definition — the following parameters are declared as bindings but are not "
            "present in Python: {'req'}"
        ),
        "add the parameter `req`",
    ),
    LoadCase("a context", _http("(req, context: func.Context) -> str")),
    LoadCase("a context without an annotation", _http("(req, context) -> str")),
    LoadCase(
        "a context of a wrong type",
        _http("(req, context: dict) -> str"),
        _refused('the "context" parameter is expected to be of type azure.functions.Context, got "<class \'dict\'>"'),
        "write `context: func.Context`",
    ),
    LoadCase(
        "a context of no type",
        _http("(req, context: Optional[func.Context]) -> str"),
        _refused(
            'the "context" parameter is expected to be of type azure.functions.Context, got '
            f'"{typing.Optional[func.Context]!r}"'
        ),
    ),
    LoadCase(
        "an orchestrator whose context has another name",
        _app("@app.orchestration_trigger(context_name='ctx')\ndef f(ctx): ...\n"),
        _refused(
            f'the "context" parameter is expected to be of type azure.functions.Context, got "{_ORCHESTRATION_CONTEXT}"'
        ),
        "context_name='context'",
    ),
)

_RETURNS = (
    LoadCase("a return annotation left out", _http("(req)")),
    LoadCase(
        "a return annotation of a wrong type",
        _http("(req) -> dict"),
        _refused('Python return annotation "dict" does not match binding type "http"'),
        "write `-> func.HttpResponse`",
    ),
    LoadCase(
        "no return value",
        _http("(req) -> None"),
        _refused('Python return annotation "NoneType" does not match binding type "http"'),
    ),
    LoadCase(
        "a return annotation that is no type",
        _http("(req) -> Optional[str]"),
        _refused(f"has invalid non-type return annotation {typing.Optional[str]!r}"),
        "write `-> func.HttpResponse`",
    ),
    LoadCase(
        "a generic return annotation",
        _http("(req) -> Dict[str, int]"),
        _refused("has invalid non-type return annotation typing.Dict[str, int]"),
    ),
    LoadCase(
        "Out as a return annotation",
        _http("(req) -> func.Out[str]"),
        _refused("return annotation should not be azure.functions.Out"),
        "write `-> func.HttpResponse`",
    ),
)

_DIRECTIONS = (
    LoadCase("an inout binding", _generic("INOUT"), _refused('"inout" bindings are not supported')),
    LoadCase(
        "a $return binding that goes in",
        _generic("IN", "$return"),
        _refused('"$return" binding must have direction set to "out"'),
    ),
    LoadCase("a $return binding that goes out", _generic("OUT", "$return")),
)

_APPS = (
    LoadCase(
        "no app",
        "import azure.functions as func\n",
        "ValueError: Could not find top level function app instances in function_app.py.",
        "app = df.DFApp()",
    ),
    LoadCase(
        "two apps",
        _app("other = func.FunctionApp()\n"),
        "ValueError: More than one DFApp or other top level function app instances are defined.",
        "keep one",
    ),
    LoadCase(
        "one app under two names",
        _app("other = app\n"),
        "ValueError: More than one DFApp or other top level function app instances are defined.",
        "keep one",
    ),
    LoadCase(
        "two functions of one name",
        _app(
            "@app.route(route='x')\ndef f(req) -> str: ...\n\n\n"
            "@app.function_name('f')\n@app.route(route='y')\ndef g(req) -> str: ...\n"
        ),
        "ValueError: Function f does not have a unique function name. Please change @app.function_name() or the "
        "function method name to be unique.",
    ),
    LoadCase(
        "a function without a trigger",
        _app("@app.function_name('f')\ndef f(req) -> str: ...\n"),
        "ValueError: Function f does not have a trigger. A valid function must have one and only one trigger "
        "registered.",
    ),
)

CASES = (*_ANNOTATIONS, *_TYPES_OF_BINDINGS, *_OUT, *_NAMES, *_RETURNS, *_DIRECTIONS, *_APPS)
