"""`latest.json`: what was measured, with every curve, so that all that is published can be made anew from it."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

RESULTS = Path(__file__).parent / "results"
"""What is published."""

_NUMBERS = re.compile(r"\[\n[-+.\deE,\s]+\]")


def write(folder: Path, document: dict[str, Any]) -> None:
    """Write the document, a list of numbers on one line."""
    text = json.dumps(document, indent=1, ensure_ascii=False)
    short = _NUMBERS.sub(lambda found: f"[{' '.join(found[0][1:-1].split())}]", text)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "latest.json").write_text(f"{short}\n", encoding="utf-8")


def read(folder: Path) -> dict[str, Any]:
    """Read what `write` wrote."""
    document: dict[str, Any] = json.loads((folder / "latest.json").read_text(encoding="utf-8"))
    return document
