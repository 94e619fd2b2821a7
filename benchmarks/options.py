"""What every figure is told."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

T = TypeVar("T")


@dataclass(frozen=True)
class Options:
    """`quick` asks for a fraction of the work; `say` prints progress; `seed` makes every random choice. `before` is a
    checkout of an earlier commit, which some figures measure, too.
    """

    quick: bool
    seed: int
    say: Callable[[str], None]
    before: Path | None = None

    def pick(self, quick: T, full: T) -> T:
        """Return the one that applies."""
        return quick if self.quick else full

    def random(self, name: str) -> random.Random:
        """Return the random numbers of one figure, the same whichever others run."""
        return random.Random(f"{self.seed}:{name}")
