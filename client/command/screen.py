"""What is printed where: texts and tables on standard output, progress and trouble on standard error.

A text that goes to a terminal is made harmless; one that goes to a file or a pipe is written as it is. With `rich` (the
extra `terminal`) a terminal shows a clock and tables with rules; elsewhere there are plain lines.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any, Protocol, TextIO

from ..harmless_text import harmless


class Painter(Protocol):
    """Draws on a terminal."""

    def progress(self) -> AbstractContextManager[Ticker]:
        """Return a line that changes, and is gone at the end."""

    def table(self, columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
        """Draw a table."""


class Ticker(Protocol):
    """A line that changes, above which others are printed."""

    def now(self, text: str) -> None:
        """Change the line."""

    def line(self, text: str) -> None:
        """Print another one above it."""


class Screen:
    """The two streams of the command."""

    def __init__(self, program: str, out: TextIO | None = None, err: TextIO | None = None) -> None:
        self.program = program
        self._out = out or sys.stdout
        self._err = err or sys.stderr
        self._ticker: Ticker | None = None
        for stream in (self._out, self._err):
            if reconfigure := getattr(stream, "reconfigure", None):
                reconfigure(errors="backslashreplace")  # half a surrogate pair, or a letter that the code page lacks

    def text(self, text: str) -> None:
        """Print what a run has answered, and a line break where it has none at its end."""
        shown = harmless(text) if self._out.isatty() else text
        self._out.write(shown if shown.endswith("\n") else f"{shown}\n")
        self._out.flush()

    def document(self, document: Mapping[str, Any], *, in_one_line: bool = False) -> None:
        """Print JSON, which other programs read."""
        self.text(json.dumps(document, ensure_ascii=False, indent=None if in_one_line else 2))

    def line(self, text: str) -> None:
        """Print a line that is harmless already."""
        print(text, file=self._out, flush=True)

    def table(self, columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
        """Print a table; its cells are harmless already. A program that reads it finds tabs and no head."""
        if not self._out.isatty():
            for row in rows:
                self.line("\t".join(row))
        elif painter := _painter(self._out):
            painter.table(columns, rows)
        else:
            widths = [max(map(len, column)) for column in zip(columns, *rows, strict=True)]
            for row in (columns, *rows):
                self.line("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())

    def say(self, text: str) -> None:
        """Print a line of progress or trouble. What others wrote in it is harmless already."""
        self._progress(f"{self.program}: {text}")

    @contextmanager
    def watching(self) -> Iterator[Callable[[str], None]]:
        """Give what shows how a run goes on: a line for each change, with the time since the beginning."""
        began = time.monotonic()
        shown = ""

        def show(text: str) -> None:
            nonlocal shown
            if text != shown:
                shown = text
                self._progress(f"{time.monotonic() - began:7.1f} s  {text}")
            if self._ticker:
                self._ticker.now(text)

        painter = _painter(self._err) if self._err.isatty() else None
        with painter.progress() if painter else nullcontext() as ticker:
            self._ticker = ticker
            try:
                yield show
            finally:
                self._ticker = None

    def _progress(self, line: str) -> None:
        if self._ticker:
            self._ticker.line(line)
        else:
            print(line, file=self._err, flush=True)


def _painter(stream: TextIO) -> Painter | None:
    """Return what draws on this terminal; None where it cannot, or `rich` is not installed."""
    if os.environ.get("NO_COLOR") or os.environ.get("TERM") == "dumb":
        return None
    try:
        from .rich_painter import RichPainter  # noqa: PLC0415 - an extra, and slow to import
    except ModuleNotFoundError as error:
        if error.name != "rich":
            raise
        return None
    return RichPainter(stream)
