"""Hook of azd, before it provisions: what no template can see, and what it cannot do.

1. The resource group is neither Foundry's nor somebody else's: `azd down` deletes it with all that is in it.
2. With PRIVATE_NETWORKING, the provider Microsoft.App is registered: the subnet is delegated to it.

The variables of the azd environment are those of the process. Only the standard library and the Azure CLI are used.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping

from infra.azure_cli import AzureCli, NoAzureCliError, az

REGISTER = "az provider register --namespace Microsoft.App --wait"


def main(environment: Mapping[str, str], cli: AzureCli) -> int:
    """Print what is wrong; return 1 where the deployment must not go on."""
    wrong = refusal(environment)
    if wrong is None:
        try:
            wrong = somebody_elses(environment, cli) or unregistered(environment, cli)
        except NoAzureCliError as error:
            print(f"Not looked at, since {error}: {unseen(environment)}")  # noqa: T201 - a command-line program
    if wrong:
        print(f"Not deployed: {wrong}", file=sys.stderr)  # noqa: T201
    return 1 if wrong else 0


def group_of(environment: Mapping[str, str]) -> str:
    """Return the resource group that the templates create."""
    return environment.get("AZURE_RESOURCE_GROUP") or f"rg-{environment.get('AZURE_ENV_NAME', '')}"


def refusal(environment: Mapping[str, str]) -> str | None:
    """Return what is wrong with the variables alone."""
    group = group_of(environment)
    foundry = environment.get("FOUNDRY_SUBSCRIPTION_ID") or environment.get("AZURE_SUBSCRIPTION_ID", "")
    same = foundry.lower() == environment.get("AZURE_SUBSCRIPTION_ID", "").lower()
    if same and group.lower() == environment.get("FOUNDRY_RESOURCE_GROUP", "").lower():
        return f"the resource group {group} is Foundry's, and `azd down` would delete the account in it: name another"
    if group.endswith("."):
        return f"the resource group {group} ends with a full stop: name it by AZURE_RESOURCE_GROUP"
    return None


def somebody_elses(environment: Mapping[str, str], cli: AzureCli) -> str | None:
    """Return a refusal where the resource group exists and is not of this azd environment."""
    group = group_of(environment)
    subscription = environment.get("AZURE_SUBSCRIPTION_ID", "")
    found = cli("group", "show", "--name", group, *(["--subscription", subscription] if subscription else []))
    if found is None or (found.get("tags") or {}).get("azd-env-name") == environment.get("AZURE_ENV_NAME"):
        return None
    return (
        f"the resource group {group} exists and is not of this azd environment, and `azd down` would delete all that "
        "is in it. Name another by AZURE_RESOURCE_GROUP, or deploy into this one with az (docs/operations.md)"
    )


def unregistered(environment: Mapping[str, str], cli: AzureCli) -> str | None:
    """Register Microsoft.App where private networking needs it; return a refusal where that does not succeed."""
    if environment.get("PRIVATE_NETWORKING", "").lower() != "true":
        return None
    provider = cli("provider", "show", "--namespace", "Microsoft.App")
    if (provider or {}).get("registrationState") == "Registered":
        return None
    print("Registering Microsoft.App, to which the subnet is delegated: some minutes, once a subscription ...")  # noqa: T201
    cli("provider", "register", "--namespace", "Microsoft.App", "--wait")
    provider = cli("provider", "show", "--namespace", "Microsoft.App")
    if (provider or {}).get("registrationState") == "Registered":
        return None
    return f"Microsoft.App is not registered in the subscription. Somebody who may has to run: {REGISTER}"


def unseen(environment: Mapping[str, str]) -> str:
    """Return what an operator has to look at by hand without the Azure CLI."""
    private = environment.get("PRIVATE_NETWORKING", "").lower() == "true"
    group = f"that the resource group {group_of(environment)} is new or of this environment"
    return f"{group}; that Microsoft.App is registered ({REGISTER})" if private else group


if __name__ == "__main__":
    sys.exit(main(os.environ, az))
