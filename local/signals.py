"""How command-line programs end: cleaned up after SIGTERM as after Ctrl-C, and not without their children."""

from __future__ import annotations

import ctypes
import signal
import sys
from collections.abc import Callable
from types import FrameType

_PR_SET_PDEATHSIG = 1


def end_on_sigterm() -> None:
    """Make SIGTERM (and a closed terminal) raise `KeyboardInterrupt`."""
    signal.signal(signal.SIGTERM, _interrupt)
    if hasattr(signal, "SIGHUP"):
        signal.signal(signal.SIGHUP, _interrupt)


def _interrupt(_number: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt


def kill_with_parent() -> Callable[[], None] | None:
    """Return what a child does before it becomes another program, so that it ends with a parent that is killed.

    A killed parent cleans up nothing. Linux does it then; elsewhere there is no such call, and the child stays.
    """
    if sys.platform != "linux":
        return None
    prctl = ctypes.CDLL(None).prctl
    return lambda: prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
