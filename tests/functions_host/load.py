"""Load: ``python -m tests.functions_host.load [--runs 500]`` starts that many runs at once and measures the host."""

from __future__ import annotations

import argparse
import http.client
import json
import os
import sys
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from tests.functions_host.conftest import NEVER, SAMPLE_APP
from tests.functions_host.harness import HostProcess

CLIENTS = 8
EPISODES_PER_RUN = 3  # `adds` with two numbers: one to start and one for each result


@dataclass(frozen=True)
class Measured:
    """What a load run took. CPU and memory are those of the host's process, None where the system does not say."""

    runs: int
    seconds: float
    cpu_seconds: float | None
    memory_mb: float | None


def load(host: HostProcess, runs: int) -> Measured:
    """Start runs over the webhook from several connections and wait until all have completed."""
    before = _cpu(host.pid)
    began = time.perf_counter()
    threads = [threading.Thread(target=_start, args=(host, range(n, runs, CLIENTS))) for n in range(CLIENTS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    url = f"{host.webhook}/instances?instanceIdPrefix=load-&runtimeStatus=Completed&showInput=false&top={runs}"
    while len(host.request("GET", url).json) < runs:
        time.sleep(0.05)
    seconds = time.perf_counter() - began
    after = _cpu(host.pid)
    cpu = after - before if before is not None and after is not None else None
    return Measured(runs, seconds, cpu, _memory(host.pid))


def _start(host: HostProcess, numbers: range) -> None:
    connection = http.client.HTTPConnection(urlsplit(host.url).netloc, timeout=60)
    for number in numbers:
        path = f"/runtime/webhooks/durabletask/orchestrators/adds/load-{number}"
        connection.request("POST", path, b"", {"Content-Type": "application/json"})
        answer = connection.getresponse()
        body = answer.read()
        assert answer.status == 202, body
    connection.close()


def _cpu(pid: int) -> float | None:
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _memory(pid: int) -> float | None:
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except OSError:
        return None
    return next(int(line.split()[1]) / 1024 for line in lines if line.startswith("VmHWM"))


def main() -> int:
    """Run from the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=500)
    given = parser.parse_args()
    with HostProcess(SAMPLE_APP, env=NEVER, args=("--quiet",)) as host:
        found = load(host, given.runs)
    episodes = found.runs * EPISODES_PER_RUN
    sys.stdout.write(f"{found.runs} runs in {found.seconds:.1f} s: {found.runs / found.seconds:.0f} runs/s\n")
    if found.cpu_seconds is not None:
        per_episode = found.cpu_seconds / episodes * 1000
        sys.stdout.write(f"CPU {found.cpu_seconds:.1f} s: {per_episode:.2f} ms per episode and its activity\n")
    if found.memory_mb is not None:
        sys.stdout.write(f"memory at most {found.memory_mb:.0f} MB\n")
    sys.stdout.write(json.dumps(found.__dict__) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
