"""Puts the latest results into README.md, between its markers, and draws their plots. Pure but for `main`.

`python -m benchmarks.readme` does it from `results/latest.json`.
"""

from __future__ import annotations

import re
import sys
from typing import Any

from benchmarks.cost_model import Prices
from benchmarks.figures.storage_cost import idle_table
from benchmarks.latest import RESULTS, read
from benchmarks.report import Table, shown
from benchmarks.svg import draw


def with_results(readme: str, document: dict[str, Any]) -> str:
    """Return the text with the goals and tables of these results."""
    return _between(_between(readme, "results", results_of(document)), "idle", idle_costs())


def results_of(document: dict[str, Any]) -> str:
    """Write what was measured as Markdown: goals first, then every figure's table and notes."""
    machine = document["machine"]
    versions = ", ".join(f"{name} {version}" for name, version in machine["packages"].items() if version)
    kind = "quick run" if document["quick"] else "full run"
    parts = [
        (
            f"Measured {document['at']}, {kind} of {document['took_seconds']:.0f} s, seed {document['seed']}, on "
            f"{machine['cores']} cores and {machine['memory_mb'] / 1024:.0f} GB, {machine['system']}, Python "
            f"{machine['python']}, {versions}; commit {' and '.join(document['commits'])}; load of the machine before: "
            f"{machine['load_before']}."
        ),
        goals(document).to_text(),
    ]
    for name, figure in document["figures"].items():
        plots = " ".join(f"![{chart['title']}](results/{file}.svg)" for file, chart in figure["charts"].items())
        table = Table(figure["table"]["columns"], figure["table"]["rows"])
        notes = "\n".join(f"- {note}" for note in figure["notes"])
        parts += [part for part in (f"### {figure['title']} (`{name}`)", table.to_text(), notes, plots) if part]
    return "\n\n".join(parts)


def goals(document: dict[str, Any]) -> Table:
    """Return the table of all goals."""
    rows = []
    for name, figure in document["figures"].items():
        for check in figure["checks"]:
            bound = "at least" if "at least" in check else "at most"
            unit = f" {check['unit']}" if check["unit"] else ""
            goal = f"{bound} {shown(check[bound])}{unit}"
            met = "yes" if check["met"] else "**no**"
            rows.append([f"`{name}`", check["what"], goal, f"{shown(check['value'])}{unit}", met])
    return Table(("Figure", "What", "Goal", "Measured", "Met"), rows)


def idle_costs() -> str:
    """Write the costs of an idle hub as Markdown."""
    rows = [
        [row["partitionCount"], row["maxQueuePollingInterval"], row["transactions_a_day"], row["dollars_a_month"]]
        for row in idle_table(Prices())
    ]
    columns = ("partitionCount", "maxQueuePollingInterval [s]", "transactions a day", "$ a month")
    return Table(columns, rows).to_text()


def _between(text: str, marker: str, content: str) -> str:
    begin, end = f"<!-- {marker} -->", f"<!-- end of {marker} -->"
    found = re.sub(
        f"{re.escape(begin)}.*?{re.escape(end)}",
        lambda _: f"{begin}\n\n{content}\n\n{end}",
        text,
        count=1,
        flags=re.DOTALL,
    )
    if begin not in text or end not in text:
        raise ValueError(f"the text has no markers {begin} and {end}")
    return found


def main() -> int:
    """Rewrite README.md and the plots beside `latest.json`."""
    document = read(RESULTS)
    draw(document, RESULTS)
    readme = RESULTS.parent / "README.md"
    readme.write_text(with_results(readme.read_text(encoding="utf-8"), document), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
