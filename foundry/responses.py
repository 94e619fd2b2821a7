"""What an HTTP answer of Foundry means: the error it stands for, and how long to wait. Pure functions.

Error bodies come as the service's JSON, a gateway's JSON or HTML, or empty (foundry-api.md, sections 1.5 and 2): `said`
reads them, `remedies` knows what to do about it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from email.utils import parsedate_to_datetime
from typing import Any
from urllib.parse import urlsplit

from contracts.codes import ErrorCode
from foundry import errors
from foundry.quotes import without_credentials, without_quotes
from foundry.remedies import remedy_for
from foundry.said import Said, parse_json, said_by

__all__ = ["error_of", "hint_in_text", "not_json", "parse_json", "retry_after_seconds", "without_secrets"]

_BUSY_WITH_MESSAGE = re.compile(r"can't add messages to (\w+) while a run (\w+) is active", re.IGNORECASE)
_BUSY_WITH_RUN = re.compile(r"(\w+) already has an active run (\w+?)\b", re.IGNORECASE)
_LOCKED = re.compile(r"in-progress response ex\w+|operating on this conversation|conversation is locked", re.IGNORECASE)
_OPEN_CALL = re.compile(r"no tool output found", re.IGNORECASE)
_UNKNOWN_CALL = re.compile(r"no (?:tool call|(?:mcp )?approval request) found", re.IGNORECASE)
_ABOUT_BACKGROUND = re.compile(r"\bbackground\b", re.IGNORECASE)
_TRY_AGAIN = re.compile(
    r"(?:(?:try again|retry)(?: your request)? (?:in|after)|wait(?: for)?) (?:about |at least |approximately )?"
    r"((?:\d{1,9}(?:\.\d{1,6})? ?[a-z]* ?)+)",
    re.IGNORECASE,
)
_ON_THE_CLOCK = re.compile(
    r"(?:try again|retry|replenished|renewed) (?:in|after) (\d{1,4}):([0-5]\d):([0-5]\d)", re.IGNORECASE
)
_AMOUNT = re.compile(r"(\d{1,9}(?:\.\d{1,6})?) ?([a-z]*)", re.IGNORECASE)
_UNITS = {"": 1, "s": 1, "sec": 1, "second": 1, "ms": 0.001, "millisecond": 0.001}
_UNITS |= {"m": 60, "min": 60, "minute": 60, "h": 3600, "hour": 3600, "d": 86400, "day": 86400}
SHORTEST_SECRET = 20
SHORTEST_KEY = 8
_LONGEST_EXCERPT = 500
_MOST_CODES = 4

_UNAVAILABLE = frozenset({408, 421, 425, 499})
"""Besides 5xx: too slow, the wrong connection, too early, and a gateway that gave up."""
_FOR_NOW = frozenset({409, 423, 424})

_COLLECTIONS = frozenset({"threads", "messages", "runs", "assistants", "files", "steps", "content", "cancel"})
_COLLECTIONS |= {"submit_tool_outputs", "vector_stores"}
_COLLECTIONS |= {"openai", "v1", "agents", "versions", "conversations", "items", "responses"}
_GONE = r"not found|not be found|n't be found|n't find|no .{1,60} found|not exist|n't exist|deleted|\bgone\b|no longer"
_OTHERS = r"(project|account|workspace|hub|deployment|endpoint|path|route|url|host|server|assistant|agent)\b"


def without_secrets(value: Any, secrets: Sequence[str]) -> Any:
    """Return the JSON value without these texts, wherever they stand: the service may quote them. One that is shorter
    than a token may be part of a word, so it goes where it stands by itself, and is left if it may be a word.
    """
    hidden = {s: pattern for s in sorted(secrets, key=len, reverse=True) if (pattern := _hiding(s))}
    return _without(value, hidden) if hidden else value


def _hiding(secret: str) -> re.Pattern[str] | None:
    text = re.escape(secret)
    if len(secret) >= SHORTEST_SECRET:
        return re.compile(text)
    looks_random = re.search(r"\d", secret) and re.search(r"[A-Za-z]", secret)
    return re.compile(rf"(?<!\w){text}(?!\w)") if len(secret) >= SHORTEST_KEY and looks_random else None


def _without(value: Any, hidden: Mapping[str, re.Pattern[str]]) -> Any:
    if isinstance(value, str):
        for secret, pattern in hidden.items():
            if secret in value:
                value = pattern.sub("<token>", value)
        return value
    if isinstance(value, dict):
        return {k: _without(v, hidden) for k, v in value.items()}
    return [_without(v, hidden) for v in value] if isinstance(value, list) else value


def error_of(
    status: int, headers: Mapping[str, str], body: bytes, *, what: str, secrets: Sequence[str] = (), request: Any = None
) -> errors.FoundryError:
    """Return the error that an answer stands for. `what` names the call for the message, such as `POST /threads`.

    `secrets`, where the service quotes them, are left out of what is written, not of what is understood: a short one
    may be part of any word. So is what it quotes of the request's own body, `request`: that may be a prompt.
    """
    said = said_by(body, headers)
    request_id = headers.get("x-request-id") or headers.get("apim-request-id")
    where = _masked(f"{what} answered {status}" + (f" (request id {request_id[:200]})" if request_id else ""), secrets)
    if 300 <= status < 400:
        return errors.InvalidInputError(
            f"{where}: a redirect{_to(headers)}, which is not followed: check FOUNDRY_PROJECT_ENDPOINT"
        )
    # A prompt that is quoted may speak of firewalls and quotas, too.
    own = replace(said, text=without_quotes(said.text[: 4 * _LONGEST_EXCERPT], request))
    remedy = remedy_for(status, own)
    code = _own_code(remedy.status, said, secrets)
    told = _excerpt(said, code, secrets, request)
    text = f"{where}: {told}" if told else where
    if busy := _BUSY_WITH_MESSAGE.search(said.text) or _BUSY_WITH_RUN.search(said.text):
        return errors.ThreadBusyError(text, active_run_id=busy[2], summary=where)
    if status in {400, 409} and ("conversation_locked" in said.codes or _LOCKED.search(own.text)):
        return errors.ThreadBusyError(text, summary=where)
    text, summary = _with_advice(text, remedy.advice), _with_advice(where, remedy.advice)
    retry_after = retry_after_seconds(headers, said.text)
    match remedy.status:
        case 401:
            return errors.AuthenticationError(text, summary=summary)
        case 403:
            return errors.PermissionDeniedError(text, summary=summary)
        case 404 | 410:
            return errors.NotFoundError(text, names_it=_names_it(what, said), summary=summary)
        case 429:
            return errors.RateLimitedError(text, retry_after_seconds=retry_after, summary=summary)
        case 407:
            return errors.ProxyRefusedError(text, summary=summary)
        case refused if refused in _FOR_NOW:
            return errors.RefusedForNowError(text, retry_after_seconds=retry_after, summary=summary)
        case refused if refused in _UNAVAILABLE or refused >= 500:
            return errors.UnavailableError(text, retry_after_seconds=retry_after, summary=summary)
        case 400 if not said.structured:
            return errors.UnreadableRefusalError(text, summary=summary)
        case _:
            return _refusal(own, request)(text, code=code or ErrorCode.INVALID_REQUEST, summary=summary)


def _refusal(said: Said, request: Any) -> type[errors.InvalidInputError]:
    """Return which refusal it is, by its words (foundry-responses.md, sections 3.3 and 6)."""
    if _OPEN_CALL.search(said.text):
        return errors.OpenCallError
    if _UNKNOWN_CALL.search(said.text):
        return errors.UnknownCallError
    in_background = isinstance(request, dict) and request.get("background") is True
    if in_background and _ABOUT_BACKGROUND.search(said.text):
        return errors.BackgroundRefusedError
    return errors.InvalidInputError


def not_json(status: int, headers: Mapping[str, str], body: bytes, *, what: str) -> errors.BadResponseError:
    """Return the error of a success without a JSON object. A page says what it is: a sign-in, a notice of a proxy. Of
    all else nothing is quoted: it may be half of an answer.
    """
    said = said_by(body, headers)
    where = f"{what} answered {status} without a JSON object"
    if not said.html:
        return errors.BadResponseError(where)
    advice = remedy_for(403, said).advice
    return errors.BadResponseError(
        _with_advice(f"{where} but with a page: {_shortened(said.text)}", advice), summary=_with_advice(where, advice)
    )


def _own_code(status: int, said: Said, secrets: Sequence[str]) -> str | None:
    """Return the service's code where it stands for the error instead of ours."""
    if status in {401, 403, 404, 407, 410, 429} or status in _FOR_NOW | _UNAVAILABLE or status >= 500:
        return None
    return next((code for code in said.codes if code not in secrets), None)


