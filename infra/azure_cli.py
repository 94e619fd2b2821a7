"""The Azure CLI, as the hooks of azd call it."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Callable
from typing import Any, TypeAlias

AzureCli: TypeAlias = Callable[..., Any]
"""Takes the words after `az`; returns the JSON it prints, None where it fails. Raises `NoAzureCliError`."""


class NoAzureCliError(Exception):
    """The Azure CLI is not installed; azd works without it."""


def az(*arguments: str) -> Any:
    """Call the Azure CLI of this machine, as whoever is signed in."""
    program = shutil.which("az")
    if program is None:
        raise NoAzureCliError("the Azure CLI (az) is not installed")
    command = [program, *arguments, "--output", "json", "--only-show-errors"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603 - our own arguments
    return json.loads(done.stdout or "null") if done.returncode == 0 else None
