"""Plots: the same data give the same bytes, and all that is in the data is seen."""

import os
import subprocess
import sys
import xml.etree.ElementTree as ET

import pytest

from benchmarks.latest import RESULTS, read, write
from benchmarks.report import Chart, Figure, Line, Table
from benchmarks.svg import draw, svg_of
from tests.functions_host.harness import REPOSITORY

pytest.importorskip("matplotlib", reason="make test installs what draws the plots (benchmarks/requirements.txt)")

SVG = "{http://www.w3.org/2000/svg}"
WIDTH, HEIGHT = 547.2, 302.4


def curves(svg):
    """Return the corners of every curve by its number, in the picture's units."""
    found = {}
    for group in ET.fromstring(svg).iter(f"{SVG}g"):
        if group.get("id", "").startswith("line_"):
            numbers = [float(part) for part in group.find(f"{SVG}path").get("d").split() if part not in ("M", "L")]
            found[group.get("id")] = list(zip(numbers[::2], numbers[1::2], strict=True))
    return found


def texts(svg):
    return [element.text for element in ET.fromstring(svg).iter(f"{SVG}text")]


def ticks(svg):
    """Return the labels along both axes."""
    return [text for text in texts(svg) if text.replace(",", "").replace(".", "").isdigit()]


def chart_of(*points, title="t", **more):
    return Chart(title, "x", "y", [Line("a", points)], **more)


@pytest.mark.parametrize("logarithmic", [False, True])
def test_every_curve_is_inside_the_picture_and_named(logarithmic):
    lines = [Line(f"<curve & {n}>", [(1, n + 1), (10, 5 * n + 1), (600, 2)]) for n in range(7)]
    svg = svg_of(Chart("A < B & C", "x [s]", "y", lines, log_x=logarithmic, log_y=logarithmic))
    root = ET.fromstring(svg)
    assert root.get("viewBox") == f"0 0 {WIDTH} {HEIGHT}"
    drawn = curves(svg)
    assert len(drawn) == 7
    assert all(0 < x < WIDTH and 0 < y < HEIGHT for corners in drawn.values() for x, y in corners)
    assert {"A < B & C", "x [s]", "y", *(line.name for line in lines)} <= set(texts(svg))
    assert root.find(f"{SVG}title").text == "A < B & C"


def test_a_linear_axis_begins_at_zero():
    (left, low), (middle, centre), (right, high) = curves(svg_of(chart_of((0, 0), (5, 30), (10, 40))))["line_0"]
    (x, y), _ = curves(svg_of(chart_of((5, 30), (10, 40))))["line_0"]
    assert (x, y) == (middle, centre)
    assert (left, low) == pytest.approx((0.1 * WIDTH, 0.75 * HEIGHT))  # the corner of the axes
    assert left < middle < right
    assert low > centre > high


def test_a_linear_axis_shows_values_below_zero():
    ((_, low), (_, high)) = curves(svg_of(chart_of((0, -3), (1, 3))))["line_0"]
    assert HEIGHT > low > high > 0


def test_a_logarithmic_axis_gives_each_decade_the_same_room():
    svg = svg_of(chart_of((1, 1), (10, 10), (100, 100), log_x=True))
    (first, second, third) = [x for x, _ in curves(svg)["line_0"]]
    assert second - first == pytest.approx(third - second)
    assert ticks(svg)[:7] == ["1", "2", "5", "10", "20", "50", "100"]


def test_many_decades_are_marked_by_their_powers():
    assert ticks(svg_of(chart_of((1, 1), (1e5, 1), log_x=True)))[:6] == ["1", "10", "100", "1,000", "10,000", "100,000"]


@pytest.mark.parametrize("axes", [{"log_x": True}, {"log_y": True}])
def test_a_logarithmic_axis_has_no_zero(axes):
    with pytest.raises(ValueError, match="zero"):
        svg_of(chart_of((0, 0), (1, 1), **axes))


@pytest.mark.parametrize("lines", [[], [Line("a", [])], [Line("a", [(1, 1)]), Line("b", [])]])
def test_a_chart_of_nothing_is_refused(lines):
    with pytest.raises(ValueError, match="points"):
        svg_of(Chart("t", "x", "y", lines))


def test_two_runs_with_the_same_data_write_the_same_bytes(tmp_path):
    # In another process, zone, year and with another seed of hashes, and a developer's own style of plots.
    charts = {"lag": chart_of((1, 1), (30, 7), log_x=True), "memory": chart_of((0, 5), (9, 6), title="Memory")}
    document = {"figures": {"one": Figure("One", Table((), []), charts=charts).to_json()}}
    write(tmp_path, document)
    draw(document, tmp_path)
    first = {file.name: file.read_bytes() for file in tmp_path.glob("*.svg")}
    assert set(first) == {"lag.svg", "memory.svg"}
    (tmp_path / "matplotlibrc").write_text(
        "svg.fonttype: path\naxes.facecolor: black\nfont.size: 20\n", encoding="utf-8"
    )
    other = {"MATPLOTLIBRC": str(tmp_path), "TZ": "Asia/Tokyo", "PYTHONHASHSEED": "7", "SOURCE_DATE_EPOCH": "0"}
    program = (
        "import sys; from pathlib import Path; from benchmarks.latest import read; from benchmarks.svg import draw; "
        "draw(read(Path(sys.argv[1])), Path(sys.argv[1]))"
    )
    for name in first:
        (tmp_path / name).unlink()
    subprocess.run(
        [sys.executable, "-c", program, tmp_path], cwd=REPOSITORY, env={**os.environ, **other}, check=True, timeout=60
    )
    assert {file.name: file.read_bytes() for file in tmp_path.glob("*.svg")} == first


def published():
    return {name: chart for figure in read(RESULTS)["figures"].values() for name, chart in figure["charts"].items()}


@pytest.mark.parametrize("name", published())
def test_a_published_plot_shows_the_latest_results(name):
    # Not byte by byte: another version of matplotlib may be installed here.
    drawn, there = svg_of(Chart.from_json(published()[name])), (RESULTS / f"{name}.svg").read_text("utf-8")
    assert curves(drawn) == curves(there) != {}
    assert texts(drawn) == texts(there)
