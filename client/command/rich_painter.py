"""Progress and tables on a terminal, by `rich`. Texts are never read as its markup."""

from __future__ import annotations

from collections.abc import Sequence
from types import TracebackType
from typing import Self, TextIO

from rich import box
from rich.console import Console
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.table import Table
from rich.text import Text

_COLOURS = {"Success": "green", "Failed": "red", "Cancelled": "yellow", "Running": "cyan", "Cancelling": "yellow"}


class RichPainter:
    """Draws on one terminal."""

    def __init__(self, stream: TextIO) -> None:
        self._console = Console(file=stream, highlight=False)

    def progress(self) -> RichTicker:
        """Return a line with a clock."""
        return RichTicker(self._console)

    def table(self, columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
        """Draw a table; the first column, which is copied, is never cut."""
        table = Table(box=box.SIMPLE_HEAD)
        for number, column in enumerate(columns):
            table.add_column(column, no_wrap=number < len(columns) - 1, overflow="ellipsis" if number else "fold")
        for row in rows:
            table.add_row(*(Text(cell, _COLOURS.get(cell, "")) for cell in row))
        self._console.print(table)


class RichTicker:
    """A line that ticks below those that are printed; it is gone at the end."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._progress = Progress(
            SpinnerColumn(),
            TimeElapsedColumn(),
            TextColumn("{task.description}", markup=False),
            console=console,
            transient=True,
            redirect_stdout=False,
            redirect_stderr=False,
        )
        self._task = self._progress.add_task("", total=None)

    def __enter__(self) -> Self:
        self._progress.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._progress.stop()

    def now(self, text: str) -> None:
        """Change the line that ticks."""
        self._progress.update(self._task, description=text)

    def line(self, text: str) -> None:
        """Print a line above it."""
        colours = (colour for status, colour in _COLOURS.items() if f"  {status}" in text)
        self._console.print(Text(text, next(colours, "")), soft_wrap=True)
