import importlib.util

import pytest


def test_the_checks_of_infra_can_run() -> None:
    if importlib.util.find_spec("tree_sitter_bicep") is None:
        pytest.skip("the other tests of infra/ run in an environment of their own: make infra-check")
    assert importlib.util.find_spec("checkov"), "install infra/requirements-checks.txt: make infra-check"
