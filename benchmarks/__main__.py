"""`python -m benchmarks [--quick] [--only NAME] [--out DIR] [--seed N] [--before DIR]`: measure, print, write."""

from __future__ import annotations

import argparse
import importlib
import os
import sys
import time
from datetime import UTC, datetime
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from benchmarks.figures import NAMES
from benchmarks.latest import RESULTS, write
from benchmarks.machine import commit, described
from benchmarks.options import Options
from benchmarks.report import Figure
from benchmarks.svg import draw


def main(arguments: list[str] | None = None) -> int:
    """Run the figures; return 0 whether or not the goals are met, 1 where one could not be measured."""
    parser = _parser()
    given = parser.parse_args(arguments)
    if find_spec("matplotlib") is None:
        parser.error("matplotlib draws the plots: run make bench, or install benchmarks/requirements.txt")
    began = time.monotonic()
    # The app's modules are imported here too: none of this machine's settings are to reach them.
    os.environ.pop("FOUNDRY_PROJECT_ENDPOINT", None)
    document: dict[str, Any] = {
        "at": datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        "quick": given.quick,
        "seed": given.seed,
        "machine": described(),
        "commits": [],
        "figures": {},
    }
    failed = []
    for name in given.only or NAMES:
        figure_began = time.monotonic()
        commits: set[str | None] = {commit()}
        print(f"--- {name}", flush=True)
        options = Options(given.quick, given.seed, lambda text: print(f"    {text}", flush=True), given.before)
        try:
            figure: Figure = importlib.import_module(f"benchmarks.figures.{name}").measure(options)
        except Exception as error:  # noqa: BLE001 - the others are worth having
            failed.append(name)
            print(f"    {name} could not be measured: {type(error).__name__}: {error}", file=sys.stderr, flush=True)
            continue
        seconds = time.monotonic() - figure_began
        seen = sorted(c for c in {*commits, commit()} if c)  # more than one: the sources changed meanwhile
        document["commits"] = sorted({*document["commits"], *seen})
        document["figures"][name] = {"commits": seen, **figure.to_json(), "took_seconds": round(seconds, 1)}
        print(f"\n{figure.to_text()}\n    ({seconds:.0f} s)\n", flush=True)
        write(given.out, document)  # a run that is interrupted leaves its figures behind
    document["took_seconds"] = round(time.monotonic() - began, 1)
    write(given.out, document)
    draw(document, given.out)  # last: numpy's threads are not to run beside a measurement
    print(f"{len(document['figures'])} figures in {document['took_seconds']:.0f} s, written to {given.out}")
    return 1 if failed else 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description="Measure the figures of README.md.")
    parser.add_argument("--quick", action="store_true", help="under a minute, with less precision")
    parser.add_argument("--only", action="append", choices=NAMES, metavar="NAME", help=f"one of {', '.join(NAMES)}")
    parser.add_argument("--out", type=Path, default=RESULTS, help="folder of latest.json and the plots")
    parser.add_argument("--seed", type=int, default=20261121, help="of every random choice")
    parser.add_argument("--before", type=Path, help="checkout of an earlier commit that `watches` compares with, too")
    return parser


if __name__ == "__main__":
    sys.exit(main())
