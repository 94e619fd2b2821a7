"""What a run has used, which each generation tells under names of its own. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from contracts.runs import Tokens
from foundry.fields import obj
from foundry.harmless import numbers


def tokens_of(usage: Any, given: str, written: str, details: Sequence[str]) -> Tokens | None:
    """Return the tokens: those of the input are called `given`, those of the output `written`. Details of the input
    come under one of these names, and one that is not meant may be null.
    """
    found = numbers(usage)
    if not found:
        return None
    of_input = next(filter(None, (numbers(obj(usage).get(name)) for name in details)), {})
    told = (found.get(given), found.get(written), found.get("total_tokens"), of_input.get("cached_tokens"))
    sent, answered, total, cached = (value if isinstance(value, int) else None for value in told)
    return Tokens(input=sent, output=answered, total=total, cached=cached)
