"""Percentiles, tables and charts of the benchmarks."""

import json
import xml.etree.ElementTree as ET

import pytest

from benchmarks.numbers import mean_over, median_of_ratios, p95
from benchmarks.readme import with_results
from benchmarks.report import Check, Figure, Table, shown
from benchmarks.svg import Axis, Chart, Line, round_step


def test_the_95th_percentile_lies_between_neighbours():
    assert p95([5, 3, 1, 4, 2]) == pytest.approx(4.8)
    assert p95(range(101)) == 95


def test_one_value_is_its_own_percentile():
    assert p95([7.0]) == 7.0


def test_nothing_has_no_percentile():
    with pytest.raises(ValueError, match="data point"):
        p95([])


def test_a_ratio_is_taken_pair_by_pair():
    # Drift of the machine from round to round cancels out: every pair says 2.
    assert median_of_ratios([2, 20, 6], [1, 10, 3]) == 2
    with pytest.raises(ValueError, match="zip"):
        median_of_ratios([1], [1, 2])


def test_the_mean_of_a_function():
    assert mean_over(lambda x: 2 * x, 1, 3) == pytest.approx(4)


@pytest.mark.parametrize(
    ("cell", "text"),
    [(None, "-"), ("a", "a"), (0.8049, "0.805"), (12, "12"), (1234567, "1,234,567"), (1999.6, "2,000"), (0.0, "0")],
)
def test_cells(cell, text):
    assert shown(cell) == text


def test_a_check_has_a_lower_or_an_upper_limit():
    assert Check("x", 1.0, 1.0).is_met
    assert not Check("x", 1.1, 1.0).is_met
    assert Check("x", 1.1, 1.0, least=True).is_met
    assert Check("x", 2.5, 1.0, "s", least=True).to_json() == {
        "what": "x", "value": 2.5, "at least": 1.0, "unit": "s", "met": True,
    }  # fmt: skip


def test_a_figure_is_markdown_and_json():
    figure = Figure(
        "Lag",
        Table(("side", "lag"), [["the app", 0.5], ["SDK", None]]),
        [Check("lag", 0.5, 0.8, "s"), Check("polls", 70, 60)],
        ["A note."],
        charts={"lag": Chart("t", "x", "y", [Line("a", [(0, 0)])])},
    )
    assert figure.to_text() == (
        "## Lag\n\n| side    | lag |\n|---------|-----|\n| the app | 0.5 |\n| SDK     | -   |\n\n"
        "- Goal: lag at most 0.8 s. Measured 0.5 s: met.\n- Goal: polls at most 60. Measured 70: **not met**.\n\n"
        "- A note.\n"
    )
    document = json.loads(json.dumps(figure.to_json()))
    assert document["table"]["rows"] == [["the app", 0.5], ["SDK", None]]
    assert document["charts"] == ["lag.svg"]


# --- SVG ---


def test_a_linear_axis_begins_at_zero():
    axis = Axis.over([2, 10], 0, 100, logarithmic=False)
    assert [axis.place(value) for value in (0, 5, 10)] == [0, 50, 100]
    assert axis.ticks() == [0, 2, 4, 6, 8, 10]


def test_a_logarithmic_axis_gives_each_decade_the_same_room():
    axis = Axis.over([1, 100], 0, 100, logarithmic=True)
    assert [axis.place(value) for value in (1, 10, 100)] == pytest.approx([0, 50, 100])
    assert axis.ticks() == [1, 2, 5, 10, 20, 50, 100]


def test_a_logarithmic_axis_has_no_zero():
    with pytest.raises(ValueError, match="zero"):
        Axis.over([0, 1], 0, 100, logarithmic=True)


@pytest.mark.parametrize(("width", "step"), [(0.9, 1), (1.1, 2), (3, 5), (7, 10), (0.03, 0.05), (120, 200)])
def test_steps_are_round(width, step):
    assert round_step(width) == pytest.approx(step)


@pytest.mark.parametrize("logarithmic", [False, True])
def test_a_chart_is_well_formed_and_inside_its_frame(logarithmic):
    lines = [Line(f"<curve & {n}>", [(1, n + 1), (10, 5 * n + 1), (600, 2)]) for n in range(6)]
    text = Chart("A < B & C", "x", "y", lines, log_x=logarithmic, log_y=logarithmic).to_svg()
    root = ET.fromstring(text)
    width, height = (float(part) for part in root.attrib["viewBox"].split()[2:])
    curves = root.findall("{*}polyline")
    assert len(curves) == 6
    for curve in curves:
        for point in curve.attrib["points"].split():
            x, y = map(float, point.split(","))
            assert 0 <= x <= width
            assert 0 <= y <= height
    assert {t.text for t in root.findall("{*}text")} >= {"A < B & C", "<curve & 5>"}
    assert text == Chart("A < B & C", "x", "y", lines, log_x=logarithmic, log_y=logarithmic).to_svg()


def test_a_chart_of_nothing_is_refused():
    with pytest.raises(ValueError, match="points"):
        Chart("t", "x", "y", []).to_svg()


# --- README ---


def test_results_go_between_the_markers_and_nothing_else_changes():
    figure = Figure("Lag", Table(("a",), [[1.5]]), [Check("lag", 1.5, 1.0, "s")], ["A note."]).to_json()
    machine = {"packages": {"msgspec": "0.19"}, "cores": 2, "memory_mb": 2048, "system": "Linux", "python": "3.11"}
    machine |= {"load_before": 0.1}
    document = {
        "machine": machine,
        "quick": False,
        "at": "now",
        "took_seconds": 5.2,
        "seed": 1,
        "commits": ["abc", "def-dirty"],
        "figures": {"lag": figure},
    }
    before = "Head\n<!-- results -->\nold\n<!-- end of results -->\nMiddle\n<!-- idle -->\n<!-- end of idle -->\nTail\n"
    once = with_results(before, document)
    assert with_results(once, document) == once
    assert once.startswith("Head\n")
    assert once.endswith("Tail\n")
    assert "old" not in once
    assert "| `lag`  | lag  | at most 1 s | 1.5 s    | **no** |" in once
    assert "- A note." in once
    assert "commit abc and def-dirty;" in once
    with pytest.raises(ValueError, match="markers"):
        with_results("Head", document)
