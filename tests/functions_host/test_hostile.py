"""Hostile mode: each behaviour alone, seen to happen; and all of them at once."""

from __future__ import annotations

import io
import socket
import time
from collections.abc import Callable, Collection
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from local.functions_host.clock import Clock
from local.functions_host.console import Console
from local.functions_host.errors import HostError
from local.functions_host.hooks import Death, Fate
from local.functions_host.hostile import BEHAVIOURS, NOT_BY_DEFAULT, Hostility, parse_plan
from local.functions_host.store import Instance, Work
from tests.functions_host.conftest import NEVER, SAMPLE_APP
from tests.functions_host.harness import HostProcess


def hostile(names: str, *, speed: int = 20) -> HostProcess:
    plan = f"7:{names}" if names else "7"
    return HostProcess(SAMPLE_APP, env=NEVER, args=("--hostile", plan, "--clock-speed", str(speed)))


def patiently(call: Callable[[], Any]) -> Any:
    """Repeat a call while the host is restarting."""
    deadline = time.monotonic() + 30
    while True:
        try:
            return call()
        except OSError:
            assert time.monotonic() < deadline
            time.sleep(0.05)


def run_many(host: HostProcess, name: str, count: int, inputs: Callable[[int], Any] = lambda _: None) -> list[Any]:
    def start(number: int) -> None:
        given = {"name": name, "id": f"{name}-{number}", "input": inputs(number)}
        answer = host.request("POST", "/api/client/start", given)
        assert answer.status in (200, 500)  # 500: started before a restart, and in use since

    for number in range(count):
        patiently(lambda number=number: start(number))
    return [patiently(lambda n=n: host.until_ended(f"{name}-{n}")) for n in range(count)]


def test_an_activity_runs_twice(tmp_path: Path) -> None:
    with hostile("repeat-activity") as host:
        ended = run_many(host, "appends", 12, lambda n: str(tmp_path / f"{n}"))
        assert {s["output"] for s in ended} == {"ok"}
        assert {len((tmp_path / f"{n}").read_text().splitlines()) for n in range(12)} == {1, 2}


def test_a_worker_dies_before_or_after_the_effect(tmp_path: Path) -> None:
    with hostile("dead-worker") as host:
        ended = run_many(host, "appends", 40, lambda n: str(tmp_path / f"{n}"))
        dead = [n for n, s in enumerate(ended) if s["output"].endswith("exited with code 137 (0x89)")]
        assert {s["output"] for n, s in enumerate(ended) if n not in dead} == {"ok"}
        assert {(tmp_path / f"{n}").exists() for n in dead} == {True, False}


def test_a_worker_dies_in_an_episode_and_a_rewind_goes_on(tmp_path: Path) -> None:
    with hostile("dead-worker-episode") as host:
        count = 80
        ended = run_many(host, "appends", count, lambda n: str(tmp_path / f"{n}"))
        texts = {s["output"].split(":")[0] for s in ended if s["runtimeStatus"] == "Failed"}
        assert texts == {
            "One or more errors occurred. (python exited with code 137 (0x89))",
            "Non-Deterministic workflow detected",
        }
        for number in range(count):
            instance = f"appends-{number}"
            if host.until_ended(instance)["runtimeStatus"] == "Failed":
                if number % 2:
                    rewound = host.request("POST", f"{host.webhook}/instances/{instance}/rewind?reason=r", b"").status
                else:
                    given = {"id": instance, "reason": "r"}
                    rewound = host.request("POST", "/api/client/rewind", given).status + 2
                assert rewound == 202
                host.until(instance, lambda s: s["runtimeStatus"] != "Pending")
            assert host.status(instance)["output"] == "ok"
            assert (tmp_path / f"{number}").read_text() == "ran\n"


