"""Golden histories: ``python -m tests.functions_host.golden`` records them anew from the recorded app.

Instances in flight live in histories, so a history that the host wrote once must replay on every later host. Record
anew only where the format is meant to change; then old databases need another schema version.
"""

from __future__ import annotations

import json
import sys
import tempfile
from pathlib import Path

from local.functions_host.store import Store
from tests.functions_host.conformance import RECORDED_APP
from tests.functions_host.harness import HostProcess

FOLDER = Path(__file__).parent / "data" / "golden"
ORCHESTRATORS = (
    "o_chain", "o_fail", "o_act_fail", "o_catch", "o_timer", "o_sub", "o_retry", "o_retry_out", "o_all",
    "o_any_activities", "o_can", "o_terminate_then", "o_not_json", "o_reuse", "o_two_early", "o_can_redeliver",
)  # fmt: skip
EVENTS = {
    "o_reuse": [("cancel", {"why": "x"})],
    "o_two_early": [("e", 1), ("e", 2)],
    "o_can_redeliver": [("e", "once")],
}


def record() -> dict[str, list[dict[str, object]]]:
    """Run every orchestration once; returns the histories, as they are stored."""
    with tempfile.TemporaryDirectory() as folder:
        database = Path(folder) / "state.db"
        with HostProcess(RECORDED_APP, db=database, env={"TMPDIR": folder}) as host:
            for name in ORCHESTRATORS:
                host.launch(name, name)
                if name in EVENTS:
                    host.until(name, lambda s: s["runtimeStatus"] == "Running")
                for event, data in EVENTS.get(name, ()):
                    host.raise_event(name, event, data)
            for name in ORCHESTRATORS:
                host.until_ended(name)
        store = Store(str(database))
        try:
            return {name: [json.loads(text) for text in store.history(name)] for name in ORCHESTRATORS}
        finally:
            store.close()


def main() -> int:
    """Write the files."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    for name, history in record().items():
        lines = ",\n".join(json.dumps(event, ensure_ascii=False) for event in history)
        (FOLDER / f"{name}.json").write_text(f"[\n{lines}\n]\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
