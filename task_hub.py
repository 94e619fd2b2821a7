"""The app's task hub, as far as the durable client of the SDK does not reach: whole lists, histories, rewinds.

The SDK lists a first page only and shows no history (durable-protocol.md, rule 14). Its binding brings the extension's
address on this machine, which answers both without a key. This is the only module that looks into the SDK's client.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote, urlencode

import aiohttp
import azure.durable_functions as df
import msgspec

PAGE = 1000
"""The extension gives no more at once."""

MOST_PAGE_BYTES = 32_000_000
"""Of one page. A row holds its output, which may be a megabyte: then fewer rows are asked for."""

_FEWER = 8
_TOKEN = "x-ms-continuation-token"  # noqa: S105 - a header's name
_TIMEOUT = aiohttp.ClientTimeout(total=60, sock_connect=5)
_NO_SUCH_OPERATION = ("not supported", "notsupported", "notimplemented", "not implemented")


class TaskHubError(RuntimeError):
    """The platform did not do what it was asked for; asking again may help."""


class RewindUnsupportedError(TaskHubError):
    """The storage provider knows no rewind."""


@dataclass(frozen=True, kw_only=True)
class Selection:
    """Which instances a list shows; what is not given selects nothing."""

    statuses: Sequence[str] = ()
    """The platform's words, exactly."""
    created_from: datetime | None = None
    created_to: datetime | None = None
    prefix: str = ""
    """Of their ids."""


@dataclass(frozen=True)
class Page:
    """A part of a list: Durable status payloads without their inputs, by id ascending, and the token of the next part,
    empty where there is none. A page may be empty and have a token.
    """

    rows: list[dict[str, Any]]
    token: str


class TaskHub:
    """The instances of this app's task hub. Raises `TaskHubError`, or what aiohttp raises for the network."""

    def __init__(self, client: df.DurableOrchestrationClient) -> None:
        self._address: str = client._orchestration_bindings.rpc_base_url  # noqa: SLF001 - see the module's docstring

    async def pages(
        self, *, created_from: datetime, created_to: datetime, statuses: Sequence[str]
    ) -> AsyncIterator[list[dict[str, Any]]]:
        """Yield the Durable status payloads of all instances created in the window, without their inputs, a page at a
        time. A page may be empty.
        """
        selection = Selection(statuses=statuses, created_from=created_from, created_to=created_to)
        token, seen = "", {""}
        while True:
            page = await self.page(selection, token)
            yield page.rows
            token = page.token
            if token in seen:
                return
            seen.add(token)

    async def page(self, selection: Selection, token: str = "", top: int = PAGE) -> Page:
        """Return the part of a list that the token leads to, its beginning without one. It has `top` rows at most, and
        fewer where they are large.
        """
        headers = {_TOKEN: token} if token else {}
        async with aiohttp.ClientSession(timeout=_TIMEOUT) as session:
            while True:
                address = f"{self._address}instances/?{urlencode(_query(selection, top))}"
                async with session.get(address, headers=headers) as answer:
                    body = await _bounded(answer, None if top == 1 else MOST_PAGE_BYTES)
                    next_token = answer.headers.get(_TOKEN, "")
                if body is not None:
                    break
                top = max(1, top // _FEWER)
        rows = _json(body)
        if answer.status != 200 or not isinstance(rows, list):
            raise TaskHubError(f"the platform answered {answer.status} to a list of instances")
        return Page([row for row in rows if isinstance(row, dict)], next_token)

    async def whole(self, instance_id: str) -> Mapping[str, Any]:
        """Return the Durable status payload with `input` and `historyEvents` and their results; empty where there is no
        such instance.
        """
        query = "showInput=true&showHistory=true&showHistoryOutput=true"
        address = f"{self._address}instances/{quote(instance_id, safe='')}?{query}"
        async with aiohttp.ClientSession(timeout=_TIMEOUT) as session, session.get(address) as answer:
            payload = _json(await answer.read())
        if answer.status == 404:
            return {}
        if answer.status not in (200, 202) or not isinstance(payload, dict):
            raise TaskHubError(f"the platform answered {answer.status} to a look at an instance")
        return payload

    async def rewind(self, instance_id: str, reason: str) -> bool:
        """Put a failed instance back to before its failure; return whether it had failed. Raises
        `RewindUnsupportedError`.
        """
        address = f"{self._address}instances/{quote(instance_id, safe='')}/rewind?{urlencode({'reason': reason})}"
        async with aiohttp.ClientSession(timeout=_TIMEOUT) as session, session.post(address) as answer:
            text = (await answer.read()).decode("utf-8", "replace").lower()
        if answer.status in (200, 202):
            return True
        if answer.status in (404, 410, 412):
            return False
        if answer.status in (405, 501) or any(words in text for words in _NO_SUCH_OPERATION):
            raise RewindUnsupportedError("the storage provider knows no rewind")
        raise TaskHubError(f"the platform answered {answer.status} to a rewind")

    async def purge(self, instance_id: str) -> int:
        """Purge an instance that has ended; return how many were purged: none where it is gone, or goes on again.

        The SDK does not escape ids, so that one with a question mark would name another instance, or all of them.
        """
        if not instance_id.strip("."):
            raise TaskHubError("no address names this instance")
        address = f"{self._address}instances/{quote(instance_id, safe='')}"
        async with aiohttp.ClientSession(timeout=_TIMEOUT) as session, session.delete(address) as answer:
            purged = _json(await answer.read())
        if answer.status in (404, 410, 412):
            return 0
        if answer.status != 200 or not isinstance(purged, dict):
            raise TaskHubError(f"the platform answered {answer.status} to a purge")
        count = purged.get("instancesDeleted")
        return count if isinstance(count, int) else 0

    async def terminate(self, instance_id: str, reason: str) -> None:
        """Terminate an instance, unless it has ended."""
        address = f"{self._address}instances/{quote(instance_id, safe='')}/terminate?{urlencode({'reason': reason})}"
        async with aiohttp.ClientSession(timeout=_TIMEOUT) as session, session.post(address) as answer:
            await answer.read()
        if answer.status not in (200, 202, 404, 410):
            raise TaskHubError(f"the platform answered {answer.status} to a termination")


def _query(selection: Selection, top: int) -> dict[str, str]:
    given = {
        "createdTimeFrom": _time(selection.created_from) if selection.created_from else "",
        "createdTimeTo": _time(selection.created_to) if selection.created_to else "",
        "runtimeStatus": ",".join(selection.statuses),
        "instanceIdPrefix": selection.prefix,
        "showInput": "false",
        "top": str(top),
    }
    return {name: value for name, value in given.items() if value}


async def _bounded(answer: aiohttp.ClientResponse, most: int | None) -> bytes | None:
    """Return the body; None where it has more bytes than that."""
    body = bytearray()
    async for chunk in answer.content.iter_any():
        body += chunk
        if most is not None and len(body) > most:
            answer.close()
            return None
    return bytes(body)


def _time(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def _json(body: bytes) -> Any:
    try:
        return msgspec.json.decode(body) if body else None
    except msgspec.DecodeError:
        return None
