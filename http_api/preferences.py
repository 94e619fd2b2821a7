"""The `Prefer` header (RFC 7240). Pure."""

from __future__ import annotations

import re

LONGEST_WAIT_SECONDS = 200
"""Azure's load balancer drops a request after 230 seconds."""

_NAME = r"[!#$%&'*+.^_`|~0-9A-Za-z-]++"
_STRING = r'"(?:[^"\\]|\\.)*+"'
_ELEMENT = re.compile(r'(?:[^",]|"(?:[^"\\]|\\.?)*+"?)+', re.DOTALL)
"""What stands between two commas, of which those in quotes do not count; a quote that is left open goes to the end."""
_PREFERENCE = re.compile(rf"[ \t]*({_NAME})[ \t]*(?:=[ \t]*({_NAME}|{_STRING})[ \t]*(?:;|\Z))?", re.DOTALL)
"""A name and its value. What parameters follow does not matter."""


def wait_seconds(prefer: str | None) -> int:
    """Return how long the caller wants to wait for the end, at most 200 seconds; 0 where it does not say.

    A preference that cannot be understood is ignored, and of one given twice the first counts, as the RFC wants it.
    """
    for element in _ELEMENT.findall(prefer or ""):
        preference = _PREFERENCE.match(element)
        if preference and preference[1].lower() == "wait":
            return _seconds(preference[2] or "")
    return 0


def _seconds(value: str) -> int:
    if value.startswith('"'):
        value = re.sub(r"\\(.)", r"\1", value[1:-1], flags=re.DOTALL)
    if not re.fullmatch("[0-9]+", value):
        return 0
    # Python does not read numbers of thousands of digits. Six are more than anybody is given.
    return min(int(value.lstrip("0")[:6] or "0"), LONGEST_WAIT_SECONDS)