def test_an_event_to_a_rewound_instance_is_not_lost() -> None:
    """It shows Pending too, but its start is not under way."""
    row = Instance("i", "e", "o", None, None, "Pending", None, None, 0, 0)
    game = Hostility(
        parse_plan("7:lost-pending-event,double-start"),
        clock=Clock(),
        console=Console(stream=io.StringIO()),
        restarts=0,
        restart=lambda _: None,
    )
    rewound = replace(row, output='"why it failed"')
    assert {game.loses_event(row) for _ in range(50)} == {game.overlooks(row) for _ in range(50)} == {True, False}
    assert {game.loses_event(rewound) for _ in range(50)} == {game.overlooks(rewound) for _ in range(50)} == {False}


def game_of(names: str, *, restarts: int = 0, died: Collection[str] = ()) -> tuple[Hostility, list[list[str]]]:
    """Return a game, and what it tells the processes that take over."""
    told: list[list[str]] = []
    game = Hostility(
        parse_plan(f"7:{names}"),
        clock=Clock(),
        console=Console(stream=io.StringIO()),
        restarts=restarts,
        restart=lambda died: told.append(list(died)),
        died=died,
    )
    return game, told


def test_what_becomes_of_an_activity_is_the_same_after_a_restart() -> None:
    works = [Work(seq, "i", "e", 0, "appends", None) for seq in range(1, 200)]
    fates = [[game_of("dead-worker,repeat-activity", restarts=n)[0].activity_fate(w) for w in works] for n in range(3)]
    assert fates[0] == fates[1] == fates[2]
    assert set(fates[0]) == set(Fate)


def test_who_has_died_with_its_worker_is_spared_after_a_restart() -> None:
    game, told = game_of("dead-worker-episode,restart")
    row = Instance("i", "e", "o", None, None, "Running", None, None, 0, 0)
    while game.episode_death(row) is Death.NONE:
        pass
    while not told:
        game.committed()
    assert told == [["i"]]
    after, _ = game_of("dead-worker-episode", restarts=1, died=told[0])
    assert {after.episode_death(row) for _ in range(400)} == {Death.NONE}


def test_an_instance_dies_with_its_worker_once() -> None:
    game = Hostility(
        parse_plan("7:dead-worker-episode"),
        clock=Clock(),
        console=Console(stream=io.StringIO()),
        restarts=0,
        restart=lambda _: None,
    )
    row = Instance("i", "e", "o", None, None, "Running", None, None, 0, 0)
    assert [game.episode_death(row) for _ in range(400)].count(Death.NONE) == 399
    rewound = Instance("other", "e", "o", None, None, "Pending", None, '"why it failed"', 0, 0)
    assert {game.episode_death(rewound) for _ in range(400)} == {Death.NONE}
    others = [replace(row, instance_id=f"other {n}") for n in range(400)]
    assert {game.episode_death(other) for other in others} == set(Death)


def test_an_event_to_a_pending_instance_is_lost() -> None:
    with hostile("lost-pending-event", speed=5) as host:
        lost = 0
        for number in range(12):
            instance = host.launch("waits", f"lost-{number}")
            assert host.raise_event(instance, "go", 1) == 202
            host.until(instance, lambda s: s["runtimeStatus"] != "Pending")
            # Nothing is held back here: what has arrived ends the instance in its first episode.
            if host.status(instance)["runtimeStatus"] == "Running":
                lost += 1
                assert host.raise_event(instance, "go", 2) == 202
                assert host.until_ended(instance)["output"] == 2
        assert lost == host.log.count("hostile lost-pending-event 'lost-")
        assert 0 < lost < 12


def test_an_event_arrives_twice() -> None:
    with hostile("repeat-event") as host:
        counts = set()
        for number in range(8):
            instance = host.launch("counts_events", f"twice-{number}")
            host.until(instance, lambda s: s["runtimeStatus"] == "Running")
            assert host.raise_event(instance, "tick") == 202
            assert host.raise_event(instance, "stop") == 202
            counts.add(host.until_ended(instance)["output"])
        assert counts == {1, 2}


def test_messages_are_held_back() -> None:
    with hostile("hold-messages") as host:
        ended = run_many(host, "adds", 12)
        assert {s["output"] for s in ended} == {6}
        took = [_moment(s["lastUpdatedTime"]) - _moment(s["createdTime"]) for s in ended]
        assert max(took) >= 4  # five seconds of the host's clock, in whole seconds


