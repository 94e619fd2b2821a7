"""Requests, answers and routes: what both generations of the service share."""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from local.foundry_emulator import errors
from local.foundry_emulator.scripts import File

Json = dict[str, Any]


@dataclass(frozen=True)
class Request:
    """One HTTP request; header names are lower-case, the query has the last value of each name."""

    method: str
    path: str
    query: Mapping[str, str] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""


@dataclass(frozen=True)
class Reply:
    """What the service answers, and the ids that the call made or named."""

    status: int
    body: Json
    headers: Mapping[str, str] = field(default_factory=dict)
    thread_id: str | None = None
    run_id: str | None = None
    message_id: str | None = None
    conversation_id: str | None = None
    response_id: str | None = None
    item_ids: tuple[str, ...] = ()
    file: File | None = None  # its content is the body
    held: "Callable[[], Reply | None] | None" = None  # gives the answer once there is one: the client waits


@dataclass(frozen=True)
class Call:
    """A request that passed the first checks: what its path names, its checked body, and the request itself."""

    ids: Mapping[str, str]
    body: Json
    request: Request

    @property
    def query(self) -> Mapping[str, str]:
        """Return the request's query."""
        return self.request.query


@dataclass(frozen=True)
class Route:
    """One operation. Tests and fault rules know it by `name`."""

    name: str
    method: str
    path: re.Pattern[str]
    body: Callable[[Any], Json] | None = None


def route(name: str, method: str, path: str, body: Callable[[Any], Json] | None = None) -> Route:
    """Make a route; `path` names its ids in braces."""
    pattern = re.sub(r"\{(\w+)\}", r"(?P<\1>[^/]+)", path)
    return Route(name, method, re.compile(pattern), body)


def name_of(routes: Sequence[Route], method: str, path: str) -> str | None:
    """Name the operation behind a path below the project; None where there is none."""
    for one in routes:
        if one.method == method and one.path.fullmatch(path):
            return one.name
    return None


def find(routes: Sequence[Route], method: str, path: str) -> tuple[Route, Mapping[str, str]] | None:
    """Return the route and the ids in the path; None where no route has it. Raises 405 for another method's path."""
    known = False
    for one in routes:
        match = one.path.fullmatch(path)
        if match is not None and one.method == method:
            return one, match.groupdict()
        known = known or match is not None
    if known:
        raise errors.method_not_allowed()
    return None
