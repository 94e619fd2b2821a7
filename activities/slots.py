"""Who in this worker may do at once what keeps an activity open: a share of those that it may have, so that new runs
never wait for those who wait.
"""

from __future__ import annotations


class Slots:
    """Who may at once. Used on one loop only."""

    def __init__(self, most: int) -> None:
        self._free = most

    def take(self) -> bool:
        """Take a slot, if there is one."""
        if self._free <= 0:
            return False
        self._free -= 1
        return True

    def give_back(self) -> None:
        """Give a slot back."""
        self._free += 1
