"""`GET /api/health` (liveness) and `GET /api/health/ready` (can this app do its work, and if not, what is to be
done).
"""

from __future__ import annotations

import azure.durable_functions as df
import azure.functions as func

from http_api.agents import checks as threads
from http_api.agents import foundry_problem, in_time
from http_api.answers import answering, json_answer
from http_api.messages import Check, CheckName, Health, Readiness
from settings import Settings, SettingsError, ignored_settings, load_settings
from version import VERSION

blueprint = df.Blueprint()


@blueprint.route(route="health", methods=["GET"], auth_level=func.AuthLevel.ANONYMOUS)
@answering
async def health(req: func.HttpRequest) -> func.HttpResponse:  # noqa: ARG001 - the trigger's parameter
    """Say that the app is alive, and its version; nothing else, since anybody may ask."""
    return json_answer(Health(status="ok", version=VERSION))


@blueprint.route(route="health/ready", methods=["GET"])
@answering
async def ready(req: func.HttpRequest) -> func.HttpResponse:  # noqa: ARG001 - the trigger's parameter
    """Check settings, token and project, each with its result and its remedy: 200 if all are fine, else 503."""
    try:
        checks = await in_time(threads, readiness_checks)
    except TimeoutError:
        checks = [_not_in_time("settings"), _not_in_time("token"), _not_in_time("project")]
    fine = all(check.ok for check in checks)
    return json_answer(Readiness(ready=fine, checks=checks), 200 if fine else 503)


def readiness_checks() -> list[Check]:
    """Return the checks in order; one that an earlier failure makes pointless is reported as not made."""
    try:
        settings = load_settings()
    except SettingsError as error:
        failed = Check(
            name="settings",
            ok=False,
            message="; ".join(f"{p.setting} {p.message}" for p in error.problems),
            settings=[p.setting for p in error.problems],
        )
        return [failed, _not_made("token", "settings"), _not_made("project", "settings")]
    message = "; ".join(["valid", *ignored_settings()])
    return [Check(name="settings", ok=True, message=message), *_foundry_checks(settings)]


def _foundry_checks(settings: Settings) -> list[Check]:
    problem = foundry_problem(settings)
    token_fine = Check(name="token", ok=True, message="obtained")
    if problem is None:
        return [token_fine, Check(name="project", ok=True, message="reachable")]
    if problem.before_token:
        return [Check(name="token", ok=False, message=problem.message), _not_made("project", "token")]
    return [token_fine, Check(name="project", ok=False, message=problem.message)]


def _not_made(name: CheckName, because: str) -> Check:
    return Check(name=name, ok=False, message=f"not checked: {because} first")


def _not_in_time(name: CheckName) -> Check:
    return Check(
        name=name, ok=False, message="not checked in time: Foundry, or what gives out tokens, is slow; ask again"
    )
