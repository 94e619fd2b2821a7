"""Runs a workflow definition of Azure Logic Apps, as far as the example needs it.

The rules are those of Microsoft's "Schema reference guide for trigger and action types" and of its reference of
functions: an action runs once those of `runAfter` have ended as it says, an Http action has failed from status 400 on,
an Until runs its actions before it looks at its expression, and `?[...]` of null is null.
"""

from __future__ import annotations

import re
import uuid
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import requests

_TOKEN = re.compile(r"\s*(?:(?P<text>'(?:[^']|'')*')|(?P<number>-?\d+)|(?P<name>[A-Za-z]\w*)|(?P<mark>\?\[|[\[\](),]))")


class Terminated(Exception):  # noqa: N818 - the action's name
    """The workflow was ended by a Terminate action."""


class Workflow:
    """One execution of a definition; `answer` is what its caller gets, `rests` are the seconds that it would wait."""

    def __init__(self, definition: Mapping[str, Any], parameters: Mapping[str, Any], body: Any) -> None:
        self._definition = definition
        self._parameters = parameters
        self._trigger = body
        self._outputs: dict[str, Any] = {}
        self._name = uuid.uuid4().hex
        self.states: dict[str, str] = {}
        self.rests: list[int] = []
        self.answer: dict[str, Any] | None = None

    def run(self) -> str:
        """Run it to its end; return how it ended."""
        try:
            self._run(self._definition["actions"])
        except Terminated as ended:
            return str(ended)
        return "Failed" if "Failed" in self.states.values() else "Succeeded"

    def _run(self, actions: Mapping[str, Any]) -> str:
        waiting = dict(actions)
        while waiting:
            name = next(n for n, a in waiting.items() if not set(a["runAfter"]) & set(waiting))
            action = waiting.pop(name)
            wanted = all(self.states[before] in states for before, states in action["runAfter"].items())
            self.states[name] = self._do(name, action) if wanted else "Skipped"
        failed = any(self.states[name] == "Failed" for name in actions)
        return "Failed" if failed else "Succeeded"

    def _do(self, name: str, action: Mapping[str, Any]) -> str:
        match action["type"]:
            case "Http":
                return self._call(name, self.value(action["inputs"]))
            case "If":
                branch = action if self.value(action["expression"]) else action.get("else", {})
                return self._run(branch.get("actions", {}))
            case "Until":
                for _ in range(action["limit"]["count"]):
                    state = self._run(action["actions"])
                    if self.value(action["expression"]):
                        break
                return state
            case "Wait":
                interval = self.value(action["inputs"])["interval"]
                assert interval["unit"] == "Second"
                self.rests.append(interval["count"])
            case "Response":
                self.answer = self.value(action["inputs"])
            case "Terminate":
                inputs = self.value(action["inputs"])
                raise Terminated(
                    f"{inputs['runStatus']}: {inputs['runError']['code']}: {inputs['runError']['message']}"
                )
            case other:
                raise AssertionError(f"no such action here: {other}")
        return "Succeeded"

    def _call(self, name: str, inputs: Mapping[str, Any]) -> str:
        done = requests.request(
            inputs["method"], inputs["uri"], headers=inputs["headers"], json=inputs.get("body"), timeout=120
        )
        body = done.json() if done.content else None
        self._outputs[name] = {"statusCode": done.status_code, "headers": dict(done.headers), "body": body}
        return "Failed" if done.status_code >= 400 else "Succeeded"

    def value(self, template: Any) -> Any:
        """Return a template with the values of its expressions."""
        match template:
            case dict():
                return {name: self.value(each) for name, each in template.items()}
            case list():
                return [self.value(each) for each in template]
            case str() if template.startswith("@") and not template.startswith("@{"):
                return self._evaluated(template[1:])
            case str():
                return re.sub(r"@\{(.+?)\}", lambda found: _shown(self._evaluated(found[1])), template)
        return template

    def _evaluated(self, expression: str) -> Any:
        tokens = list(_tokens(expression))
        value = self._term(tokens)
        assert not tokens, f"too much: {expression}"
        return value

    def _term(self, tokens: list[str]) -> Any:
        token = tokens.pop(0)
        if token.startswith("'"):
            value: Any = token[1:-1].replace("''", "'")
        elif re.fullmatch(r"-?\d+", token):
            value = int(token)
        elif token in ("null", "true", "false"):
            value = {"null": None, "true": True, "false": False}[token]
        else:
            value = self._function(token)(*self._arguments(tokens))
        while tokens and tokens[0] in ("[", "?["):
            is_safe = tokens.pop(0) == "?["
            key = self._term(tokens)
            assert tokens.pop(0) == "]"
            assert is_safe or value is not None
            value = None if value is None else value.get(key) if is_safe else value[key]
        return value

    def _arguments(self, tokens: list[str]) -> Iterator[Any]:
        assert tokens.pop(0) == "("
        while tokens[0] != ")":
            yield self._term(tokens)
            if tokens[0] == ",":
                tokens.pop(0)
        tokens.pop(0)

    def _function(self, name: str) -> Callable[..., Any]:
        known: dict[str, Callable[..., Any]] = {
            "parameters": lambda name: self._parameters[name],
            "triggerBody": lambda: self._trigger,
            "outputs": self._outputs.get,
            "body": lambda name: (self._outputs.get(name) or {}).get("body"),
            "workflow": lambda: {"run": {"name": self._name}},
            "equals": lambda a, b: a == b,
            "not": lambda a: not a,
            "or": lambda *each: any(each),
            "int": int,
            "concat": lambda *each: "".join(map(_shown, each)),
            "coalesce": lambda *each: next((one for one in each if one is not None), None),
        }
        return known[name]


def _tokens(expression: str) -> Iterator[str]:
    position = 0
    while position < len(expression):
        found = _TOKEN.match(expression, position)
        assert found, f"no expression: {expression[position:]}"
        yield found[0].strip()
        position = found.end()


def _shown(value: Any) -> str:
    return "" if value is None else str(value)