def _excerpt(said: Said, code: str | None, secrets: Sequence[str], request: Any) -> str:
    """Return what was said, with the codes that stand nowhere else."""
    codes = [c for c in said.codes[:_MOST_CODES] if c != code and c not in said.text]
    told = ": ".join(part for part in (", ".join(codes), said.text) if part)
    return _shortened(without_quotes(_masked(told, secrets)[: 2 * _LONGEST_EXCERPT], request))


def _shortened(text: str) -> str:
    return text if len(text) <= _LONGEST_EXCERPT else f"{text[:_LONGEST_EXCERPT]}…"


def _masked(text: str, secrets: Sequence[str]) -> str:
    for secret in sorted(secrets, key=len, reverse=True):
        text = text.replace(secret, "<token>")
    return without_credentials(text)


def _with_advice(text: str, advice: str) -> str:
    return f"{text.rstrip('.')}. {advice}" if advice else text


def _to(headers: Mapping[str, str]) -> str:
    """Say where a redirect leads: the host, never path or query."""
    try:
        host = urlsplit(headers.get("location") or "").hostname or ""
    except ValueError:
        return ""
    return f" to {host}" if re.fullmatch(r"[a-z0-9.-]{1,253}", host) else ""


def _names_it(what: str, said: Said) -> bool:
    """Say whether the words tell that what the request's path names is gone. Its id in a path that they quote does not,
    nor do words about the project, or a gateway's page.
    """
    path = what.rpartition(" ")[2].split("/")
    ids = "|".join(re.escape(part) for part in path if part and part not in _COLLECTIONS)
    if said.html or not ids:
        return False
    named = rf"(?<![\w/.-])({ids})(?![\w/-])"
    return any(
        re.search(named, sentence)
        and re.search(_GONE, sentence, re.IGNORECASE)
        and not re.search(rf"\b{_OTHERS}(?:(?!{named}).){{0,80}}({_GONE})", sentence, re.IGNORECASE)
        for sentence in re.split(r"[.;] |[.;]?\Z", said.text)
    )


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
    if clock := _ON_THE_CLOCK.search(message):
        return float(clock[1]) * 3600 + float(clock[2]) * 60 + float(clock[3])
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
