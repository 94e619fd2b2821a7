"""Bicep, settings.py and the example of local settings: the same settings with the same defaults."""

from __future__ import annotations

import json

import settings
from infra.checks.consistency import default_settings, deployed_settings
from infra.checks.project import Project
from tests.infra.conftest import ROOT

LOCAL_ONLY = {"FOUNDRY_ACCESS_TOKEN"}
"""A developer's bearer token: a secret, so it is never deployed."""

OF_THE_DEPLOYMENT = {"FOUNDRY_PROJECT_ENDPOINT", "FOUNDRY_RESOURCE_ID", "AZURE_CLIENT_ID", "HTTP_AUTH_LEVEL"}
"""What the deployment knows by itself; HTTP_AUTH_LEVEL follows authMode."""

EXAMPLES = {"FOUNDRY_PROJECT_ENDPOINT"}
"""Required, so there is no default to repeat: the local example shows its shape."""

OF_THE_HOST = {"FUNCTIONS_WORKER_RUNTIME", "AzureWebJobsStorage", "TASKHUB_NAME", "PYTHON_THREADPOOL_THREAD_COUNT"}
"""Settings of the Functions host: settings.py does not read them."""

PROJECT = Project(ROOT)


def test_the_checks_read_the_defaults_that_the_app_uses() -> None:
    assert default_settings(PROJECT) == settings.DEFAULTS


def test_bicep_deploys_every_setting_but_those_for_local_work() -> None:
    assert deployed_settings(PROJECT).keys() == settings.DEFAULTS.keys() - LOCAL_ONLY


def test_bicep_has_the_defaults_of_the_app() -> None:
    deployed = deployed_settings(PROJECT)
    assert {name for name, default in deployed.items() if default is None} == OF_THE_DEPLOYMENT
    for name in deployed.keys() - OF_THE_DEPLOYMENT:
        assert deployed[name] == settings.DEFAULTS[name], name


def test_the_local_example_has_every_setting_with_its_default() -> None:
    values = json.loads((ROOT / "local.settings.example.json").read_text())["Values"]
    assert values.keys() - OF_THE_HOST == settings.DEFAULTS.keys()
    for name in settings.DEFAULTS.keys() - EXAMPLES:
        assert values[name] == settings.DEFAULTS[name], name


def test_a_local_token_is_in_no_template() -> None:
    for file, template in PROJECT.templates.items():
        assert not any(name in template.text for name in LOCAL_ONLY), file
