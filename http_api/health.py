"""`GET /api/health` (liveness) and `GET /api/health/ready` (can this app do its work, and if not, what is to be
done).
"""

from __future__ import annotations

import asyncio
from typing import Any

import azure.durable_functions as df
import azure.functions as func

from contracts.codes import ErrorCode
from http_api.agents import foundry_problem
from http_api.answers import answering, json_answer
from settings import Settings, SettingsError, load_settings
from version import VERSION

blueprint = df.Blueprint()


@blueprint.route(route="health", methods=["GET"], auth_level=func.AuthLevel.ANONYMOUS)
@answering
async def health(req: func.HttpRequest) -> func.HttpResponse:  # noqa: ARG001 - the trigger's parameter
    """Say that the app is alive, and its version; nothing else, since anybody may ask."""
    return json_answer({"status": "ok", "version": VERSION})


@blueprint.route(route="health/ready", methods=["GET"])
@answering
async def ready(req: func.HttpRequest) -> func.HttpResponse:  # noqa: ARG001 - the trigger's parameter
    """Check settings, token and project, each with its result and its remedy: 200 if all are fine, else 503."""
    checks = await asyncio.to_thread(readiness_checks)
    fine = all(check["ok"] for check in checks)
    return json_answer({"ready": fine, "checks": checks}, 200 if fine else 503)


def readiness_checks() -> list[dict[str, Any]]:
    """Return the checks in order; one that an earlier failure makes pointless is reported as not made."""
    try:
        settings = load_settings()
    except SettingsError as error:
        failed = {
            "name": "settings",
            "ok": False,
            "message": "; ".join(f"{p.setting} {p.message}" for p in error.problems),
            "settings": [p.setting for p in error.problems],
        }
        return [failed, _not_made("token", "settings"), _not_made("project", "settings")]
    return [{"name": "settings", "ok": True, "message": "valid"}, *_foundry_checks(settings)]


def _foundry_checks(settings: Settings) -> list[dict[str, Any]]:
    problem = foundry_problem(settings)
    token_fine = {"name": "token", "ok": True, "message": "obtained"}
    if problem is None:
        return [token_fine, {"name": "project", "ok": True, "message": "reachable"}]
    code, message = problem
    if code in {ErrorCode.NO_TOKEN, ErrorCode.TOKEN_UNAVAILABLE}:
        return [{"name": "token", "ok": False, "message": message}, _not_made("project", "token")]
    return [token_fine, {"name": "project", "ok": False, "message": message}]


def _not_made(name: str, because: str) -> dict[str, Any]:
    return {"name": name, "ok": False, "message": f"not checked: {because} first"}
