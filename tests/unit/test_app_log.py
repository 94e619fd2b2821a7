"""Log lines: one a event, fields as JSON, nothing forged."""

import json
import logging

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from app_log import log_event
from trace_context import Trace, in_trace

log = logging.getLogger("test.app_log")


def test_an_event_is_its_name_and_a_json_object(caplog):
    with caplog.at_level(logging.INFO, logger=log.name):
        log_event(log, "agent_run.ended", status="Success", seconds=1.5, code=None)
    assert caplog.messages == ['agent_run.ended {"status":"Success","seconds":1.5,"code":null}']
    assert caplog.records[0].levelno == logging.INFO


def test_an_event_names_its_trace(caplog):
    with caplog.at_level(logging.INFO, logger=log.name), in_trace(Trace(f"00-{'a' * 32}-{'b' * 16}-01")):
        log_event(log, "x")
        log_event(log, "y", trace_id="of its own")
    assert caplog.messages == ['x {"trace_id":"%s"}' % ("a" * 32), 'y {"trace_id":"of its own"}']


def test_an_event_may_have_another_level(caplog):
    with caplog.at_level(logging.INFO, logger=log.name):
        log_event(log, "x", level=logging.ERROR)
    assert caplog.records[0].levelno == logging.ERROR


@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(text=st.text(st.characters(exclude_categories=["Cs"])))
def test_no_value_can_break_out_of_its_line(caplog, text):
    caplog.clear()
    with caplog.at_level(logging.INFO, logger=log.name):
        log_event(log, "x", message=text, percent="%s %d")
    [line] = caplog.messages
    assert "\n" not in line
    assert "\r" not in line
    assert json.loads(line.removeprefix("x ")) == {"message": text, "percent": "%s %d"}
