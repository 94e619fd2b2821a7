"""A task hub in memory that lists as the platform does: by id ascending, in pages, with tokens."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from task_hub import PAGE, Page, Selection, TaskHubError

NOW = datetime(2026, 11, 26, 15, tzinfo=UTC)


def row(instance_id: str, created: datetime = NOW, status: str = "Completed", **fields: Any) -> dict[str, Any]:
    """A Durable status payload."""
    shown = created.strftime("%Y-%m-%dT%H:%M:%SZ")
    return {
        "name": "agent_run",
        "instanceId": instance_id,
        "runtimeStatus": status,
        "input": None,
        "customStatus": None,
        "output": None,
        "createdTime": shown,
        "lastUpdatedTime": shown,
        **fields,
    }


class ListedHub:
    """`reads` is how many instances the platform looks at for one page: of those it shows what matches, even none."""

    def __init__(self, *rows: dict[str, Any], reads: int = PAGE) -> None:
        self.rows = list(rows)
        self.reads = reads
        self.asked: list[tuple[Selection, int]] = []
        self.histories: dict[str, Any] = {}
        self.looked_at: list[str] = []
        self.broken = False

    async def page(self, selection: Selection, token: str = "", top: int = PAGE) -> Page:
        self.asked.append((selection, top))
        if self.broken:
            raise TaskHubError("the platform answered 500 to a list of instances")
        behind = sorted((r for r in self.rows if r["instanceId"] > token), key=lambda r: r["instanceId"])
        shown = []
        for number, each in enumerate(behind):
            if number == self.reads or len(shown) == top:
                return Page(shown, behind[number - 1]["instanceId"])
            if matches(each, selection):
                shown.append({**each, "input": None})
        return Page(shown, "")

    async def whole(self, instance_id: str) -> Mapping[str, Any]:
        self.looked_at.append(instance_id)
        if self.broken:
            raise TaskHubError("the platform answered 500 to a look at an instance")
        [found] = [r for r in self.rows if r["instanceId"] == instance_id]
        return {**found, "historyEvents": self.histories.get(instance_id, [])}


def matches(each: Mapping[str, Any], selection: Selection) -> bool:
    created = datetime.fromisoformat(each["createdTime"])
    return (
        (not selection.statuses or each["runtimeStatus"] in selection.statuses)
        and (selection.created_from is None or created >= selection.created_from)
        and (selection.created_to is None or created <= selection.created_to)
        and each["instanceId"].startswith(selection.prefix)
    )
