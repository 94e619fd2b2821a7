"""Stands in for Microsoft's package of this name, which is not public, so that the SDK's own tests run without it.

Decorators pass through, and arguments come from the environment. Over plain http the SDK would send no token.
"""

import os
import time
from enum import Enum

from azure.core.credentials import AccessToken
from azure.core.pipeline.policies import _authentication

_authentication._enforce_https = lambda request: None


class RecordedTransport(Enum):
    AZURE_CORE = "azure-core"
    HTTPX2 = "httpx2"


class Credential:
    def get_token(self, *scopes, **options):
        return AccessToken("fake", int(time.time()) + 3600)


class AzureRecordedTestCase:
    def get_credential(self, client, **options):
        return Credential()


def recorded_by_proxy(*transports):
    return lambda test: test


def is_live_and_not_recording():
    return False


class EnvironmentVariableLoader:
    def __init__(self, directory, **given):
        self._given = {name: os.environ.get(name.upper(), value) for name, value in given.items()}

    def __call__(self, test):
        given = self._given

        def with_arguments(self):
            test(self, **given)

        return with_arguments
