"""NCRONTAB expressions, as timer triggers take them: six fields, the first one seconds; five without it.

No cron library fits: they let a day match by its date *or* its weekday where both are given, NCRONTAB asks for both.
"""

from __future__ import annotations

import calendar
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

_MONTHS = {name.lower(): number for number, name in enumerate(calendar.month_abbr) if name}
_MONTHS |= {name.lower(): number for number, name in enumerate(calendar.month_name) if name}
_DAYS = {calendar.day_abbr[(n - 1) % 7].lower(): n for n in range(7)}
_DAYS |= {calendar.day_name[(n - 1) % 7].lower(): n for n in range(7)}
_HORIZON_YEARS = 30  # the 29th of February on a given weekday comes round within 28 years


@dataclass(frozen=True, slots=True)
class _Field:
    name: str
    low: int
    high: int
    names: dict[str, int]


_FIELDS = (
    _Field("second", 0, 59, {}),
    _Field("minute", 0, 59, {}),
    _Field("hour", 0, 23, {}),
    _Field("day", 1, 31, {}),
    _Field("month", 1, 12, _MONTHS),
    _Field("weekday", 0, 7, _DAYS),
)


@dataclass(frozen=True, slots=True)
class Schedule:
    """A parsed expression: the allowed values of each field."""

    seconds: tuple[int, ...]
    minutes: tuple[int, ...]
    hours: tuple[int, ...]
    days: frozenset[int]
    months: frozenset[int]
    weekdays: frozenset[int]

    def after(self, moment: datetime) -> datetime:
        """The first moment in UTC that matches and is later; raises ValueError where there is none."""
        current = moment.astimezone(UTC).replace(microsecond=0) + timedelta(seconds=1)
        day = current.date()
        for _ in range(366 * _HORIZON_YEARS):
            if self._matches_day(day.year, day.month, day.day):
                floor = current.hour, current.minute, current.second
                found = self._time_from(floor if day == current.date() else (0, 0, 0))
                if found is not None:
                    return datetime(day.year, day.month, day.day, *found, tzinfo=UTC)
            day += timedelta(days=1)
        raise ValueError("the schedule never comes round")

    def _matches_day(self, year: int, month: int, day: int) -> bool:
        weekday = (calendar.weekday(year, month, day) + 1) % 7  # Sunday is 0
        return month in self.months and day in self.days and weekday in self.weekdays

    def _time_from(self, floor: tuple[int, int, int]) -> tuple[int, int, int] | None:
        for hour in self.hours:
            if hour < floor[0]:
                continue
            for minute in self.minutes:
                if (hour, minute) < floor[:2]:
                    continue
                for second in self.seconds:
                    if (hour, minute, second) >= floor:
                        return hour, minute, second
        return None


def parse(expression: str) -> Schedule:
    """Parse an expression; raises ValueError with the field that is wrong."""
    parts = expression.split()
    if len(parts) == 5:
        parts = ["0", *parts]
    if len(parts) != 6:
        raise ValueError(f"the schedule '{expression}' has {len(parts)} fields, NCRONTAB has six (or five)")
    values = [_parse_field(field, text) for field, text in zip(_FIELDS, parts, strict=True)]
    schedule = Schedule(
        seconds=tuple(sorted(values[0])),
        minutes=tuple(sorted(values[1])),
        hours=tuple(sorted(values[2])),
        days=frozenset(values[3]),
        months=frozenset(values[4]),
        weekdays=frozenset(v % 7 for v in values[5]),
    )
    schedule.after(datetime.now(UTC))
    return schedule


def _parse_field(field: _Field, text: str) -> set[int]:
    found: set[int] = set()
    for part in text.split(","):
        span, slash, step_text = part.partition("/")
        step = 1
        if slash:
            if not step_text.isdigit() or int(step_text) == 0:
                raise ValueError(f"the {field.name} field '{text}' has the step '{step_text}'")
            step = int(step_text)
        low, high = _parse_span(field, span, text, open_ended=bool(slash))
        found |= set(range(low, high + 1, step))
    return found


def _parse_span(field: _Field, span: str, text: str, *, open_ended: bool) -> tuple[int, int]:
    if span in ("*", "?"):
        return field.low, field.high if field.name != "weekday" else 6
    first, dash, last = span.partition("-")
    low = _value(field, first, text)
    otherwise = field.high if open_ended else low
    high = _value(field, last, text) if dash else otherwise
    if low > high:
        raise ValueError(f"the {field.name} field '{text}' has the range '{span}', which runs backwards")
    return low, high


def _value(field: _Field, text: str, whole: str) -> int:
    number = field.names.get(text.lower())
    if number is None and text.isdigit():
        number = int(text)
    if number is None or not field.low <= number <= field.high:
        raise ValueError(f"the {field.name} field '{whole}' has '{text}', not between {field.low} and {field.high}")
    return number
