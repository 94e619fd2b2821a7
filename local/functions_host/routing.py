"""Route templates of HTTP triggers and how requests find them, as ASP.NET does it for the real host."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Generic, TypeVar
from urllib.parse import unquote

T = TypeVar("T")

_PARAMETER = re.compile(
    r"\{(?P<all>\*{1,2})?(?P<name>[A-Za-z_][A-Za-z0-9_]*)(?P<constraints>(?::[^}=?]+)*)(?:=(?P<default>[^}?]*))?(?P<optional>\?)?\}"
)
_CONSTRAINTS: Mapping[str, str] = {
    "int": r"-?\d{1,10}",
    "long": r"-?\d{1,19}",
    "bool": r"(?i:true|false)",
    "guid": r"(?i:\{?[0-9a-f]{8}-?(?:[0-9a-f]{4}-?){3}[0-9a-f]{12}\}?)",
    "alpha": r"[A-Za-z]+",
    "decimal": r"-?\d+(?:\.\d+)?",
    "double": r"-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?",
    "float": r"-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?",
    "required": r".+",
}


class RouteError(Exception):
    """A route template that cannot be used."""


@dataclass(frozen=True, slots=True)
class _Segment:
    literal: str | None
    pattern: re.Pattern[str] | None = None
    names: tuple[str, ...] = ()
    optional: bool = False
    catch_all: bool = False
    constrained: bool = False
    default: str | None = None

    @property
    def rank(self) -> int:
        """Literal beats constrained parameter beats parameter beats catch-all."""
        if self.literal is not None:
            return 0
        if self.catch_all:
            return 3
        return 1 if self.constrained else 2


@dataclass(frozen=True, slots=True)
class Route:
    """A parsed route template."""

    template: str
    segments: tuple[_Segment, ...]

    @property
    def first(self) -> str:
        """The first literal, lower-case."""
        return (self.segments[0].literal or "") if self.segments else ""

    @property
    def shape(self) -> tuple[str, ...]:
        """What two routes have in common that match the same requests."""
        return tuple(s.literal if s.literal is not None else f"{{{s.rank}}}" for s in self.segments)

    @property
    def precedence(self) -> tuple[int, ...]:
        """Sort key: better routes first."""
        return tuple(s.rank for s in self.segments)

    def match(self, parts: list[str]) -> dict[str, str] | None:
        """Match the encoded segments of a path; returns the parameters."""
        found: dict[str, str] = {}
        position = 0
        for segment in self.segments:
            if segment.catch_all:
                found[segment.names[0]] = "/".join(decode(p) for p in parts[position:])
                return found
            if position >= len(parts):
                if segment.default is not None:
                    found[segment.names[0]] = segment.default
                elif not segment.optional:
                    return None
                continue
            part = parts[position]
            position += 1
            if segment.literal is not None:
                if decode(part).lower() != segment.literal:
                    return None
                continue
            assert segment.pattern is not None
            matched = segment.pattern.fullmatch(decode(part))
            if matched is None:
                return None
            found |= matched.groupdict()
        return found if position == len(parts) else None


class Router(Generic[T]):
    """Finds the target of a path."""

    def __init__(self, routes: Iterable[tuple[Route, T]]) -> None:
        """Sort the routes by precedence; equal ones keep their order."""
        self._routes = sorted(routes, key=lambda r: r[0].precedence)

    def find(self, path: str) -> list[tuple[T, dict[str, str]]]:
        """Every target whose route matches the encoded path below the prefix, best first."""
        trimmed = path.removesuffix("/")
        parts = trimmed.split("/") if trimmed else []
        if "" in parts:
            return []  # `//` matches nothing
        matches = ((target, route.match(parts)) for route, target in self._routes)
        return [(target, found) for target, found in matches if found is not None]


def decode(part: str) -> str:
    """Decode a path segment, but leave an encoded slash as it is."""
    return "%2F".join(unquote(piece) for piece in re.split("%2[Ff]", part))


def parse_route(template: str) -> Route:
    """Parse a template like `agents/{id}/runs/{run:int?}`; raises RouteError."""
    if template.startswith("/"):
        raise RouteError(f"the route '{template}' must not begin with '/'")
    if "?" in re.sub(_PARAMETER, "", template):
        raise RouteError(f"the route '{template}' must not hold a '?' outside of a parameter")
    segments = tuple(_segment(template, text) for text in template.removesuffix("/").split("/")) if template else ()
    names = [n for s in segments for n in s.names]
    if len(set(names)) != len(names):
        raise RouteError(f"the route '{template}' has a parameter twice")
    if any(s.catch_all for s in segments[:-1]):
        raise RouteError(f"the route '{template}' has a catch-all parameter that is not the last")
    return Route(template, segments)


def _segment(template: str, text: str) -> _Segment:
    if not text:
        raise RouteError(f"the route '{template}' has an empty segment")
    parameters = list(_PARAMETER.finditer(text))
    rest = _PARAMETER.sub("", text)
    if "{" in rest or "}" in rest:
        raise RouteError(f"the route '{template}' has unbalanced braces in '{text}'")
    if not parameters:
        return _Segment(text.lower())
    whole = len(parameters) == 1 and not rest
    if not whole and any(p["all"] or p["optional"] or p["default"] is not None for p in parameters):
        raise RouteError(f"in the route '{template}' a catch-all or optional parameter must be a whole segment")
    pattern, position = "", 0
    for parameter in parameters:
        pattern += re.escape(text[position : parameter.start()])
        pattern += f"(?P<{parameter['name']}>{_constraint(template, parameter['constraints'])})"
        position = parameter.end()
    pattern += re.escape(text[position:])
    return _Segment(
        literal=None,
        pattern=re.compile(pattern, re.IGNORECASE | re.DOTALL),
        names=tuple(p["name"] for p in parameters),
        optional=bool(parameters[0]["optional"]),
        catch_all=bool(parameters[0]["all"]),
        constrained=any(p["constraints"] for p in parameters) or not whole,
        default=parameters[0]["default"],
    )


def _constraint(template: str, text: str) -> str:
    pattern = ".+"
    for constraint in text.split(":")[1:]:
        name, _, arguments = constraint.partition("(")
        arguments = arguments.removesuffix(")")
        if name in _CONSTRAINTS and not arguments:
            pattern = f"(?={_CONSTRAINTS[name]}(?:$|/)){pattern}" if pattern != ".+" else _CONSTRAINTS[name]
        elif name in ("length", "minlength", "maxlength") and re.fullmatch(r"\d+(,\d+)?", arguments):
            bounds = {"minlength": f"{arguments},", "maxlength": f"0,{arguments}"}.get(name, arguments)
            pattern = f".{{{bounds}}}"
        elif name == "regex":
            pattern = arguments.removeprefix("^").removesuffix("$")
        else:
            raise RouteError(f"the route '{template}' has the constraint '{constraint}', which the local host lacks")
    return pattern
