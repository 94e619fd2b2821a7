"""The query parameters that say how to answer, and are no fields of a request. Pure.

Names count regardless of case, as the platform merges them (functions-host.md, section 1).
"""

from __future__ import annotations

from collections.abc import Mapping

from contracts.codes import ErrorCode
from http_api.answers import invalid_request
from http_api.links import FAILURE_IS_500
from validation.field_errors import MOST_NAMED, FieldError, shown_name

PLATFORM_PARAMETERS = ("code", "clientId")
"""The key, and the name that it has."""

VERSION_PARAMETER = "version"
OPENAPI_VERSIONS = {"3.1": "3.1.0", "3.1.0": "3.1.0", "3.0": "3.0.3", "3.0.3": "3.0.3"}
"""What may be asked for, the first one where nothing is, and which version of OpenAPI that is."""


def parameter(query: Mapping[str, str], name: str) -> str | None:
    """Return the value of a parameter; None where it is not given. The platform drops empty ones."""
    return next((value for given, value in query.items() if given.lower() == name.lower() and value), None)


def failure_is_500(query: Mapping[str, str]) -> bool:
    """Say whether the caller wants a failed run to be a 500; raise a 400 where its word is neither true nor false."""
    word = (parameter(query, FAILURE_IS_500) or "false").strip().lower()
    if word not in ("true", "false"):
        raise invalid_request(
            [FieldError(code=ErrorCode.INVALID, message="must be true or false, given once", target=FAILURE_IS_500)]
        )
    return word == "true"


def openapi_version(query: Mapping[str, str]) -> str:
    """Return the whole version that is asked for; raise a 400 where there is no such document."""
    asked = parameter(query, VERSION_PARAMETER) or next(iter(OPENAPI_VERSIONS))
    if asked not in OPENAPI_VERSIONS:
        message = f"must be one of {', '.join(OPENAPI_VERSIONS)}"
        raise invalid_request([FieldError(code=ErrorCode.INVALID, message=message, target=VERSION_PARAMETER)])
    return OPENAPI_VERSIONS[asked]


def refuse_others(query: Mapping[str, str], *known: str) -> None:
    """Raise a 400 where there are parameters but the known ones, and the platform's."""
    names = {name.lower() for name in (*known, *PLATFORM_PARAMETERS)}
    knows = f"it knows {', '.join(known)}, and the platform" if known else "it knows none, but the platform"
    message = f"is not a query parameter of this route: {knows} {_listed()}"
    unknown = [
        FieldError(code=ErrorCode.UNKNOWN_FIELD, message=message, target=shown_name(name))
        for name in query
        if name.lower() not in names
    ]
    if unknown:
        raise invalid_request(unknown[:MOST_NAMED])


def _listed() -> str:
    return " and ".join(PLATFORM_PARAMETERS)
