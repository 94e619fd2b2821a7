"""What an agent or a project takes in some time, and what the others are told."""

import re

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from local.foundry_emulator import Agent, Agents, ManualClock
from local.foundry_emulator.agents import builtin_agents
from local.foundry_emulator.scripts import Quota, Script
from local.foundry_emulator.service import Request, Service

THREE_IN_SIX = Quota(runs=3, seconds=6)
BUSY = Agent(name="busy", script=Script(phases=(), quota=THREE_IN_SIX))
OTHER = Agent(name="other", script=Script(phases=(), quota=THREE_IN_SIX))


class Project:
    def __init__(self, **options):
        self.clock = ManualClock()
        self.service = Service((*builtin_agents(), BUSY, OTHER), self.clock, **options)

    def __call__(self, method, path, body=None):
        raw = b"" if body is None else msgspec.json.encode(body)
        headers = {"authorization": "Bearer t"}
        reply = self.service.handle(Request(method, f"/api/projects/demo{path}", {"api-version": "v1"}, headers, raw))
        assert reply.status == 200, reply.body
        return reply.body

    def run(self, agent=BUSY.id):
        """Start a run on a thread of its own; return the seconds that it is told to wait, 0 where it is taken."""
        run = self("POST", "/threads/runs", {"assistant_id": agent})
        self.clock.advance(0.5)
        run = self("GET", f"/threads/{run['thread_id']}/runs/{run['id']}")
        self.clock.advance(-0.5)
        if run["last_error"] is None:
            return 0
        assert (run["status"], run["last_error"]["code"]) == ("failed", "rate_limit_exceeded")
        [seconds] = re.fullmatch(
            r"Rate limit is exceeded\. Try again in (\d+) seconds\.", run["last_error"]["message"]
        ).groups()
        return int(seconds)


def test_the_fourth_run_in_six_seconds_is_told_when_there_is_room():
    project = Project()
    assert project.run() == 0
    project.clock.advance(2)
    assert [project.run() for _ in range(4)] == [0, 0, 4, 4]
    project.clock.advance(3.9)
    assert project.run() == 1
    project.clock.advance(0.1)
    assert [project.run(), project.run()] == [0, 2]  # only what is taken counts


def test_each_agent_has_its_own_quota_and_others_have_none():
    project = Project()
    assert [project.run() for _ in range(3)] == [0] * 3
    assert project.run(OTHER.id) == 0
    assert [project.run(Agents.INSTANT) for _ in range(5)] == [0] * 5
    assert project.run() == 6


def test_a_project_has_one_for_all_agents():
    project = Project(quota=Quota(runs=4, seconds=60, says_window=True))
    assert [project.run(agent) for agent in (Agents.INSTANT, Agents.HISTORY, BUSY.id, BUSY.id)] == [0] * 4
    project.clock.advance(30)
    assert project.run(Agents.INSTANT) == 60
    project.clock.advance(30)
    assert project.run(Agents.INSTANT) == 0


def test_where_more_was_taken_than_is_allowed_by_now():
    assert Quota(runs=1, seconds=6).wait([0.0, 3.0], 4.0) == 5


@given(st.integers(1, 5), st.floats(0.5, 90), st.lists(st.floats(0, 20), max_size=30))
def test_no_window_ever_takes_more_and_the_hint_is_enough(runs, seconds, pauses):
    quota, now, taken = Quota(runs=runs, seconds=seconds), 0.0, []
    for pause in pauses:
        now += pause
        wait = quota.wait(taken, now)
        if wait == 0:
            taken.append(now)
        else:
            assert quota.wait(taken, now + wait + 0.001) == 0
    assert all(sum(at - seconds < other <= at for other in taken) <= runs for at in taken)


@pytest.mark.parametrize("fields", [{"runs": 0, "seconds": 1}, {"runs": 1, "seconds": 0}, {"runs": 1}])
def test_a_quota_of_nothing_is_refused(fields):
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert(fields, Quota)
