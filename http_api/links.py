"""Where the answers to a request lead: our own URLs of a run, the platform's, and which of them to follow."""

from __future__ import annotations

from dataclasses import dataclass

import azure.durable_functions as df
import azure.functions as func

from http_api.urls import base_url, durable_urls, own_urls
from settings import public_address

FAILURE_IS_500 = "returnInternalServerErrorOnFailure"
"""The Durable extension's own query parameter: for pollers that know no status documents, a failed run is a 500."""


@dataclass(frozen=True)
class Links:
    """The URLs of one run."""

    own: dict[str, str]
    durable: dict[str, str]
    location: str
    """What a client can follow that sends nothing but what it has sent already. The key of a URL is not in ours, while
    the platform's have one of their own, which a key in a header would spoil.
    """


def links(
    req: func.HttpRequest, client: df.DurableOrchestrationClient, instance_id: str, *, failure_is_500: bool = False
) -> Links:
    """Return the URLs as a caller of this request can reach them. Raises `BadHostError`."""
    query = f"{FAILURE_IS_500}=true" if failure_is_500 else ""
    base = base_url(req.url, req.headers, public_address())
    own = own_urls(req.url, instance_id, base=base, query=query)
    durable = durable_urls(client.create_http_management_payload(instance_id), base, query=query)
    return Links(own, durable, durable["statusQueryGetUri"] if _key_is_in_the_url(req) else own["runUri"])


def _key_is_in_the_url(req: func.HttpRequest) -> bool:
    """Say whether the caller's key came as `code=`; one in a header wins over it (functions-host.md, section 2)."""
    return "x-functions-key" not in req.headers and any(n.lower() == "code" and v for n, v in req.params.items())
