"""The local host against recordings of the real one."""

from __future__ import annotations

import pytest

from tests.functions_host.conformance import compare_both


@pytest.mark.slow
def test_no_row_differs_unexplained() -> None:
    for result in compare_both():
        assert result.good, f"{result.name}\n{result.report}"
