"""Faults on demand: rules that spoil chosen requests, before or after they took effect.

A rule picks requests by `operation` (see `service.OPERATIONS`), or by `method` and `path` (a regular
expression that the whole path below the project must match), and by what they mention: `mentions` is a text that
stands in the path, the query or the body. It passes the first `skip` of them, then spoils `times` of them (null:
all), each with `probability`. The first rule that picks a request is the one that is applied.

`effect` says what becomes of the request itself: `none` (it never arrived), `first` (it was carried out, then
the fault came: the ambiguous case), `last` (only `delay`: it is carried out after the delay). The default is
the first one named:

| kind             | what the client sees                                            | effect            |
|------------------|-----------------------------------------------------------------|-------------------|
| `status`         | `status` with `headers` and `body`; or what `says` names, see   | none, first       |
|                  | `sayings`                                                       |                   |
| `html`           | `status` (502) with a gateway's HTML page                       | none, first       |
| `truncated_json` | the real status, half of the JSON                               | first             |
| `empty_body`     | the real status (`none`: 200), or `status`, and no body         | first, none       |
| `cut_body`       | Content-Length, half of the bytes, connection closed            | first             |
| `reset`          | connection reset, no answer                                     | none, first       |
| `delay`          | the real answer after `seconds`; with `none`, a reset           | first, last, none |
| `trickle`        | the real answer, spread over `seconds`                          | first             |
| `refuse`         | a reset, or with `first` the real answer; then nobody listens   | none, first       |
|                  | on the port for `seconds`                                       |                   |

Seconds of faults are real ones: they meet the client's timeouts, not the service's clock.
"""

import itertools
import random
import re
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any, Literal

import msgspec

from local.foundry_emulator.sayings import SAYINGS, Saying
from local.foundry_emulator.service import OPERATIONS

Kind = Literal["status", "html", "truncated_json", "empty_body", "cut_body", "reset", "delay", "trickle", "refuse"]
Effect = Literal["none", "first", "last"]

_EFFECTS: dict[str, tuple[Effect, ...]] = {
    "status": ("none", "first"),
    "html": ("none", "first"),
    "truncated_json": ("first",),
    "empty_body": ("first", "none"),
    "cut_body": ("first",),
    "reset": ("none", "first"),
    "delay": ("first", "last", "none"),
    "trickle": ("first",),
    "refuse": ("none", "first"),
}


