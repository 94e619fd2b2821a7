"""Reads the body of a request, for every route that has one. Pure."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import azure.functions as func
from werkzeug.http import parse_options_header

from contracts.codes import ErrorCode
from http_api.answers import ApiError

MAX_BODY_BYTES = 4_000_000
"""The longest message, 256,000 characters outside of the basic plane, takes 12 bytes each as escaped JSON."""

_QUOTED = re.compile(r'"(?:[^"\\]|\\.)*"?')
_CHARSET_PARAMETER = re.compile(r"(?<![^;\s])charset=", re.IGNORECASE)


@dataclass(frozen=True)
class Body:
    """A body that has arrived as it was sent, and its media type and charset in small letters.

    A charset that is named but cannot be read is empty, and so refused.
    """

    content: bytes
    media_type: str
    charset: str

    def json_object(self) -> dict[str, Any]:
        """Return the JSON object; raise `ApiError` (400, 415) where there is none."""
        if self.media_type not in ("", "application/json") and not self.media_type.endswith("+json"):
            raise ApiError(
                415,
                ErrorCode.UNSUPPORTED_MEDIA_TYPE,
                "send application/json (a start also takes text/plain, the message)",
                target="Content-Type",
            )
        try:
            parsed = json.loads(self.text(), object_pairs_hook=_without_contradiction, parse_constant=_no_constant)
        except json.JSONDecodeError as error:
            where = f"line {error.lineno}, column {error.colno}"
            message = f"the body is not JSON, from {where} on"
            raise ApiError(400, ErrorCode.INVALID_JSON, message, target="body") from None
        except ValueError:  # the only one left: Python reads no number of more than 4,300 digits
            raise ApiError(400, ErrorCode.INVALID_JSON, "a number in the body is too long", target="body") from None
        except RecursionError:
            raise ApiError(400, ErrorCode.INVALID_JSON, "the body's JSON is nested too deeply", target="body") from None
        if not isinstance(parsed, dict):
            raise ApiError(400, ErrorCode.INVALID_JSON, "the body must be a JSON object", target="body")
        return parsed

    def optional_json_object(self) -> dict[str, Any]:
        """Return the same, and nothing of an empty body."""
        return self.json_object() if self.content else {}

    def text(self) -> str:
        """Return the text; raise `ApiError` (400, 415) where it is not UTF-8."""
        if self.charset not in ("utf-8", "utf8", "us-ascii"):
            raise ApiError(415, ErrorCode.UNSUPPORTED_MEDIA_TYPE, "send the body as UTF-8", target="Content-Type")
        try:
            return self.content.decode("utf-8-sig")
        except UnicodeDecodeError:
            raise ApiError(400, ErrorCode.INVALID_ENCODING, "the body is not UTF-8", target="body") from None


def body_of(req: func.HttpRequest) -> Body:
    """Return the body of the request; raise `ApiError` (411, 413, 415) where it has not arrived, or not as it is."""
    return read_body(req.headers, req.get_body())


def read_body(headers: Mapping[str, str], content: bytes) -> Body:
    """Return the body that came with these headers, whose names are in small letters; raise as `body_of` does."""
    if not content and "chunked" in _tokens(headers.get("transfer-encoding")):
        message = (
            "the body came in chunks (Transfer-Encoding: chunked), which the platform drops: send it with a "
            "Content-Length"
        )
        raise ApiError(411, ErrorCode.LENGTH_REQUIRED, message, target="Content-Length")
    if encodings := _tokens(headers.get("content-encoding")) - {"identity"}:
        message = (
            f"the body is encoded ({', '.join(sorted(encodings))[:100]}): send it as it is, without Content-Encoding"
        )
        raise ApiError(415, ErrorCode.UNSUPPORTED_MEDIA_TYPE, message, target="Content-Encoding")
    if len(content) > MAX_BODY_BYTES:
        message = f"the body has {len(content):,} bytes, at most {MAX_BODY_BYTES:,} are taken"
        raise ApiError(413, ErrorCode.TOO_LARGE, message, target="body")
    return Body(content, *_media_type(headers.get("content-type")))


def _tokens(header: str | None) -> set[str]:
    return {token.strip().lower() for token in (header or "").split(",")} - {""}


def _media_type(content_type: str | None) -> tuple[str, str]:
    text = "=".join(part.strip() for part in (content_type or "").split("="))  # some callers put blanks there
    kind, parameters = parse_options_header(text)
    is_named = _CHARSET_PARAMETER.search(_QUOTED.sub("", text))
    return kind.lower(), parameters.get("charset", "" if is_named else "utf-8").lower()


def _without_contradiction(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Return the object, unless it gives one key two values: which of them is meant, nobody can know."""
    made: dict[str, Any] = {}
    for name, value in pairs:
        if name in made and made[name] != value:
            message = f"the key {name[:100]!r} is given twice in the body's JSON, with different values"
            raise ApiError(400, ErrorCode.INVALID_JSON, message, target="body")
        made[name] = value
    return made


def _no_constant(name: str) -> Any:
    raise ApiError(400, ErrorCode.INVALID_JSON, f"the body is not JSON: it has {name}", target="body")
