"""`GET /api/health` (liveness) and `GET /api/health/ready` (can this app do its work, and if not, what is to be
done).
"""

from __future__ import annotations

import asyncio

import azure.durable_functions as df
import azure.functions as func

from contracts.generations import CAPABILITIES, Generation
from http_api.agents import checks as threads
from http_api.agents import foundry_problem, in_time
from http_api.answers import answering, json_answer
from http_api.messages import Check, CheckName, Health, Readiness
from http_api.stored import in_store
from settings import Settings, SettingsError, ignored_settings, load_settings
from store.documents import StoreError
from version import VERSION

blueprint = df.Blueprint()

STORAGE_SECONDS = 15.0

_CHECKS_OF_FOUNDRY: tuple[CheckName, ...] = ("token", *CAPABILITIES)


@blueprint.route(route="health", methods=["GET"], auth_level=func.AuthLevel.ANONYMOUS)
@answering
async def health(req: func.HttpRequest) -> func.HttpResponse:  # noqa: ARG001 - the trigger's parameter
    """Say that the app is alive, and its version; nothing else, since anybody may ask."""
    return json_answer(Health(status="ok", version=VERSION))


@blueprint.route(route="health/ready", methods=["GET"])
@answering
async def ready(req: func.HttpRequest) -> func.HttpResponse:  # noqa: ARG001 - the trigger's parameter
    """Check settings, token, project and storage, each with its result and its remedy: 200 if all are fine, else
    503.
    """
    checks = [check for found in await asyncio.gather(_checks_of_foundry(), _check_of_storage()) for check in found]
    fine = all(check.ok for check in checks)
    return json_answer(Readiness(ready=fine, checks=checks), 200 if fine else 503)


async def _checks_of_foundry() -> list[Check]:
    try:
        checks: list[Check] = await in_time(threads, readiness_checks)
    except TimeoutError:
        because = "Foundry, or what gives out tokens, is slow"
        checks = [_not_in_time(name, because) for name in ("settings", *_CHECKS_OF_FOUNDRY)]
    return checks


async def _check_of_storage() -> list[Check]:
    """Ask the storage that holds whose conversations and keys are whose."""
    try:
        await asyncio.wait_for(in_store(lambda store: store.check()), STORAGE_SECONDS)
    except StoreError as error:
        return [Check(name="storage", ok=False, message=error.message)]
    except TimeoutError:
        return [_not_in_time("storage", "the storage account is slow")]
    return [Check(name="storage", ok=True, message="reachable")]


def readiness_checks() -> list[Check]:
    """Return the checks of settings and Foundry in order; one that an earlier failure makes pointless is reported as
    not made.
    """
    try:
        settings = load_settings()
    except SettingsError as error:
        failed = Check(
            name="settings",
            ok=False,
            message="; ".join(f"{p.setting} {p.message}" for p in error.problems),
            settings=[p.setting for p in error.problems],
        )
        return [failed, *(_not_made(name, "settings") for name in _CHECKS_OF_FOUNDRY)]
    message = "; ".join(["valid", *ignored_settings()])
    return [Check(name="settings", ok=True, message=message), *_foundry_checks(settings)]


def _foundry_checks(settings: Settings) -> list[Check]:
    """Return the check of the token, which both generations share, and one of each that is switched on."""
    token = Check(name="token", ok=True, message="obtained")
    checks = []
    for generation in settings.generations:
        problem = foundry_problem(settings, generation) if token.ok else None
        if problem is not None and problem.before_token:
            token = Check(name="token", ok=False, message=problem.message)
        if not token.ok:
            checks.append(_not_made(generation, "token"))
        elif problem is None:
            checks.append(Check(name=generation, ok=True, message="reachable"))
        else:
            checks.append(
                Check(name=generation, ok=False, message=_with_way_out(problem.message, generation, settings))
            )
    return [token, *checks]


def _with_way_out(message: str, generation: Generation, settings: Settings) -> str:
    """Return the message with what to do where this generation is not wanted, or is no more, and the other one is."""
    others = [other for other in settings.generations if other != generation]
    return f"{message.rstrip('. ')}. To do without: FOUNDRY_GENERATIONS={others[0]}" if others else message


def _not_made(name: CheckName, because: str) -> Check:
    return Check(name=name, ok=False, message=f"not checked: {because} first")


def _not_in_time(name: CheckName, because: str) -> Check:
    return Check(name=name, ok=False, message=f"not checked in time: {because}; ask again")
