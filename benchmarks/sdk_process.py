"""A process of SDK loops in threads: `python -m benchmarks.sdk_process`, driven by `stage.SdkLoops`.

Reads a job as one line of JSON, warms up, writes "ready", reads a line, runs, writes what happened as one line.
"""

from __future__ import annotations

import json
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from benchmarks.machine import memory_mb
from benchmarks.sdk import client_for, run_to_answer


def main() -> int:
    """Run one job."""
    job = json.loads(sys.stdin.readline())
    client = client_for(job["endpoint"])
    run_to_answer(client, job["warm_up_agent_id"])
    print(json.dumps("ready"), flush=True)
    sys.stdin.readline()
    began, used = time.monotonic(), time.process_time()
    signalled = threading.Event()

    def run(work: dict[str, Any]) -> dict[str, Any]:
        signalled.wait(max(0.0, began + work["after"] - time.monotonic()))
        started, cpu = time.monotonic(), time.thread_time()
        run_id = run_to_answer(client, work["agent_id"])
        return {
            "run_id": run_id, "began": started, "ended": time.monotonic(), "cpu_seconds": time.thread_time() - cpu,
        }  # fmt: skip

    with ThreadPoolExecutor(job["threads"]) as pool:
        runs = list(pool.map(run, job["runs"]))
    print(json.dumps({"runs": runs, "cpu_seconds": time.process_time() - used, "memory_mb": memory_mb() or 0.0}))
    return 0


if __name__ == "__main__":
    sys.exit(main())
