"""Watches the app's files and says when one has changed."""

from __future__ import annotations

import asyncio
from pathlib import Path

_SKIPPED = {"__pycache__", "node_modules", "site-packages"}


def snapshot(app_root: Path) -> dict[Path, int]:
    """Modification times of what the real host watches: Python files and host.json, local settings too."""
    found: dict[Path, int] = {}
    for path in [*app_root.rglob("*.py"), app_root / "host.json", app_root / "local.settings.json"]:
        parts = path.relative_to(app_root).parts
        if any(p in _SKIPPED or p.startswith(".") for p in parts):
            continue
        try:
            found[path] = path.stat().st_mtime_ns
        except FileNotFoundError:
            continue  # gone between listing and looking, or never there: that is a state too
    return found


async def changed(app_root: Path, before: dict[Path, int], interval: float = 0.5) -> Path:
    """Wait until a file is not as it was in the snapshot `before`; returns it."""
    while True:
        await asyncio.sleep(interval)
        now = await asyncio.to_thread(snapshot, app_root)
        difference = dict(before.items() ^ now.items())
        if difference:
            return min(difference)
