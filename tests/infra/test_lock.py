"""The lock of what is deployed: made from requirements.txt, for every supported Python, with hashes."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from packaging.requirements import Requirement

ROOT = Path(__file__).resolve().parents[2]
PYTHONS = ("3.11", "3.12", "3.13", "3.14")


def entries(name: str) -> list[str]:
    """Each entry of a requirements file in one line, without comments."""
    text = re.sub(r"(?m)(^|\s)#.*$", "", (ROOT / name).read_text())
    return [line.strip() for line in text.replace("\\\n", " ").splitlines() if line.strip()]


LOCKED = [(Requirement(re.sub(r"\s*--hash=\S+", "", entry)), entry) for entry in entries("infra/requirements.lock")]


@pytest.mark.parametrize("python", PYTHONS)
def test_the_lock_has_one_version_that_requirements_txt_admits(python: str) -> None:
    environment = {"python_version": python, "python_full_version": f"{python}.0"}
    wanted = [Requirement(entry) for entry in entries("requirements.txt")]
    assert len(wanted) > 8
    for requirement in (w for w in wanted if w.marker is None or w.marker.evaluate(environment)):
        pins = [
            locked
            for locked, _ in LOCKED
            if locked.name == requirement.name and (locked.marker is None or locked.marker.evaluate(environment))
        ]
        versions = [str(pin.specifier).removeprefix("==") for pin in pins]
        assert len(versions) == 1, f"{requirement} on Python {python}: make lock"
        assert requirement.specifier.contains(versions[0]), f"{requirement} on Python {python}: make lock"


def test_every_version_is_pinned_with_its_hashes() -> None:
    assert len(LOCKED) > 25
    for locked, entry in LOCKED:
        assert re.fullmatch(r"==[\w.]+", str(locked.specifier)), entry[:60]
        assert "--hash=sha256:" in entry, locked.name


def test_the_lock_names_no_package_host() -> None:
    assert "://" not in (ROOT / "infra" / "requirements.lock").read_text()
