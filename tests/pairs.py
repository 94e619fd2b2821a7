"""Combinations of values in which every two of them meet."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from typing import Any

Values = Mapping[str, Sequence[Any]]
Chosen = dict[str, Any]


def pairs(values: Values) -> list[Chosen]:
    """Return combinations in which every two values of different names meet: greedily, the same each time."""
    names = list(values)
    left = {
        ((a, x), (b, y)) for a, b in itertools.combinations(names, 2) for x in values[a] for y in values[b]
    }  # in the order of `names`
    found = []
    while left:
        (a, x), (b, y) = min(left, key=repr)
        chosen = {a: x, b: y}
        for name in names:
            if name not in chosen:
                chosen[name] = max(values[name], key=lambda value, name=name: _met(names, name, value, chosen, left))
        left -= {
            pair_of(names, one, chosen[one], other, chosen[other]) for one, other in itertools.combinations(names, 2)
        }
        found.append(chosen)
    return found


def _met(names: Sequence[str], name: str, value: Any, chosen: Chosen, left: set[Any]) -> int:
    """Return how many pairs that have not met yet would meet with this value."""
    return sum(pair_of(names, name, value, other, chosen[other]) in left for other in chosen)


def pair_of(names: Sequence[str], a: str, x: Any, b: str, y: Any) -> tuple[tuple[str, Any], tuple[str, Any]]:
    """Return two names with their values, in the order of `names`."""
    return ((a, x), (b, y)) if names.index(a) < names.index(b) else ((b, y), (a, x))
