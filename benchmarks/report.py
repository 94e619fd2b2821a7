"""What a figure found: a table, checks against its goals, notes, curves. As text and as JSON; `svg` draws."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import msgspec

Cell = str | int | float | None


@dataclass(frozen=True)
class Check:
    """One goal, and what was measured. `least` turns the limit into a lower one."""

    what: str
    value: float
    limit: float
    unit: str = ""
    least: bool = False

    @property
    def is_met(self) -> bool:
        """Whether the goal is reached."""
        return self.value >= self.limit if self.least else self.value <= self.limit

    def to_json(self) -> dict[str, Any]:
        """Show it as JSON types."""
        bound = "at least" if self.least else "at most"
        return {
            "what": self.what, "value": _rounded(self.value), bound: self.limit, "unit": self.unit, "met": self.is_met,
        }  # fmt: skip


@dataclass(frozen=True)
class Table:
    """Rows under columns."""

    columns: Sequence[str]
    rows: Sequence[Sequence[Cell]]

    def to_text(self) -> str:
        """Write it as Markdown, columns aligned."""
        lines = [list(self.columns), *([shown(cell) for cell in row] for row in self.rows)]
        widths = [max(len(line[i]) for line in lines) for i in range(len(self.columns))]
        texts = [
            "| " + " | ".join(cell.ljust(w) for cell, w in zip(line, widths, strict=True)) + " |" for line in lines
        ]
        rule = "|" + "|".join("-" * (w + 2) for w in widths) + "|"
        return "\n".join([texts[0], rule, *texts[1:]])

    def to_json(self) -> dict[str, Any]:
        """Show it as JSON types."""
        return {
            "columns": list(self.columns),
            "rows": [[_rounded(c) if isinstance(c, float) else c for c in row] for row in self.rows],
        }


@dataclass(frozen=True)
class Line:
    """A named curve."""

    name: str
    points: Sequence[tuple[float, float]]


@dataclass(frozen=True)
class Chart:
    """Curves over two axes, either of which may be logarithmic (then all its values must be above zero)."""

    title: str
    x_label: str
    y_label: str
    lines: Sequence[Line]
    log_x: bool = False
    log_y: bool = False

    def to_json(self) -> dict[str, Any]:
        """Show it as JSON types."""
        rounded = [Line(line.name, [(_rounded(x), _rounded(y)) for x, y in line.points]) for line in self.lines]
        shown: dict[str, Any] = msgspec.to_builtins(replace(self, lines=rounded))
        return shown

    @classmethod
    def from_json(cls, value: Any) -> Chart:
        """Read what `to_json` shows."""
        return msgspec.convert(value, cls)


@dataclass(frozen=True)
class Figure:
    """What one module of `figures` found. `data` holds what a reader may want to work with further."""

    title: str
    table: Table
    checks: Sequence[Check] = ()
    notes: Sequence[str] = ()
    data: dict[str, Any] = field(default_factory=dict)
    charts: dict[str, Chart] = field(default_factory=dict)

    def to_text(self) -> str:
        """Write title, table, goals and notes as Markdown."""
        parts = [f"## {self.title}", self.table.to_text()]
        if self.checks:
            parts.append("\n".join(_goal(check) for check in self.checks))
        if self.notes:
            parts.append("\n".join(f"- {note}" for note in self.notes))
        return "\n\n".join(parts) + "\n"

    def to_json(self) -> dict[str, Any]:
        """Show it as JSON types."""
        return {
            "title": self.title,
            "table": self.table.to_json(),
            "checks": [check.to_json() for check in self.checks],
            "notes": list(self.notes),
            "data": self.data,
            "charts": {name: chart.to_json() for name, chart in sorted(self.charts.items())},
        }


def shown(cell: Cell) -> str:
    """Write a cell: three significant digits for a fraction, thousands marked, a dash for nothing."""
    if cell is None:
        return "-"
    if isinstance(cell, str):
        return cell
    if isinstance(cell, int) or abs(cell) >= 1000:
        return f"{round(cell):,}"
    return f"{cell:.3g}"


def _goal(check: Check) -> str:
    unit = f" {check.unit}" if check.unit else ""
    bound = "at least" if check.least else "at most"
    verdict = "met" if check.is_met else "**not met**"
    return f"- Goal: {check.what} {bound} {shown(check.limit)}{unit}. Measured {shown(check.value)}{unit}: {verdict}."


def _rounded(value: float) -> float | int:
    if isinstance(value, int) or value == 0 or not math.isfinite(value):
        return value
    return round(value, max(0, 5 - math.floor(math.log10(abs(value)))))