class FaultRule(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One rule, as tests write it."""

    kind: Kind
    operation: str | None = None
    method: str | None = None
    path: str | None = None
    mentions: str | None = None
    times: Annotated[int, msgspec.Meta(ge=0)] | None = 1
    skip: Annotated[int, msgspec.Meta(ge=0)] = 0
    probability: Annotated[float, msgspec.Meta(ge=0, le=1)] = 1.0
    seed: int = 0
    effect: Effect | None = None
    status: Annotated[int, msgspec.Meta(ge=100, le=599)] | None = None
    headers: dict[str, str] = {}
    body: Any = None
    says: str | None = None
    seconds: Annotated[float, msgspec.Meta(ge=0)] = 1.0

    def __post_init__(self) -> None:
        if self.operation is not None and self.operation not in OPERATIONS:
            raise ValueError(f"`operation` is one of {', '.join(OPERATIONS)}; not {self.operation!r}")
        if self.says is not None:
            if self.kind != "status" or self.status is not None or self.body is not None:
                raise ValueError("`says` is for a fault of kind `status`, instead of `status` and `body`")
            if self.says not in SAYINGS:
                raise ValueError(f"`says` is one of {', '.join(SAYINGS)}; not {self.says!r}")
        if self.effect is not None and self.effect not in _EFFECTS[self.kind]:
            raise ValueError(f"`effect` of {self.kind} is one of {_EFFECTS[self.kind]}, not {self.effect!r}")
        if self.path is not None:
            try:
                re.compile(self.path)
            except re.error as error:
                raise ValueError(f"`path` is no regular expression: {error}") from error

    @property
    def takes_effect(self) -> Effect:
        """Whether and when the spoiled request is carried out."""
        return self.effect or _EFFECTS[self.kind][0]

    @property
    def loses_answer(self) -> bool:
        """Whether the client hears nothing of what the service made of its request, which took effect."""
        return self.kind in {"reset", "status", "html"} and self.takes_effect == "first"

    @property
    def saying(self) -> Saying:
        """What a fault of kind `status` sends."""
        if self.says is not None:
            said = SAYINGS[self.says]
            return Saying(said.status, said.body, {**said.headers, **self.headers})
        status = 503 if self.status is None else self.status
        return Saying(status, default_body(status) if self.body is None else self.body, self.headers)

    def picks(self, method: str, path: str, operation: str | None, mentioned: str = "") -> bool:
        """Whether this rule is about such a request; `mentioned` is all that it says."""
        if self.mentions is not None and self.mentions not in mentioned:
            return False
        if self.operation is not None and operation != self.operation:
            return False
        if self.method is not None and method.upper() != self.method.upper():
            return False
        return self.path is None or re.fullmatch(self.path, path) is not None


@dataclass
class Fault:
    """A rule at work, with its counters."""

    id: str
    rule: FaultRule
    matched: int = 0
    applied: int = 0
    _random: random.Random = field(default_factory=random.Random, repr=False)

    def wants(self, method: str, path: str, operation: str | None, mentioned: str = "") -> bool:
        """Count a request, and say whether the rule spoils it."""
        rule = self.rule
        if rule.times is not None and self.applied >= rule.times:
            return False
        if not rule.picks(method, path, operation, mentioned):
            return False
        self.matched += 1
        if self.matched <= rule.skip:
            return False
        if rule.probability < 1 and self._random.random() >= rule.probability:
            return False
        self.applied += 1
        return True

    def to_json(self) -> dict[str, Any]:
        """Show the rule and its counters."""
        shown: dict[str, Any] = msgspec.to_builtins(self.rule)
        return {"id": self.id, "matched": self.matched, "applied": self.applied, "rule": shown}


class Faults:
    """The rules in force, oldest first."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._faults: list[Fault] = []
        self._numbers = itertools.count(1)

    def add(self, kind: Kind, **fields: Any) -> Fault:
        """Add a rule; the fields are those of `FaultRule`. Raises ValueError where it makes no sense."""
        return self.add_rule({"kind": kind, **fields})

    def add_rule(self, rule: Mapping[str, Any] | FaultRule) -> Fault:
        """Add a rule given as an object."""
        if not isinstance(rule, FaultRule):
            try:
                rule = msgspec.convert(dict(rule), FaultRule)
            except msgspec.ValidationError as error:
                raise ValueError(f"fault rule: {error}") from error
        with self._lock:
            fault = Fault(f"fault_{next(self._numbers)}", rule, _random=random.Random(rule.seed))  # noqa: S311
            self._faults.append(fault)
            return fault

    def remove(self, fault_id: str) -> bool:
        """Take a rule away; False where there is none of that id."""
        with self._lock:
            before = len(self._faults)
            self._faults = [fault for fault in self._faults if fault.id != fault_id]
            return len(self._faults) < before

    def clear(self) -> None:
        """Take all rules away."""
        with self._lock:
            self._faults = []

    def all(self) -> list[Fault]:
        """Return the rules with their counters."""
        with self._lock:
            return list(self._faults)

    def pick(self, method: str, path: str, operation: str | None, mentioned: str = "") -> Fault | None:
        """Return the fault for this request, which says `mentioned`, and count it."""
        with self._lock:
            for fault in self._faults:
                if fault.wants(method, path, operation, mentioned):
                    return fault
            return None


def default_body(status: int) -> dict[str, Any]:
    """Return the body that the service or its gateway sends with a status."""
    if status == 401:
        return {
            "statusCode": 401,
            "message": "Unauthorized. Access token is missing, invalid, audience is incorrect "
            "(https://ai.azure.com), or have expired.",
        }
    if status == 429:
        return {"error": {"code": "429", "message": "Rate limit is exceeded. Try again in 2 seconds."}}
    if status >= 500:
        message = "The server had an error while processing your request. Sorry about that!"
        return {"error": {"message": message, "type": "server_error", "param": None, "code": None}}
    return {"error": {"code": str(status), "message": f"Emulated answer with status {status}."}}


HTML_PAGE = (
    "<html>\r\n<head><title>502 Bad Gateway</title></head>\r\n<body>\r\n"
    "<center><h1>502 Bad Gateway</h1></center>\r\n"
    "<hr><center>Microsoft-Azure-Application-Gateway/v2</center>\r\n"
    "</body>\r\n</html>\r\n"
)
