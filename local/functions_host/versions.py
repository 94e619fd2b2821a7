"""Which instances this host may run: `defaultVersion`, `versionMatchStrategy` and `versionFailureStrategy`."""

from __future__ import annotations

import re
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class VersionRule:
    """The host's version and what fits it: `None` (everything), `Strict` or `CurrentOrOlder`."""

    current: str | None = None
    match: str = "None"
    failure: str = "Reject"

    def fits(self, version: str | None) -> bool:
        """Whether an instance of this version may run here."""
        match self.match.lower():
            case "strict":
                return _parts(version) == _parts(self.current)
            case "currentorolder":
                return _parts(version) <= _parts(self.current)
            case _:
                return True

    @property
    def rejects(self) -> bool:
        """Whether a misfit waits for another host instead of failing."""
        return self.failure.lower() != "fail"


def _parts(version: str | None) -> list[tuple[int, str]]:
    """Compare versions part by part, numbers as numbers, without trailing zeros: `1` is `1.0`."""
    parts = [(int(p), "") if p.isdigit() else (0, p) for p in re.split(r"[.\-+]", version or "") if p]
    while parts and parts[-1] == (0, ""):
        parts.pop()
    return parts
