"""Offline checks of the Bicep templates: there is no Bicep compiler to be had from the package registries. Where one is
on the PATH it runs too, and has the last word on syntax, names and types.

`python -m infra.checks` runs them all. What each must find is seeded as a fault in `tests/infra`.

bicep.py        templates as data, from the syntax tree
project.py      the files that are checked, and what a finding is
facts.py        resource types, API versions, roles, deny-lists
sdk_models.py   property names, from the models of the management SDKs
language.py     syntax, names, descriptions
contracts.py    what templates hand each other; the parameters file
resources.py    types, properties, roles
policy.py       what must be closed, encrypted, kept; what Flex Consumption refuses
consistency.py  host.json, app settings, azure.yaml, queries
suite.py        all of these
checkov.py      a scanner of others, run beside them
compiler.py     Microsoft's own compiler, run where it is installed
"""
