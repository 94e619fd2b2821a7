"""Line charts as SVG. The same chart gives the same text, byte by byte, with one version of matplotlib.

Texts stay texts: they diff by the word. matplotlib is imported where it draws, so that all that only measures or tests
runs without it; it is in requirements.txt beside this file.
"""

from __future__ import annotations

import io
from itertools import cycle
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks.report import Chart

if TYPE_CHECKING:
    from matplotlib.axis import Axis

_SIZE = (7.6, 4.2)  # inches
_FRAME = (0.1, 0.25, 0.86, 0.65)  # left, bottom, width and height of the axes, as shares of the size
_COLOURS = ("#0b62a4", "#c2410c", "#15803d", "#7e22ce", "#525252", "#a16207")
_DASHES = ("-", (0, (4, 2)), (0, (1, 1.5)), (0, (5, 1.5, 1, 1.5)), (0, (2, 2)), (0, (1, 3)))
_STYLE = {
    "svg.fonttype": "none",
    "svg.hashsalt": "benchmarks",  # ids are random without one
    "font.family": "sans-serif",
    "font.sans-serif": ["DejaVu Sans", "Verdana"],  # the first comes with matplotlib; the second is as wide
    "font.size": 9,
    "axes.titlesize": 11,
    "axes.grid": True,
    "axes.xmargin": 0,
    "grid.color": "#dddddd",
    "lines.linewidth": 1.4,
    "xtick.major.size": 0,
    "ytick.major.size": 0,
    **{f"axes.spines.{side}": False for side in ("left", "right", "top", "bottom")},
}


def draw(document: dict[str, Any], folder: Path) -> None:
    """Write a plot into the folder for every chart of a document as `latest.json` has it."""
    for figure in document["figures"].values():
        for name, chart in figure["charts"].items():
            (folder / f"{name}.svg").write_text(svg_of(Chart.from_json(chart)), encoding="utf-8")


def svg_of(chart: Chart) -> str:
    """Draw the chart."""
    from matplotlib import style  # noqa: PLC0415 - see the module's docstring
    from matplotlib.figure import Figure  # noqa: PLC0415

    _refuse_what_would_not_be_seen(chart)
    with style.context(["default", _STYLE]):
        figure = Figure(figsize=_SIZE)
        axes = figure.add_axes(_FRAME, title=chart.title, xlabel=chart.x_label, ylabel=chart.y_label)
        styles = zip(chart.lines, cycle(_COLOURS), cycle(_DASHES), strict=False)
        for number, (line, colour, dash) in enumerate(styles):
            (curve,) = axes.plot(
                *zip(*line.points, strict=True), label=line.name, color=colour, ls=dash, gid=f"line_{number}"
            )
            curve.sticky_edges.y.append(0)  # no margin below zero
        axes.set(xscale="log" if chart.log_x else "linear", yscale="log" if chart.log_y else "linear")
        axes.update_datalim([(0, 0)], updatex=not chart.log_x, updatey=not chart.log_y)
        axes.autoscale_view()
        for axis in (axes.xaxis, axes.yaxis):
            _number(axis)
        axes.yaxis.set_label_coords(-0.085, 0.5)  # where the longest numbers leave room
        figure.legend(loc="upper left", bbox_to_anchor=(_FRAME[0], 0.13), ncols=3, frameon=False, handlelength=2.6)
        text = io.StringIO()
        figure.savefig(text, format="svg", metadata={"Title": chart.title, "Date": None, "Creator": None})
    return text.getvalue()


def _refuse_what_would_not_be_seen(chart: Chart) -> None:
    if not chart.lines or not all(line.points for line in chart.lines):
        raise ValueError("a chart needs curves, and every curve needs points")
    if any((chart.log_x and x <= 0) or (chart.log_y and y <= 0) for line in chart.lines for x, y in line.points):
        raise ValueError("a logarithmic axis has no place for zero")


def _number(axis: Axis) -> None:
    """Put round numbers on an axis, written out."""
    from matplotlib.ticker import LogLocator  # noqa: PLC0415

    if axis.get_scale() == "log":
        low, high = axis.get_data_interval()
        axis.set_major_locator(LogLocator(subs=(1, 2, 5) if high / low < 10_000 else (1,)))
        axis.minorticks_off()
    axis.set_major_formatter("{x:,g}")
