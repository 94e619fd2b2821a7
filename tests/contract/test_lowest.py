"""`make test-lowest` really takes the lowest packages: a bound that no test runs with is a guess."""

from __future__ import annotations

import pytest
from packaging.requirements import Requirement

from tests.lowest import ROOT, TOOLS, lowest, tools


def test_every_requirement_is_pinned_to_its_lower_bound() -> None:
    text = "# why\na>=1.21,<2; python_version < '3.13'\nb-c>=2  # why\n\n-r other.txt\n"
    assert lowest(text) == ["a==1.21; python_version < '3.13'", "b-c==2"]
    lines = (ROOT / "requirements.txt").read_text("utf-8").splitlines()
    wanted = [Requirement(line.split("  #")[0]) for line in lines if line and not line.startswith("#")]
    pinned = [Requirement(line) for line in lowest("\n".join(lines))]
    assert [(r.name, str(r.marker)) for r in pinned] == [(r.name, str(r.marker)) for r in wanted]
    for pin, want in zip(pinned, wanted, strict=True):
        (version,) = (s.version for s in pin.specifier)
        assert version in want.specifier
        assert f">={version}" in str(want.specifier)


@pytest.mark.parametrize("line", ["a", "a<2", "a==1", "a~=1.2", "a>1"])
def test_a_requirement_without_a_lower_bound_is_refused(line: str) -> None:
    with pytest.raises(ValueError, match="has no lower bound"):
        lowest(line)


def test_the_tools_are_those_of_the_development_environment() -> None:
    found = tools((ROOT / "requirements-dev.txt").read_text("utf-8"))
    assert {Requirement(line).name for line in found} == TOOLS
