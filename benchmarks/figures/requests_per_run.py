"""Requests to Foundry per run beyond looks, and TCP connections for two hundred runs, beside the SDK. And requests for
the documents of who owns which thread.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import astuple

from benchmarks.cost_model import OF_A_RUN
from benchmarks.options import Options
from benchmarks.report import Cell, Check, Figure, Table
from benchmarks.stage import AppHost, Emulator, sdk_loops
from local.blob_storage.endpoint import BlobEndpoint
from store.connection import StorageAccount, open_store

DURATION = 0.5
CALLERS = 16
HANDFUL = 8
DOCUMENTS = sum(astuple(OF_A_RUN))


def measure(options: Options) -> Figure:
    """Run so many, ours at once and the SDK's in as many threads as one client may well have; count."""
    runs = options.pick(20, 200)
    with Emulator((0.0, DURATION)) as emulator:
        with BlobEndpoint(account="benchmarks") as storage, AppHost(emulator, storage=storage) as host:
            open_store(StorageAccount(connection_string=storage.connection_string)).check()
            emulator.reset()
            requests_before = storage.requests
            for _ in range(runs):
                host.start(DURATION)
            host.until_completed(runs, patience=180)
            ours_connections = emulator.connections()
            ours = Counter(entry["operation"] for entry in emulator.requests())
            documents = (storage.requests - requests_before) / runs
        with sdk_loops(emulator, [(0.0, DURATION)] * runs, threads=CALLERS) as loops:
            emulator.reset()
            loops.go()
            loops.result()
            sdk_connections = emulator.connections()
            sdk = Counter(entry["operation"] for entry in emulator.requests())
    looks = {"ours": ours["get_run"], "sdk": sdk["get_run"]}
    beyond = {"ours": (ours.total() - looks["ours"]) / runs, "sdk": (sdk.total() - looks["sdk"]) / runs}
    rows: list[list[Cell]] = [
        ["requests per run beyond looks", beyond["ours"], beyond["sdk"]],
        ["looks per run", looks["ours"] / runs, looks["sdk"] / runs],
        [f"TCP connections for {runs} runs", ours_connections, sdk_connections],
        ["requests for documents on blobs per run", documents, None],
    ]
    rows += [[f"{name} per run", ours[name] / runs, sdk[name] / runs] for name in sorted({*ours, *sdk} - {"get_run"})]
    return Figure(
        "Requests and connections",
        Table(("", "the app", f"the SDK, {CALLERS} threads"), rows),
        [
            Check("requests per run beyond looks", beyond["ours"], 5),
            Check(f"TCP connections for {runs} runs", ours_connections, HANDFUL),
            Check("requests for documents on blobs per run", documents, DOCUMENTS),
        ],
        ["The app's connections are as many as its worker's threads ever needed at once, and are kept."],
    )
