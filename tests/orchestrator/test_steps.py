"""Another orchestrator on the same steps: calls with retries, races and generations, without a `Progress`."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import msgspec

from contracts.activities import ActivityResult, Failure
from contracts.wire import Wire, to_wire
from orchestrators.steps import CancelRequested, DeadlinePassed, GenerationFull, Step, StepFailed, Steps
from tests.orchestrator.simulation import Ended, Simulation


class Weather(Wire, frozen=True, kw_only=True):
    """What the activity `look_at_the_sky` returns."""

    sky: str


class Question(Wire, frozen=True, kw_only=True):
    city: str


class Shown(Wire, frozen=True, kw_only=True):
    looks: int


class SunWait(msgspec.Struct, kw_only=True):
    """An orchestration that looks at the sky until the sun shines, and its `Course`."""

    city: str
    deadline: datetime
    looks: int = 0
    failed: int = 0
    told: list[Any] = []
    awaited_event: str | None = "enough"

    def accept(self, payload: Any) -> None:
        self.told.append(payload)
        self.awaited_event = None

    def delay_after(self, _activity: str, failure: Failure | None, _now: datetime) -> float | None:
        self.failed = 0 if failure is None else self.failed + 1
        return 1.5 if failure is None or failure.retryable else None

    def custom_status(self) -> Shown:
        return Shown(looks=self.looks)


def wait_for_sun(context: Any) -> Step[Any]:
    steps = Steps(context)
    given = steps.given
    course = (
        msgspec.convert(given["course"], SunWait)
        if "course" in given
        else SunWait(city=given["city"], deadline=steps.now + timedelta(seconds=given["seconds"]))
    )
    try:
        while True:
            weather = yield from steps.call("look_at_the_sky", lambda: Question(city=course.city), Weather, course)
            course.looks += 1
            if weather.sky == "sun" or course.told:
                return {"sky": weather.sky, "looks": course.looks, "told": course.told}
            yield from steps.sleep(2.5, course)
    except GenerationFull:
        steps.continue_as_new({"course": msgspec.to_builtins(course)})
        return None
    except (CancelRequested, DeadlinePassed, StepFailed) as signal:
        return {"ended_by": type(signal).__name__, "looks": course.looks}


def play(*answers: Any, seconds: int = 600, events: list[tuple[Any, ...]] = []) -> Ended:  # noqa: B006
    script = list(answers)

    def look(_payload: Any, _seconds: float) -> Any:
        answer = script.pop(0) if len(script) > 1 else script[0]
        if isinstance(answer, Failure):
            return to_wire(ActivityResult[Weather](failure=answer))
        return to_wire(ActivityResult(value=Weather(sky=answer)))

    simulation = Simulation(wait_for_sun, {"look_at_the_sky": look})
    for event in events:
        simulation.raise_event(*event)
    return simulation.run({"city": "Bergen", "seconds": seconds})


DOWN = Failure(code="service_unavailable", message="503", retryable=True)


def test_it_looks_until_the_sun_shines_over_generations() -> None:
    ended = play(*["rain"] * 20, "sun")
    assert ended.output == {"sky": "sun", "looks": 21, "told": []}
    assert ended.generations > 2
    assert ended.custom_status is None or ended.custom_status["looks"] <= 21


def test_a_failure_is_tried_again_as_the_course_says() -> None:
    assert play(DOWN, DOWN, "sun").output["looks"] == 1
    final = Failure(code="not_found", message="no such city")
    assert play(final).output == {"ended_by": "StepFailed", "looks": 0}


def test_a_cancel_the_deadline_and_an_answer_reach_it() -> None:
    assert play("rain", events=[(6, "cancel")]).output["ended_by"] == "CancelRequested"
    assert play("rain", seconds=10).output["ended_by"] == "DeadlinePassed"
    assert play("rain", events=[(6, "enough", {"by": "me"})]).output["told"] == [{"by": "me"}]
