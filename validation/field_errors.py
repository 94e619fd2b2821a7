"""Everything that is wrong with what a caller sent, named at once."""

from __future__ import annotations

from collections.abc import Sequence

from contracts.codes import ErrorCode
from contracts.wire import Wire

MOST_NAMED = 20
"""So many fields of one kind are named at most; an attacker may send any number."""

_LONGEST_TEXT = 500
_LONGEST_NAME = 100


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
        super().__init__(_in_one_text(details))
        self.details = details

    @property
    def summary(self) -> str:
        """The same without the caller's own words: names of unknown fields, and values that do not fit."""
        ours = [f"{d.target}: {d.message}" for d in self.details if d.code in _IN_OUR_WORDS]
        unfit = [
            f"{d.target} does not fit" for d in self.details if d.code not in {*_IN_OUR_WORDS, ErrorCode.UNKNOWN_FIELD}
        ]
        unknown = sum(d.code == ErrorCode.UNKNOWN_FIELD for d in self.details)
        count = unknown if unknown <= MOST_NAMED else f"more than {MOST_NAMED}"
        return cut("; ".join(ours + unfit + ([f"unknown fields: {count}"] if unknown else [])), _LONGEST_TEXT)


def _in_one_text(details: Sequence[FieldError]) -> str:
    """Return as much of it as there is room for, then the names of the other fields."""
    said = [f"{d.target}: {d.message}" for d in details]
    text = "; ".join(said)
    for whole in reversed(range(len(said))):
        if len(text) <= _LONGEST_TEXT:
            break
        others = ", ".join(dict.fromkeys(d.target for d in details[whole:]))
        text = "; ".join([*said[:whole], f"also wrong: {others}"])
    return cut(text, _LONGEST_TEXT)


def shown_name(name: object) -> str:
    """Return a caller's own name as a message may hold it: not endless, and of whole characters."""
    return cut(str(name)[: _LONGEST_NAME + 1].encode("utf-8", "replace").decode(), _LONGEST_NAME)


def cut(text: str, most: int) -> str:
    """Return the text in at most so many characters, cut behind a word where it has some."""
    if len(text) <= most:
        return text
    head = text[: most - 1]
    words = head.rpartition(" ")[0]
    return (words if len(words) >= most // 2 else head).rstrip(" ,;:.") + "…"
