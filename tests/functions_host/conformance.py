"""Holds the local host to recordings of the real one: ``python -m tests.functions_host.conformance [--timers exact]``.

Runs the recorded app twice, without keys and with, records it with ``record.py`` and compares row by row with what the
real host did on extension 3.19. Rows in ``known-differences*.txt`` are explained there. Exits 1 on any other
difference, and on an explained one that is gone. Takes about 40 seconds, nearly all of it waiting.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from tests.functions_host.harness import REPOSITORY, HostProcess

HERE = Path(__file__).parent
RECORDINGS = REPOSITORY / "tests" / "recordings"
RECORDED_APP = RECORDINGS / "app"


@dataclass(frozen=True)
class Result:
    """A comparison: what ``compare.py`` printed, and whether it found nothing unexplained."""

    name: str
    good: bool
    report: str


def compare(*, auth: bool, timers: str = "azure-storage") -> Result:
    """Record the local host and compare it with the real one."""
    real = RECORDINGS / ("real-host-3.19-with-keys.json" if auth else "real-host-3.19.json")
    arguments = ["--timers", timers, *(["--auth"] if auth else [])]
    with (
        tempfile.TemporaryDirectory() as folder,
        HostProcess(RECORDED_APP, env={"TMPDIR": folder}, args=arguments) as host,
    ):
        mine = Path(folder) / "mine.json"
        known = HERE / f"known-differences{'-exact' if timers == 'exact' else ''}.txt"
        code = ["--code", host.ready["system_key"]] if auth else []
        _script("record.py", host.url, mine, *code)
        compared = _script("compare.py", real, mine, "--known", known, check=False)
        rows = sum(len(r) for r in json.loads(mine.read_text(encoding="utf-8")).values())
    good = compared.returncode == 0 and rows > 0 and "known difference is gone" not in compared.stdout
    return Result(f"{'with' if auth else 'without'} keys, {timers} timers", good, compared.stdout)


def compare_both(timers: str = "azure-storage") -> list[Result]:
    """Compare without and with keys at the same time: recording is nearly all waiting."""
    with ThreadPoolExecutor(2) as pool:
        return list(pool.map(lambda auth: compare(auth=auth, timers=timers), (False, True)))


def _script(name: str, *arguments: object, check: bool = True) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(RECORDINGS / name), *map(str, arguments)]
    return subprocess.run(command, check=check, capture_output=True, text=True, timeout=300)


def main() -> int:
    """Compare with and without keys at the same time; returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--timers", choices=("azure-storage", "exact"), default="azure-storage")
    given = parser.parse_args()
    results = compare_both(given.timers)
    for result in results:
        sys.stdout.write(f"--- {result.name}\n{result.report}")
    return 0 if all(r.good for r in results) else 1


if __name__ == "__main__":
    sys.exit(main())
