"""Line charts as SVG text, without a plotting library. Pure: the same chart gives the same text."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

WIDTH, HEIGHT = 760, 420
_LEFT, _RIGHT, _TOP, _BOTTOM = 70, 20, 46, 92
_COLOURS = ("#0b62a4", "#c2410c", "#15803d", "#7e22ce", "#525252", "#a16207")
_DASHES = ("", "7 4", "2 3", "9 3 2 3", "4 4", "1 4")


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

    def to_svg(self) -> str:
        """Draw it."""
        xs = [x for line in self.lines for x, _ in line.points]
        ys = [y for line in self.lines for _, y in line.points]
        if not xs:
            raise ValueError("a chart needs points")
        x_axis = Axis.over(xs, _LEFT, WIDTH - _RIGHT, logarithmic=self.log_x)
        y_axis = Axis.over(ys, HEIGHT - _BOTTOM, _TOP, logarithmic=self.log_y)
        parts = [
            (
                f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" role="img" '
                'font-family="system-ui, sans-serif" font-size="12">'
            ),
            f"<title>{escape(self.title)}</title>",
            f'<rect width="{WIDTH}" height="{HEIGHT}" fill="#fff"/>',
            _text(WIDTH / 2, 24, self.title, anchor="middle", size=15),
            *_grid(x_axis, y_axis),
            _text((_LEFT + WIDTH - _RIGHT) / 2, HEIGHT - _BOTTOM + 38, self.x_label, anchor="middle"),
            _text(18, (_TOP + HEIGHT - _BOTTOM) / 2, self.y_label, anchor="middle", turned=True),
        ]
        for number, line in enumerate(self.lines):
            parts += _curve(number, line, x_axis, y_axis)
        return "\n".join([*parts, "</svg>", ""])


@dataclass(frozen=True)
class Axis:
    """Maps values from `low` to `high` onto pixels."""

    low: float
    high: float
    start: float
    end: float
    logarithmic: bool

    @classmethod
    def over(cls, values: Sequence[float], start: float, end: float, *, logarithmic: bool) -> Axis:
        """Make an axis that shows all values; a linear one begins at zero unless values lie below."""
        low, high = min(values), max(values)
        if logarithmic:
            if low <= 0:
                raise ValueError("a logarithmic axis has no place for zero")
            return cls(low, high if high > low else low * 10, start, end, logarithmic)
        low = min(0.0, low)
        return cls(low, high if high > low else low + 1, start, end, logarithmic)

    def place(self, value: float) -> float:
        """Return the pixel of a value."""
        if self.logarithmic:
            share = math.log(value / self.low) / math.log(self.high / self.low)
        else:
            share = (value - self.low) / (self.high - self.low)
        return self.start + share * (self.end - self.start)

    def ticks(self) -> list[float]:
        """Return about five round values within the axis."""
        if self.logarithmic:
            decades = range(math.floor(math.log10(self.low)), math.ceil(math.log10(self.high)) + 1)
            steps = (1, 2, 5) if len(decades) < 5 else (1,)
            return [s * 10.0**d for d in decades for s in steps if self.low <= s * 10.0**d <= self.high * 1.0001]
        step = round_step((self.high - self.low) / 5)
        first = math.ceil(self.low / step)
        return [i * step for i in range(first, math.floor(self.high / step * 1.0001) + 1)]


def round_step(width: float) -> float:
    """Return the smallest of 1, 2, 5 times a power of ten that is not below `width`."""
    power = 10.0 ** math.floor(math.log10(width))
    return next(factor * power for factor in (1, 2, 5, 10) if factor * power >= width * 0.9999)


def _grid(x_axis: Axis, y_axis: Axis) -> list[str]:
    parts = []
    for value in x_axis.ticks():
        x = x_axis.place(value)
        parts.append(_rule(x, y_axis.start, x, y_axis.end))
        parts.append(_text(x, y_axis.start + 17, f"{value:g}", anchor="middle"))
    for value in y_axis.ticks():
        y = y_axis.place(value)
        parts.append(_rule(x_axis.start, y, x_axis.end, y))
        parts.append(_text(x_axis.start - 8, y + 4, f"{value:g}", anchor="end"))
    return parts


def _curve(number: int, line: Line, x_axis: Axis, y_axis: Axis) -> list[str]:
    colour, dash = _COLOURS[number % len(_COLOURS)], _DASHES[number % len(_DASHES)]
    stroke = f'stroke="{colour}" stroke-width="1.8"' + (f' stroke-dasharray="{dash}"' if dash else "")
    path = " ".join(f"{x_axis.place(x):.1f},{y_axis.place(y):.1f}" for x, y in line.points)
    column, row = number % 3, number // 3
    left, y = _LEFT + column * 225, HEIGHT - 30 + row * 18
    return [
        f'<polyline fill="none" {stroke} points="{path}"/>',
        f'<line x1="{left}" y1="{y - 4}" x2="{left + 26}" y2="{y - 4}" {stroke}/>',
        _text(left + 32, y, line.name),
    ]


def _rule(x1: float, y1: float, x2: float, y2: float) -> str:
    return f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" stroke="#ddd"/>'


def _text(x: float, y: float, text: str, *, anchor: str = "start", size: int = 12, turned: bool = False) -> str:
    turn = f' transform="rotate(-90 {x:.0f} {y:.0f})"' if turned else ""
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" font-size="{size}"{turn}>{escape(text)}</text>'
