"""Percentiles, tables and documents of the benchmarks."""

import json

import pytest

from benchmarks.latest import read, write
from benchmarks.numbers import mean_over, median_of_ratios, p95
from benchmarks.readme import with_results
from benchmarks.report import Chart, Check, Figure, Line, Table, shown


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
    assert list(document["charts"]) == ["lag"]


# --- latest.json ---


def test_a_document_is_read_as_it_was_written_with_numbers_on_one_line(tmp_path):
    chart = Chart("t [\n1, 2]", "x", "y", [Line("a", [(0.30000001, 1), (2e-07, -3.5)]), Line("b", [])], log_x=True)
    figure = Figure("Lag", Table(("a",), [[1.5, None]]), data={"empty": [], "sizes": [1, 2]}, charts={"lag": chart})
    document = {"figures": {"lag_virtual": figure.to_json()}}
    write(tmp_path / "new", document)
    assert read(tmp_path / "new") == json.loads(json.dumps(document))
    lines = [line.strip() for line in (tmp_path / "new" / "latest.json").read_text("utf-8").splitlines()]
    assert {"[0.3, 1],", "[2e-07, -3.5]", '"sizes": [1, 2]'} <= set(lines)


def test_a_chart_is_read_as_it_was_shown():
    chart = Chart("t", "x", "y", [Line("a", [(1.0, 2.5), (3.0, 4.0)])], log_y=True)
    again = Chart.from_json(json.loads(json.dumps(chart.to_json())))
    assert again.to_json() == chart.to_json()
    assert (again.log_x, again.log_y, again.lines[0].name) == (False, True, "a")


# --- README ---


def test_results_go_between_the_markers_and_nothing_else_changes():
    charts = {"plot": Chart("The lag", "x", "y", [Line("a", [(0, 0)])])}
    figure = Figure("Lag", Table(("a",), [[1.5]]), [Check("lag", 1.5, 1.0, "s")], ["A note."], charts=charts).to_json()
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
    assert "![The lag](results/plot.svg)" in once
    assert "commit abc and def-dirty;" in once
    with pytest.raises(ValueError, match="markers"):
        with_results("Head", document)
