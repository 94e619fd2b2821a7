"""What the body of a refusal says, in one line: whatever its shape is, nothing that it says is dropped. Pure.

The service's JSON, problem details (RFC 9457), ASP.NET's and FastAPI's validation errors, a gateway's JSON, HTML, plain
text, or what is left of a body that was cut (foundry-api.md, section 1.5; foundry-responses.md, section 7).
"""

from __future__ import annotations

import html
import itertools
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import msgspec

_MOST_BYTES = 20_000
_MOST_PARTS = 60
_DEEPEST = 12
_CODE = re.compile(r"[A-Za-z_][\w.]{0,63}")
_WORD = re.compile(r"\w{1,40}")
_HALF_ESCAPED = re.compile(rb"\\u[dD][89a-fA-F]")

_PROSE = frozenset(
    {"message", "detail", "details", "title", "description", "errordescription", "msg", "error", "errors", "value"}
    | {"reason", "innermessage", "errormessage", "faultstring", "fault", "innererror"}
)
"""Keys of texts that need no name beside them."""

_PLACES = ("target", "param", "loc", "field", "parameter", "pointer", "name")
"""Keys that say what an item of a list of errors is about."""

_CODES = frozenset({"code", "errorcode"})
_FIELDS = frozenset({"errors", "modelstate"})
"""Objects of which the keys are fields of the request."""

_FILTERS = frozenset({"contentfilterresult", "contentfilterresults"})
_BESIDE = (
    _FILTERS
    | frozenset({"type", "status", "statuscode", "instance", "lang", "input", "ctx", "timestamp", "date", "time"})
    | frozenset({"stack", "stacktrace", "iserror", "success", "object"})
)
"""Keys that say nothing where anything else does: `type` is a family, `input` what was sent."""


@dataclass(frozen=True)
class Said:
    """What a body says."""

    text: str = ""
    """In one line, as long as it may be."""
    codes: tuple[str, ...] = ()
    """Words for programs, the outermost first; no numbers, which repeat the status."""
    filtered: tuple[str, ...] = ()
    """What a content filter objected to: its categories, with their severity."""
    structured: bool = False
    """Whether it is JSON that could say why."""
    html: bool = False
    """Whether it is a page for people, as gateways make it."""


def said_by(body: bytes, headers: Mapping[str, str]) -> Said:
    """Return what an answer says: its body, or where that says nothing, its headers."""
    parsed = parse_json(body)
    if parsed is not None:
        found = _of_json(parsed)
    else:
        start = body[:_MOST_BYTES].decode("utf-8", "replace").lstrip("\ufeff \t\r\n")
        page = re.match(r"<!doctype html|<html|<head|<body", start, re.IGNORECASE) is not None
        found = Said(_line(_unescaped(start) if start[:1] in '{["' else _without_tags(start)), html=page)
    return found if found.text or found.codes else Said(*_of_headers(headers), structured=found.structured)


def parse_json(body: bytes) -> Any:
    """Return the body's JSON, or None where it has none."""
    try:
        return msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return _with_halves_replaced(body) if _HALF_ESCAPED.search(body) else None


def _with_halves_replaced(body: bytes) -> Any:
    """Return the body's JSON although a text in it has half of a surrogate pair, which is no character: a paid answer
    is not lost for that.
    """
    try:
        return json.loads(json.dumps(json.loads(body, parse_constant=_no_constant), ensure_ascii=False).encode(
            "utf-16", "surrogatepass"
        ).decode("utf-16", "replace"))  # fmt: skip
    except (ValueError, RecursionError):
        return None


def _no_constant(name: str) -> Any:
    raise ValueError(f"{name} is not JSON")


def _of_json(parsed: Any) -> Said:
    codes = tuple(dict.fromkeys(_codes(parsed, 0)))[:_MOST_PARTS]
    lines = _lines(parsed, _BESIDE | _CODES) or ([] if codes else _lines(parsed, frozenset()))
    text = "; ".join([*(line.rstrip(".;") for line in lines[:-1]), *lines[-1:]])
    told = bool(parsed.get("error", parsed)) if isinstance(parsed, dict) else isinstance(parsed, list) and bool(parsed)
    return Said(text[:_MOST_BYTES], codes, tuple(dict.fromkeys(_filtered(parsed, 0))), structured=told)


def _lines(parsed: Any, beside: frozenset[str]) -> list[str]:
    """Return the texts of a JSON value in their order, each once: an inner error often repeats the outer one."""
    return list(itertools.islice(dict.fromkeys(_parts(parsed, "", beside, 0)), _MOST_PARTS))


