"""Cold start: importing the app, beside importing what every such app imports."""

from __future__ import annotations

import json
import os
import subprocess
from statistics import median

from benchmarks.machine import python
from benchmarks.numbers import median_of_ratios
from benchmarks.options import Options
from benchmarks.report import Cell, Check, Figure, Table
from local.services import APP_ROOT

OURS = "import function_app"
BASE = "import azure.functions, azure.durable_functions, requests"
LATE = ("azure.identity", "msal", "cryptography")
_TIMED = """
import json, sys, time
began, cpu = time.perf_counter(), time.process_time()
{code}
print(json.dumps([time.perf_counter() - began, time.process_time() - cpu, sorted(sys.modules)]))
"""


def measure(options: Options) -> Figure:
    """Import both in fresh interpreters, by turns."""
    rounds = options.pick(3, 21)
    found: dict[str, list[tuple[float, float]]] = {OURS: [], BASE: []}
    modules: dict[str, set[str]] = {}
    for code in found:
        _import(code)  # writes the bytecode
    for number in range(rounds):
        for code in list(found) if number % 2 else list(found)[::-1]:
            seconds, cpu, names = _import(code)
            found[code].append((seconds, cpu))
            modules[code] = names
    ratios = [
        median_of_ratios([row[kind] for row in found[OURS]], [row[kind] for row in found[BASE]]) for kind in (0, 1)
    ]
    added = modules[OURS] - modules[BASE]
    late = [name for name in LATE if name in modules[OURS]]
    rows: list[list[Cell]] = [
        [code, median([s for s, _ in times]), median([c for _, c in times]), len(modules[code])]
        for code, times in found.items()
    ]
    return Figure(
        "Cold start",
        Table(("", "seconds, median", "processor seconds, median", "modules"), rows),
        [
            Check("processor time of the import, app to SDKs alone (median of pairs)", ratios[1], 1.15),
            Check("modules of azure.identity, msal and cryptography at import", len(late), 0),
        ],
        [
            (
                f"{rounds} fresh interpreters each, by turns. By the clock the ratio is {ratios[0]:.3f}; processor "
                "time is the goal's measure here because other work on the machine disturbs it less."
            ),
            f"{len(added)} modules more than the SDKs alone, of them {len([m for m in added if _is_ours(m)])} ours.",
        ],
        data={"ratio_by_clock": ratios[0], "ratio_by_processor": ratios[1], "added": sorted(added)},
    )


def _import(code: str) -> tuple[float, float, set[str]]:
    environment = {**os.environ, "PYTHONPATH": str(APP_ROOT)}
    found = subprocess.run(  # noqa: S603 - our own code
        python("-c", _TIMED.format(code=code)),
        cwd=APP_ROOT,
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    )
    seconds, cpu, names = json.loads(found.stdout)
    return seconds, cpu, set(names)


def _is_ours(module: str) -> bool:
    return any((APP_ROOT / module.split(".", maxsplit=1)[0]).with_suffix(suffix).exists() for suffix in ("", ".py"))
