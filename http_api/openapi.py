"""`GET /api/openapi.json`: this API's description of itself, for people's tools and for client generators."""

from __future__ import annotations

import re

import azure.durable_functions as df
import azure.functions as func
import msgspec

from http_api.answers import answering, json_answer
from http_api.query_parameters import VERSION_PARAMETER, openapi_version, refuse_others
from http_api.urls import path_of, public_base
from settings import SettingsError, http_auth_level, load_settings, public_address

blueprint = df.Blueprint()

_ROUTE = re.compile(r"/openapi\.json/?$", re.IGNORECASE)


@blueprint.route(route="openapi.json", methods=["GET"])
@answering
async def openapi(req: func.HttpRequest) -> func.HttpResponse:
    """Describe this API, as it is configured, in OpenAPI 3.1, or in 3.0 for tools that take nothing newer."""
    refuse_others(req.params, VERSION_PARAMETER)
    version = openapi_version(req.params)
    # Built when it is asked for: describing what is rarely read should not slow down the start of the app.
    from http_api.openapi_3_0 import VERSION, as_3_0  # noqa: PLC0415
    from http_api.openapi_document import openapi_document  # noqa: PLC0415

    try:
        settings = load_settings()
    except SettingsError:
        settings = None  # an app that is not configured can still say what it would take
    server = server_url(req.url, public_base(req.url, req.headers, public_address()))
    document = openapi_document(server, auth_level=http_auth_level(), settings=settings)
    return json_answer(as_3_0(msgspec.to_builtins(document)) if version == VERSION else document)


def server_url(request_url: str, base: str | None = None) -> str:
    """Return what all paths of the description sit below: `base`, or the origin of the request where there is none, and
    the route prefix.
    """
    own = _ROUTE.sub("", request_url.partition("?")[0])
    return own if base is None else base + path_of(own)
