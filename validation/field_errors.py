"""Everything that is wrong with what a caller sent, named at once."""

from __future__ import annotations

from contracts.codes import ErrorCode
from contracts.wire import Wire


class FieldError(Wire, frozen=True, kw_only=True):
    """One thing that is wrong with a request; `target` names the field."""

    code: str
    message: str
    target: str


_IN_OUR_WORDS = frozenset(
    {ErrorCode.REQUIRED, ErrorCode.NOT_ALLOWED, ErrorCode.TOO_LARGE, ErrorCode.BLANK, ErrorCode.INVALID_TYPE}
)
"""Codes whose messages say nothing that the caller has sent."""


class InvalidRequestError(ValueError):
    """A start request that does not fit; `details` names everything that is wrong with it."""

    def __init__(self, details: list[FieldError]) -> None:
        super().__init__("; ".join(f"{d.target}: {d.message}" for d in details))
        self.details = details

    @property
    def summary(self) -> str:
        """The same without the caller's own words: names of unknown fields, and values that do not fit."""
        ours = [f"{d.target}: {d.message}" for d in self.details if d.code in _IN_OUR_WORDS]
        unfit = [
            f"{d.target} does not fit" for d in self.details if d.code not in {*_IN_OUR_WORDS, ErrorCode.UNKNOWN_FIELD}
        ]
        unknown = sum(d.code == ErrorCode.UNKNOWN_FIELD for d in self.details)
        return "; ".join(ours + unfit + ([f"unknown fields: {unknown}"] if unknown else []))
