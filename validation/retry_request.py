"""Validates a request to repeat a run."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from contracts.codes import ErrorCode
from contracts.request import RetryRequest
from contracts.wire import from_wire
from validation.field_errors import MOST_NAMED, FieldError, InvalidRequestError, shown_name
from validation.misfits import misfits
from validation.near_names import no_field
from validation.start_request import with_whole_numbers


def parse_retry(body: Mapping[str, Any]) -> RetryRequest:
    """Return the request, or raise `InvalidRequestError` that names every bad field at once."""
    known = RetryRequest.__struct_fields__
    fields = with_whole_numbers({name: value for name, value in body.items() if name in known})
    errors = [
        FieldError(code=ErrorCode.UNKNOWN_FIELD, message=no_field(name, known), target=shown_name(name))
        for name in body
        if name not in known
    ]
    try:
        request = from_wire(RetryRequest, fields)
    except msgspec.ValidationError:
        errors += misfits(RetryRequest, fields, "")
    if errors:
        raise InvalidRequestError(sorted(errors[:MOST_NAMED], key=lambda e: e.target))
    return request
