"""What is read from Foundry about a run while its caller waits: in threads of their own, within a time, and with each
failure as an answer.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar, cast

from contracts.codes import ErrorCode
from contracts.generations import generation_of_thread
from foundry.connection import agent_service
from foundry.errors import FoundryError, NotFoundError, OutOfReachError, ResponseTooLargeError
from foundry.service import AgentService
from http_api.agents import in_time
from http_api.answers import ApiError
from settings import Settings

T = TypeVar("T")


async def read_from_foundry(
    settings: Settings,
    threads: ThreadPoolExecutor,
    seconds: float,
    work: Callable[[AgentService], T],
    *,
    thread_id: str,
    gone: str,
) -> T:
    """Return what the work reads of this thread, from the service of its generation; raise a 404 with the text `gone`
    where Foundry says that it has that no longer.
    """
    service = agent_service(settings, generation_of_thread(thread_id))
    try:
        return cast("T", await in_time(threads, lambda: work(service.within(seconds)), seconds))
    except NotFoundError as error:
        if not error.names_it:  # the project, it may be, which is not found for a while after a deployment
            raise ApiError(502, error.code, error.message) from None
        raise ApiError(404, ErrorCode.NOT_FOUND, gone) from None
    except OutOfReachError as error:
        raise ApiError(404, error.code, error.message) from None
    except ResponseTooLargeError as error:
        raise ApiError(413, error.code, error.message) from None
    except FoundryError as error:
        raise ApiError(502, error.code, error.message) from None
    except TimeoutError:
        message = f"Foundry has not told within {seconds:.0f} seconds: ask again"
        raise ApiError(502, ErrorCode.CONNECTION_FAILED, message) from None
