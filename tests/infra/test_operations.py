"""docs/operations.md speaks of what the templates hold, and its arithmetic is right; the runbook has every alert."""

from __future__ import annotations

import re

import jmespath
import pytest

from infra.checks.facts import LOG_EVENTS, ROLES
from infra.checks.project import Project
from look_schedule import WATCH_SECONDS, is_watched, next_look, next_poll_delay
from tests.infra.conftest import ROOT

PROJECT = Project(ROOT)
TEXT = (ROOT / "docs" / "operations.md").read_text()
RUNBOOK = (ROOT / "docs" / "runbook.md").read_text()
MONTH = 30 * 24 * 3600


def test_every_type_of_resource_is_explained() -> None:
    types = {resource.target.partition("@")[0] for _, resource in PROJECT.resources}
    named = set(re.findall(r"[\w./]+", TEXT))
    assert sorted(t for t in types if t not in named and t.rpartition("/")[2] not in named) == []


def test_every_role_is_explained() -> None:
    assert [role for role in ROLES.values() if role not in TEXT] == []


def test_every_parameter_and_variable_is_named() -> None:
    parameters = PROJECT.templates["infra/main.bicep"].of_kind("param")
    assert [name for name in parameters if f"`{name}`" not in TEXT] == []
    variables = re.findall(r"\$\{([A-Z_]+)", PROJECT.text("infra/main.parameters.json"))
    assert [name for name in variables if f"`{name}`" not in TEXT] == []


def test_the_table_of_parameters_is_what_azd_passes_on() -> None:
    rows = re.findall(r"^\| `([A-Z_]+)` \| `(\w+)` \|", TEXT, re.MULTILINE)
    passed = re.findall(r'"(\w+)": \{ "value": "\$\{([A-Z_]+)', PROJECT.text("infra/main.parameters.json"))
    assert {(parameter, variable) for variable, parameter in rows} == set(passed)


def test_defaults_in_the_table_of_parameters_are_those_of_the_template() -> None:
    parameters = PROJECT.templates["infra/main.bicep"].of_kind("param")
    rows = re.findall(r"^\| `[A-Z_]+` \| `(\w+)` \| `([^`<]+)` \|", TEXT, re.MULTILINE)
    assert len(rows) > 10
    for name, default in rows:
        value = parameters[name].value
        assert default == (str(value).lower() if isinstance(value, bool) else str(value)), name


def test_every_query_and_event_is_explained() -> None:
    assert [q.name for q in (ROOT / "infra" / "queries").glob("*.kql") if q.name not in TEXT] == []
    for event, fields in LOG_EVENTS.items():
        row = re.search(rf"^\| `{re.escape(event)}` \|(.*)\|$", TEXT, re.MULTILINE)
        assert row is not None, event
        assert set(re.findall(r"`(\w+)`", row[1])) == set(fields.split()), event


def test_the_app_logs_these_events_and_no_others() -> None:
    folders = ("activities", "orchestrators", "maintenance", "http_api", "ownership", "store", "foundry")
    sources = "".join(p.read_text() for folder in folders for p in (ROOT / folder).rglob("*.py"))
    logged = re.findall(r"(?:log_event\(\s*_?log,|\.log\()\s*\"(agent_run\.\w+)\"", sources)
    assert set(logged) == LOG_EVENTS.keys()


def test_every_alert_has_its_place_in_the_manual_and_the_runbook() -> None:
    template = PROJECT.templates["infra/modules/alerts.bicep"].of_kind("var")["rules"].value
    assert isinstance(template, list)
    titles = [rule["title"] for rule in template if isinstance(rule, dict)]
    assert len(titles) == 8
    titles += re.findall(r"displayName: '(.+)'", PROJECT.text("infra/modules/availability.bicep"))
    assert len(titles) == 9
    assert [title for title in titles if f"\n| {title} |" not in TEXT] == []
    # Who has been woken looks for the words of the mail, which names the page.
    for module in ("alerts", "availability"):
        assert " docs/runbook.md, under the name of this alert.'" in PROJECT.text(f"infra/modules/{module}.bicep")
    assert [title for title in titles if not re.search(rf"^##+ {re.escape(title)}$", RUNBOOK, re.MULTILINE)] == []
    index = "".join(line for line in RUNBOOK.splitlines() if line.startswith("| ") and "](#" in line)
    assert [title for title in titles if title not in index] == []


