"""NCRONTAB expressions, and timer triggers on them."""

from __future__ import annotations

import json
import sqlite3
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from local.functions_host import cron
from tests.functions_host.conftest import SAMPLE_APP
from tests.functions_host.harness import HostProcess

START = datetime(2026, 11, 21, 2, 3, 4, 500_000, tzinfo=UTC)  # a Saturday


@pytest.mark.parametrize(
    ("expression", "following"),
    [
        ("* * * * * *", "2026-11-21 02:03:05"),
        ("0 * * * * *", "2026-11-21 02:04:00"),
        ("*/15 * * * * *", "2026-11-21 02:03:15"),
        ("4 3 2 * * *", "2026-11-22 02:03:04"),
        ("0 0 */6 * * *", "2026-11-21 06:00:00"),
        ("0 30 9-17 * * Mon-Fri", "2026-11-23 09:30:00"),
        ("0 0 0 1 1 *", "2027-01-01 00:00:00"),
        ("0 0 0 29 feb *", "2028-02-29 00:00:00"),
        ("0 0 12 * jan,JUL *", "2027-01-01 12:00:00"),
        ("0 0 12 * January *", "2027-01-01 12:00:00"),
        ("0 0 12 * * 0", "2026-11-22 12:00:00"),
        ("0 0 12 * * 7", "2026-11-22 12:00:00"),
        ("0 0 12 13 * 5", "2027-08-13 12:00:00"),  # Friday the 13th: both day fields count
        ("0 5/20 * * * ?", "2026-11-21 02:05:00"),
        ("10,20-30/5,59 * * * * *", "2026-11-21 02:03:10"),
        ("*/5 * * * *", "2026-11-21 02:05:00"),
    ],
)
def test_the_next_time(expression: str, following: str) -> None:
    assert cron.parse(expression).after(START) == datetime.fromisoformat(following).replace(tzinfo=UTC)


@pytest.mark.parametrize(
    ("expression", "complaint"),
    [
        ("", "has 0 fields"),
        ("* * * *", "has 4 fields"),
        ("00:05:00", "has 1 fields"),
        ("60 * * * * *", "second field '60'"),
        ("* * 24 * * *", "hour field '24'"),
        ("* * * 0 * *", "day field '0'"),
        ("* * * * Foo *", "month field 'Foo'"),
        ("* * * * * 8", "weekday field '8'"),
        ("*/0 * * * * *", "has the step '0'"),
        ("30-10 * * * * *", "runs backwards"),
        ("1,, * * * * *", "second field '1,,'"),
        ("0 0 0 31 2 *", "never comes round"),
    ],
)
def test_what_is_wrong_is_named(expression: str, complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint):
        cron.parse(expression)


_FIELD = st.integers(0, 59)


@settings(max_examples=30, deadline=None)
@given(
    second=st.sets(_FIELD, min_size=1, max_size=4),
    minute=st.sets(_FIELD, min_size=1, max_size=4),
    hour=st.sets(st.integers(0, 23), min_size=1, max_size=3),
    offset=st.integers(0, 86_400),
)
def test_no_time_is_missed(second: set[int], minute: set[int], hour: set[int], offset: int) -> None:
    """Against a plain search, second by second."""
    text = " ".join(",".join(map(str, sorted(values))) for values in (second, minute, hour))
    moment = START + timedelta(seconds=offset)
    found = cron.parse(f"{text} * * *").after(moment)
    step = moment.replace(microsecond=0)
    while True:
        step += timedelta(seconds=1)
        if step.second in second and step.minute in minute and step.hour in hour:
            break
    assert found == step


def test_a_timer_trigger_runs_on_its_schedule() -> None:
    with HostProcess(SAMPLE_APP, env={"TICK_SCHEDULE": "*/10 * * * * *"}, args=("--clock-speed", "60")) as host:
        host.until_log("timer tick succeeded")
        ticks = host.request("GET", "/api/ticks").json
        assert ticks[0]["past_due"] is False
        due = datetime.fromisoformat(ticks[0]["status"]["Next"])
        assert due.second % 10 == 0


def test_a_time_that_was_missed_is_run_late_and_says_so(tmp_path: Path) -> None:
    database = tmp_path / "state.db"
    schedule = {"TICK_SCHEDULE": "0 0 0 1 1 *"}
    with HostProcess(SAMPLE_APP, env=schedule, db=database) as host:
        host.until_log("Listening")
        host.stop()
        connection = sqlite3.connect(database)
        (stored,) = connection.execute("SELECT next FROM schedules WHERE name = 'tick'").fetchone()
        assert datetime.fromtimestamp(stored, UTC).month == 1
        with connection:
            connection.execute("UPDATE schedules SET next = 1000")
        connection.close()
        host.restart()
        host.until_log("timer tick succeeded (past due)")
        assert [t["past_due"] for t in host.request("GET", "/api/ticks").json] == [True]


def test_run_on_startup_and_a_failing_function(tmp_path: Path) -> None:
    (tmp_path / "host.json").write_text('{"version": "2.0"}')
    (tmp_path / "function_app.py").write_text(
        "import azure.functions as func\n"
        "app = func.FunctionApp()\n"
        "@app.timer_trigger(arg_name='t', schedule='0 0 0 1 1 *', run_on_startup=True)\n"
        "def early(t: func.TimerRequest) -> None:\n    raise RuntimeError('oops')\n"
        "@app.timer_trigger(arg_name='t', schedule='%NOT_SET%')\n"
        "def unset(t: func.TimerRequest) -> None: ...\n"
        "@app.timer_trigger(arg_name='t', schedule='every day')\n"
        "def vague(t: func.TimerRequest) -> None: ...\n"
    )
    with HostProcess(tmp_path) as host:
        host.until_log("timer early failed")
        assert "ERROR function 'early' failed: RuntimeError: oops" in host.log
        assert "WARNING function 'unset' is left out: the setting %NOT_SET% is not set" in host.log
        assert "WARNING function 'vague' is left out: the schedule 'every day' has 2 fields" in host.log
        assert json.dumps(host.ready["functions"]) == '["early"]'
