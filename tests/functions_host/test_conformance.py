"""The local host against recordings of the real one."""

from __future__ import annotations

import pytest

from tests.functions_host.conformance import RECORDED_APP, RECORDINGS, compare_both

recordings = pytest.mark.skipif(
    not RECORDINGS.is_dir(), reason=f"the recordings of the real host are not at {RECORDINGS}"
)


@recordings
def test_the_recorded_app_is_the_copy_that_was_recorded() -> None:
    name = "function_app.py"
    assert (RECORDED_APP / name).read_bytes() == (RECORDINGS / "app" / name).read_bytes()


@recordings
@pytest.mark.slow
def test_no_row_differs_unexplained() -> None:
    for result in compare_both():
        assert result.good, f"{result.name}\n{result.report}"
