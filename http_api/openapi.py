"""`GET /api/openapi.json`: this API's description of itself, for people's tools and for client generators."""

from __future__ import annotations

import re

import azure.durable_functions as df
import azure.functions as func

from http_api.answers import answering, json_answer
from settings import SettingsError, http_auth_level, load_settings

blueprint = df.Blueprint()

_ROUTE = re.compile(r"/openapi\.json/?$", re.IGNORECASE)


@blueprint.route(route="openapi.json", methods=["GET"])
@answering
async def openapi(req: func.HttpRequest) -> func.HttpResponse:
    """Describe this API, as it is configured, in OpenAPI 3.1."""
    # Built when it is asked for: describing what is rarely read should not slow down the start of the app.
    from http_api.openapi_document import openapi_document  # noqa: PLC0415

    try:
        settings = load_settings()
    except SettingsError:
        settings = None  # an app that is not configured can still say what it would take
    return json_answer(openapi_document(server_url(req.url), auth_level=http_auth_level(), settings=settings))


def server_url(request_url: str) -> str:
    """Return the origin and route prefix of the request, below which all paths of the description sit."""
    return _ROUTE.sub("", request_url.partition("?")[0])
