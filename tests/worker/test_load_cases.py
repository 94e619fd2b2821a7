"""What Microsoft's runtime takes and refuses while it indexes: the table that the local host is held to is its."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.functions_host.load_cases import CASES, LoadCase
from tests.worker.comparison import Process


@pytest.mark.parametrize("case", CASES, ids=str)
def test_the_runtime_says_what_the_table_says(case: LoadCase, tmp_path: Path) -> None:
    (tmp_path / "function_app.py").write_text(case.source, encoding="utf-8")
    process = Process("runtime", tmp_path, {})
    try:
        found = process.ask(do="index")
    finally:
        process.close()
    assert found.get("error") == case.error
    if case.error is None:
        assert set(found["functions"]) == {"f"}