def _parts(value: Any, key: str, beside: frozenset[str], depth: int) -> Iterator[str]:
    """Yield the texts of a JSON value, each with its key unless that only says that it is one."""
    name = "" if beside and _plain(key) in _PROSE else key
    match value:
        case str() if _line(value):
            yield f"{name}: {_line(value)}" if name else _line(value)
        case bool() | int() | float() if name:
            yield f"{name}: {json.dumps(value)}"
        case list() if depth < _DEEPEST:
            for item in value:
                yield from _parts(item, key, beside, depth + 1)
        case dict() if depth < _DEEPEST and _plain(key) in _FIELDS and not _has_prose(value):
            for field, texts in value.items():
                yield from (f"{field}: {part}" for part in _parts(texts, "message", beside or _BESIDE, depth + 1))
        case dict() if depth < _DEEPEST:
            yield from _parts_of_error(value, beside, depth)


def _parts_of_error(value: dict[str, Any], beside: frozenset[str], depth: int) -> Iterator[str]:
    place = next((p for p in _PLACES if value.get(p) and _has_prose(value)), "")
    at = value.get(place)
    where = ".".join(str(step) for step in at) if isinstance(at, list) else str(at)
    about = f"{_line(where)}: " if place else ""
    for key, item in value.items():
        if key != place and _plain(key) not in beside:
            for part in _parts(item, key, beside, depth + 1):
                yield about + part
                about = ""


def _has_prose(value: dict[str, Any]) -> bool:
    return any(_plain(k) in _PROSE and isinstance(v, str) and v.strip() for k, v in value.items())


def _codes(value: Any, depth: int) -> Iterator[str]:
    """Yield the codes of an error object, from the outside to the inside."""
    if depth > _DEEPEST:
        return
    if isinstance(value, dict):
        own = (v for k, v in value.items() if _plain(k) in _CODES and isinstance(v, str))
        yield from (code for code in own if _CODE.fullmatch(code))
        for key, item in value.items():
            if _plain(key) not in _FILTERS:
                yield from _codes(item, depth + 1)
    elif isinstance(value, list):
        for item in value[:_MOST_PARTS]:
            yield from _codes(item, depth + 1)


def _filtered(value: Any, depth: int) -> Iterator[str]:
    """Yield the categories that a content filter objected to, wherever its result stands."""
    if depth > _DEEPEST:
        return
    if isinstance(value, dict):
        for key, item in value.items():
            if _plain(key) in _FILTERS and isinstance(item, dict):
                yield from (_category(name, found) for name, found in item.items() if _objected(name, found))
            else:
                yield from _filtered(item, depth + 1)
    elif isinstance(value, list):
        for item in value[:_MOST_PARTS]:
            yield from _filtered(item, depth + 1)


def _objected(name: str, found: Any) -> bool:
    named = _WORD.fullmatch(name) is not None and isinstance(found, dict)
    return named and (found.get("filtered") is True or found.get("detected") is True)


def _category(name: str, found: dict[str, Any]) -> str:
    severity = found.get("severity")
    return f"{name} (severity {severity})" if isinstance(severity, str) and _WORD.fullmatch(severity) else name


def _of_headers(headers: Mapping[str, str]) -> tuple[str, tuple[str, ...]]:
    """Return text and codes: RFC 6750 puts the reason of a 401 there."""
    challenge = headers.get("www-authenticate") or ""
    told = re.search(r'error_description="([^"]{1,1000})"', challenge)
    codes = [m[1] for m in re.finditer(r'\berror="([A-Za-z_]{1,64})"', challenge)] + [headers.get("x-ms-error-code")]
    return _line(told[1]) if told else "", tuple(code for code in codes if code and _CODE.fullmatch(code))


def _plain(key: str) -> str:
    return re.sub(r"[-_.]", "", key).lower()


def _line(text: str) -> str:
    return " ".join(re.sub(r"[\x00-\x1f\x7f-\x9f]", " ", text[:_MOST_BYTES]).split())


def _without_tags(text: str) -> str:
    tags = r"<!--.*?(-->|\Z)|<(script|style)\b.*?(</\2\s*>|\Z)|<[^>]*>"
    return html.unescape(re.sub(tags, " ", text, flags=re.DOTALL | re.IGNORECASE))


def _unescaped(text: str) -> str:
    """Return the text of JSON that was cut, without the escapes of its strings: a quoted prompt is then found in it."""
    escapes = {"n": " ", "r": " ", "t": " ", "b": " ", "f": " "}
    plain = re.sub(
        r"\\(?:u([0-9a-fA-F]{4})|(.))", lambda m: chr(int(m[1], 16)) if m[1] else escapes.get(m[2], m[2]), text
    )
    return plain.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
