"""Lets SIGTERM end a command-line program as Ctrl-C does, so that it cleans up in both cases."""

from __future__ import annotations

import signal
from types import FrameType


def end_on_sigterm() -> None:
    """Make SIGTERM (and a closed terminal) raise `KeyboardInterrupt`."""
    signal.signal(signal.SIGTERM, _interrupt)
    if hasattr(signal, "SIGHUP"):
        signal.signal(signal.SIGHUP, _interrupt)


def _interrupt(_number: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt
