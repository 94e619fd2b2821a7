"""How command-line programs end: cleaned up after SIGTERM as after Ctrl-C, and not without their children."""

from __future__ import annotations

import ctypes
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

_INTERRUPTS = [signal.SIGINT, signal.SIGTERM, *([signal.SIGHUP] if hasattr(signal, "SIGHUP") else [])]
_PR_SET_PDEATHSIG = 1


def end_on_sigterm() -> None:
    """Make SIGTERM (and a closed terminal) raise `KeyboardInterrupt`, as SIGINT does."""
    for number in _INTERRUPTS[1:]:
        signal.signal(number, _interrupt)


def _interrupt(_number: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt


@contextmanager
def interrupts_held_back() -> Iterator[None]:
    """Let signals that raise wait until the end of the block.

    Around what makes a child and notes it: raised between the two, an interrupt would leave the child to nobody, and
    raised within a fork it would be lost, as Python passes over errors there.
    """
    came: list[tuple[int, FrameType | None]] = []
    handlers = {number: signal.getsignal(number) for number in _INTERRUPTS}
    raising = {number: handler for number, handler in handlers.items() if callable(handler)}
    for number in raising:
        signal.signal(number, lambda *what: came.append(what))
    try:
        yield
    finally:
        for number, handler in raising.items():
            signal.signal(number, handler)
    for which, frame in came[:1]:
        raising[signal.Signals(which)](which, frame)


def kill_with_parent() -> Callable[[], None] | None:
    """Return what a child does before it becomes another program, so that it ends with a parent that is killed.

    A killed parent cleans up nothing. Linux does it then; elsewhere there is no such call, and the child stays.
    """
    if sys.platform != "linux":
        return None
    prctl = ctypes.CDLL(None).prctl
    return lambda: prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