def _moment(text: str) -> float:
    return datetime.fromisoformat(text).timestamp()


def test_raise_and_terminate_near_the_end_answer_500() -> None:
    with hostile("fail-near-end", speed=1) as host:
        instance = host.launch("adds", "near")
        host.until_ended(instance)
        terminate = f"{host.webhook}/instances/{instance}/terminate?reason=r"
        codes = {host.raise_event(instance, "go") for _ in range(15)}
        codes |= {host.request("POST", terminate, b"").status for _ in range(15)}
        assert codes == {410, 500}


def test_the_step_after_a_self_termination_is_really_executed(tmp_path: Path) -> None:
    with hostile("step-after-termination") as host:
        ended = run_many(host, "ends_itself", 8, lambda n: str(tmp_path / f"{n}"))
        assert {(s["runtimeStatus"], s["output"]) for s in ended} == {("Terminated", "by itself")}
        host.until_log("activity leaves_file")
        assert 0 < len(list(tmp_path.iterdir())) < 8
        host.until_log("step-after-termination: leaves_file was started after the instance was terminated")


def test_of_two_starts_of_one_id_the_second_replaces_the_first() -> None:
    with hostile("double-start", speed=1) as host:
        both = 0
        for number in range(8):
            instance = host.launch("waits", f"double-{number}", {"start": 1})
            path = f"{host.webhook}/orchestrators/waits/{instance}"
            second = host.request("POST", path, {"start": 2}).status
            assert second in (202, 409)
            both += second == 202
            assert host.status(instance)["input"] == {"start": 2 if second == 202 else 1}
        assert 0 < both < 8


def test_the_process_restarts_between_steps() -> None:
    with hostile("restart") as host:
        ended = run_many(host, "polls", 10, lambda _: {"polls": 4})
        assert {s["runtimeStatus"] for s in ended} == {"Completed"}
        # An activity may run twice across a restart; this one only doubles its input, so the outcome is the same.
        assert {s["output"]["seen"] for s in ended} == {30}
        assert "restart 1" in host.log


def test_a_restart_does_not_give_up_the_port() -> None:
    """Otherwise an outgoing connection of anybody else may take it meanwhile, and the host never comes back."""
    with hostile("restart") as host:
        address = ("127.0.0.1", int(host.url.rsplit(":", 1)[1]))
        patiently(lambda: host.launch("polls", "port", {"polls": 200}))
        give_up_at = time.monotonic() + 60
        while "restart 3" not in host.log:
            assert time.monotonic() < give_up_at, host.log[-500:]
            with socket.create_connection(address, timeout=30):  # refused, if nobody listened
                time.sleep(0.001)


def test_everything_at_once_and_every_instance_ends() -> None:
    with hostile("") as host:
        ended = run_many(host, "polls", 12, lambda _: {"polls": 3})
        assert all(s["runtimeStatus"] in ("Completed", "Failed") for s in ended)
        assert f"hostile mode, seed 7:{','.join(sorted(BEHAVIOURS.keys() - NOT_BY_DEFAULT))}, restart 0" in host.log


@pytest.mark.parametrize("text", ["", ":restart", "7:", "7:nonsense", "7:restart,nonsense"])
def test_a_plan_that_names_nothing_known_is_refused_with_the_list(text: str) -> None:
    with pytest.raises(HostError) as caught:
        parse_plan(text)
    assert all(name in str(caught.value) for name in BEHAVIOURS)


def test_plans() -> None:
    assert parse_plan("7").names == set(BEHAVIOURS) - NOT_BY_DEFAULT
    assert str(parse_plan("x:restart, dead-worker")) == "x:dead-worker,restart"


def test_restarts_need_a_file() -> None:
    with pytest.raises(RuntimeError, match="needs a database in a file"):
        HostProcess(SAMPLE_APP, env=NEVER, db=":memory:", args=("--hostile", "7:restart")).__enter__()
    with HostProcess(SAMPLE_APP, env=NEVER, db=":memory:", args=("--hostile", "7")) as host:
        assert "restart," not in host.log.split("hostile mode, seed ")[1].split(" restart 0")[0]