def test_what_the_runbook_asks_of_the_log_is_printed() -> None:
    # `-o table` alone shows nothing of an answer in this shape (azure-cli-extensions #5626).
    answer = {"tables": [{"columns": [{"name": "code"}, {"name": "runs"}], "rows": [["a", 1], ["b", 2]]}]}
    query = re.search(r"az monitor app-insights query .* --query '(.+)' -o table; }$", RUNBOOK, re.MULTILINE)
    assert query is not None
    assert jmespath.search(query[1], answer) == [["code", "runs"], ["a", 1], ["b", 2]]
    assert RUNBOOK.count("app-insights query") == 1


def test_no_column_of_the_runbook_is_one_that_az_leaves_out() -> None:
    tables = re.findall(r"--query '([^']*\{[^']*)' -o table", RUNBOOK)
    assert len(tables) > 2
    names = {name for query in tables for name in re.findall(r"[{,] ?(\w+):", query)}
    assert names.isdisjoint({"id", "type", "etag", "revision"})


def test_every_file_that_is_named_exists() -> None:
    files = set(re.findall(r"\binfra/[\w./-]*\w", TEXT)) - {"infra/queries"}
    assert [file for file in files if not (ROOT / file).exists()] == []


@pytest.mark.parametrize(("runs", "column"), [(100, 1), (10_000, 2), (1_000_000, 3)])
def test_the_cost_of_a_month_is_worked_out_right(runs: int, column: int) -> None:
    timers, steps, looks_of_the_caller = 5, 2, 7
    watches = timers + 1
    queues = timers * 6 + steps * 4 + watches * 2 + 2
    tables = timers * 6 + steps * 3 + watches + 4 + looks_of_the_caller
    executions = 1 + looks_of_the_caller + steps + timers + (1 + steps + 2 * timers)
    costs = {
        "... cost": runs * (queues * 0.004 + tables * 0.00036) / 10_000,
        "documents": runs * (2 * 0.0044 + 0.055) / 10_000,
        "polling of an idle hub": 9 * MONTH / 5 * 0.004 / 10_000,
        "one instance always ready": 2 * MONTH * 0.000004,
        "execution, durable": min(runs * (steps - 1 + 25) * 2, 2 * MONTH) * 0.000016,
        "execution, HTTP": min(runs * 8 * 2, 2 * MONTH) * 0.000026,
        "timers": (30 * 24 * 12 + 30) * 2 * 0.000026,
        "executions": runs * executions * 0.40 / 1_000_000,
        "logs": runs * executions * (3 + 1.5) / 1_000_000 * 2.76,
        "eight alerts": 8 * 1.50,
    }
    assert row("storage transactions")[column] == f"{runs * (queues + tables):,}"
    for name, cost in costs.items():
        assert row(name)[column] == f"${cost:,.2f}", name
    assert row("**total**")[column] == f"**${sum(costs.values()):,.2f}**"


def test_the_watches_that_the_costs_rest_on_are_those_of_the_schedule() -> None:
    assert round(course(30)[1]) == 25
    for seconds, timers in ((30, 5), (60, 9), (300, 28), (600, 36)):
        assert course(seconds)[0] == timers, seconds
    assert "9 in one minute, 28 in five, 36 in ten" in " ".join(TEXT.split())


def course(lasting: float) -> tuple[int, float]:
    """Return the timers of a run that takes so long, and the seconds for which it is watched."""
    age, timers = _watched(0.0, lasting), 0
    held = age
    while age < lasting:
        # Azure Storage cuts the delay to whole seconds; the queue and the look take a tenth of a second each.
        age += int(next_poll_delay(age)) + 0.1 + 0.1
        timers += 1
        if is_watched(age):
            held += _watched(age, lasting) - age
            age = _watched(age, lasting)
    return timers, held


def _watched(age: float, lasting: float) -> float:
    end = age + WATCH_SECONDS
    while age < lasting and age + next_look(age) <= end:
        age += next_look(age)
    return age


def row(name: str) -> list[str]:
    found = [line for line in TEXT.splitlines() if line.startswith(f"| {name} |")]
    return [cell.strip() for cell in found[-1].strip("|").split("|")]
