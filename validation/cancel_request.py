"""Validates a request to cancel, as the route takes it and as the event brings it."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from typing import Any

import msgspec

from contracts.codes import ErrorCode
from contracts.request import MAX_REASON_CHARACTERS
from validation.field_errors import FieldError
from validation.fitness import unfit


def cancel_errors(given: Mapping[str, Any]) -> list[FieldError]:
    """Return everything that is wrong with the body of a cancel."""
    errors = [
        FieldError(code=ErrorCode.UNKNOWN_FIELD, message="is not a field; known fields: reason", target=name[:200])
        for name in given
        if name != "reason"
    ]
    reason = given.get("reason")
    if reason is not None and (
        not isinstance(reason, str) or len(reason) > MAX_REASON_CHARACTERS or unfit(reason, "reason")
    ):
        message = f"must be a text of at most {MAX_REASON_CHARACTERS} characters"
        errors.append(FieldError(code=ErrorCode.INVALID, message=message, target="reason"))
    return errors


def read_cancel_reason(payload: Any) -> str | None:
    """Return the reason that the event `cancel` brought, in one line; None where it brought none. Whoever raises the
    event himself may send anything: a cancel it is all the same.
    """
    if isinstance(payload, str):
        with contextlib.suppress(msgspec.DecodeError, RecursionError, UnicodeEncodeError):
            payload = msgspec.json.decode(payload)
    reason = payload.get("reason") if isinstance(payload, Mapping) else None
    if not isinstance(reason, str) or cancel_errors({"reason": reason}):
        return None
    return " ".join(reason.split()) or None
