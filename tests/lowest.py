"""Prints the oldest packages that requirements.txt admits, and what its unit tests need: `make test-lowest`.

`python tests/lowest.py` needs no package. The tools come as requirements-dev.txt has them.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
TOOLS = {"hypothesis", "pytest", "pytest-timeout", "pytest-xdist"}
_BOUND = re.compile(r"(?P<name>[A-Za-z0-9._-]+)>=(?P<lowest>[0-9.]+)(?:,<[0-9.]+)?(?P<marker>\s*;.*)?")


def lowest(text: str) -> list[str]:
    """Pin every requirement to its lower bound; raises ValueError for one without."""
    return [_pinned(line) for line in _requirements(text)]


def tools(text: str) -> list[str]:
    """Pick the tools' requirements."""
    return [line for line in _requirements(text) if re.split(r"[<>=]", line)[0] in TOOLS]


def _requirements(text: str) -> list[str]:
    lines = (re.sub(r"(^|\s)#.*", "", line).strip() for line in text.splitlines())
    return [line for line in lines if line and not line.startswith("-")]


def _pinned(requirement: str) -> str:
    match = _BOUND.fullmatch(requirement)
    if match is None:
        raise ValueError(f"the requirement {requirement!r} has no lower bound: write name>=1.2,<3")
    return f"{match['name']}=={match['lowest']}{match['marker'] or ''}"


if __name__ == "__main__":
    deployed, development = (ROOT / name for name in ("requirements.txt", "requirements-dev.txt"))
    sys.stdout.write("\n".join([*lowest(deployed.read_text("utf-8")), *tools(development.read_text("utf-8")), ""]))
