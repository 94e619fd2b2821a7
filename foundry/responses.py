"""What an HTTP answer of Foundry means: its JSON, or the error it stands for. Pure functions.

Error bodies come as the service's JSON, a gateway's JSON or HTML, or empty (foundry-api.md, sections 1.5 and 2).
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from email.utils import parsedate_to_datetime
from typing import Any

import msgspec

from contracts.codes import ErrorCode
from foundry import errors
from foundry.quotes import without_quotes

_BUSY_WITH_MESSAGE = re.compile(r"can't add messages to (\w+) while a run (\w+) is active", re.IGNORECASE)
_BUSY_WITH_RUN = re.compile(r"(\w+) already has an active run (\w+?)\b", re.IGNORECASE)
_TRY_AGAIN = re.compile(r"(?:try again|retry) (?:in|after) ((?:\d{1,9}(?:\.\d{1,6})? ?[a-z]* ?)+)", re.IGNORECASE)
_AMOUNT = re.compile(r"(\d{1,9}(?:\.\d{1,6})?) ?([a-z]*)", re.IGNORECASE)
_UNITS = {"": 1, "s": 1, "sec": 1, "second": 1, "ms": 0.001, "millisecond": 0.001}
_UNITS |= {"m": 60, "min": 60, "minute": 60, "h": 3600, "hour": 3600, "d": 86400, "day": 86400}
_LONGEST_DETAIL = 20_000
SHORTEST_SECRET = 20
_HALF_ESCAPED = re.compile(rb"\\u[dD][89a-fA-F]")
_LONGEST_EXCERPT = 500


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


def without_secrets(value: Any, secrets: Sequence[str]) -> Any:
    """Return the JSON value without these texts, wherever they stand: the service may quote them. A short one, which is
    no token, may be part of any word, and is left.
    """
    hidden = [secret for secret in secrets if len(secret) >= SHORTEST_SECRET]
    if isinstance(value, str):
        for secret in hidden:
            value = value.replace(secret, "<token>")
    elif isinstance(value, dict):
        return {k: without_secrets(v, hidden) for k, v in value.items()} if hidden else value
    elif isinstance(value, list):
        return [without_secrets(v, hidden) for v in value] if hidden else value
    return value


def error_of(
    status: int, headers: Mapping[str, str], body: bytes, *, what: str, secrets: Sequence[str] = (), request: Any = None
) -> errors.FoundryError:
    """Return the error that an answer stands for. `what` names the call for the message, such as `POST /threads`.

    `secrets`, where the service quotes them, are left out of what is written, not of what is understood: a short one
    may be part of any word. So is what it quotes of the request's own body, `request`: that may be a prompt.
    """
    detail = _detail(body)
    request_id = headers.get("x-request-id") or headers.get("apim-request-id")
    where = f"{what} answered {status}" + (f" (request id {request_id[:200]})" if request_id else "")
    shown = detail
    for secret in sorted(secrets, key=len, reverse=True):
        shown, where = shown.replace(secret, "<token>"), where.replace(secret, "<token>")
    shown = without_quotes(shown[: 2 * _LONGEST_EXCERPT], request)
    text = f"{where}: {shown[:_LONGEST_EXCERPT]}" if detail else where
    retry_after = retry_after_seconds(headers, detail)
    if busy := _BUSY_WITH_MESSAGE.search(detail) or _BUSY_WITH_RUN.search(detail):
        return errors.ThreadBusyError(text, active_run_id=busy[2], summary=where)
    if status == 401 and _code(body) == "PermissionDenied":
        status = 403  # Foundry reports a lacking role so, too
    match status:
        case 401:
            return errors.AuthenticationError(
                f"{text.rstrip('.')}. Foundry's agent endpoints take Entra tokens of scope "
                "https://ai.azure.com/.default, never API keys: check the app's identity "
                "(AZURE_CLIENT_ID), or FOUNDRY_ACCESS_TOKEN on a developer's machine",
                summary=where,
            )
        case 403:
            return errors.PermissionDeniedError(
                f"{text.rstrip('.')}. The app's identity needs the role 'Foundry User' on the project; "
                "a new assignment takes some minutes",
                summary=where,
            )
        case 404:
            return errors.NotFoundError(text, summary=where)
        case 429:
            return errors.RateLimitedError(text, retry_after_seconds=retry_after, summary=where)
        case _ if status in {408, 425} or status >= 500:
            return errors.UnavailableError(text, retry_after_seconds=retry_after, summary=where)
        case _ if 300 <= status < 400:
            return errors.InvalidInputError(
                f"{where}: a redirect, which is not followed: check FOUNDRY_PROJECT_ENDPOINT"
            )
        case 400 if not _error_object(body):
            return errors.UnreadableRefusalError(text, summary=where)
        case _:
            return errors.InvalidInputError(text, code=_code(body) or ErrorCode.INVALID_REQUEST, summary=where)


def retry_after_seconds(headers: Mapping[str, str], message: str = "") -> float | None:
    """Return how long the service asks to wait: from its headers, or from the text of its message."""
    for name in ("retry-after-ms", "x-ms-retry-after-ms"):
        if (value := _number(headers.get(name))) is not None:
            return value / 1000
    header = headers.get("retry-after")
    if (value := _number(header)) is not None:
        return value
    if header and (delay := _until(header, headers.get("date"))) is not None:
        return delay
    return hint_in_text(message)


def hint_in_text(message: str) -> float | None:
    """Return the seconds of a text such as `Rate limit is exceeded. Try again in 60 seconds.`."""
    if not (hint := _TRY_AGAIN.search(message)):
        return None
    total = 0.0
    for amount, unit in _AMOUNT.findall(hint[1]):
        factor = _UNITS.get(unit.lower(), _UNITS.get(unit.lower().removesuffix("s")))
        if factor is None:
            return None
        total += float(amount) * factor
    return total


def _number(text: str | None) -> float | None:
    return float(text) if text and re.fullmatch(r"\s*\d{1,9}(\.\d+)?\s*", text) else None


def _until(http_date: str, now: str | None) -> float | None:
    """Seconds from the answer's own Date to an HTTP date; the difference of two of the service's clocks needs none of
    ours.
    """
    try:
        delay = parsedate_to_datetime(http_date) - parsedate_to_datetime(now or "")
    except (TypeError, ValueError, OverflowError):
        return None
    return max(0.0, delay.total_seconds())


def _error_object(body: bytes) -> Mapping[str, Any]:
    parsed = parse_json(body)
    if isinstance(parsed, dict):
        inner = parsed.get("error", parsed)
        if isinstance(inner, dict):
            return inner
        if isinstance(inner, str):
            return {"message": inner}
    return {}


def _code(body: bytes) -> str | None:
    code = _error_object(body).get("code")
    return code if isinstance(code, str) and re.fullmatch(r"\w{1,64}", code) else None


def _detail(body: bytes) -> str:
    message = _error_object(body).get("message")
    if isinstance(message, str) and message.strip():
        return " ".join(message[:_LONGEST_DETAIL].split())
    if body.lstrip().startswith(b"{"):
        return ""
    text = re.sub(
        r"<(script|style).*?</\1>|<[^>]*>",
        " ",
        body[:_LONGEST_DETAIL].decode("utf-8", "replace"),
        flags=re.DOTALL | re.IGNORECASE,
    )
    return " ".join(text.split())
