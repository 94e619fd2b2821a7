"""Finds the newest Python of this machine that the project supports; make and CI ask it, so it needs no package.

``python tests/worker/interpreters.py [--at-least 3.13]`` prints its path, or nothing and ends with 1. A name on PATH is
not enough: a shim of pyenv may stand there and refuse to run, and Debian has interpreters without venv.
"""

from __future__ import annotations

import argparse
import os
import re
import subprocess
import sys
import tomllib
from collections.abc import Mapping
from pathlib import Path

Version = tuple[int, int]
PYPROJECT = Path(__file__).resolve().parents[2] / "pyproject.toml"
DEBIAN = ("/usr/local/bin", "/usr/bin")
PATIENCE_SECONDS = 30
PROBE = "import ensurepip, sys, venv; v = sys.version_info; print(v.major, v.minor, v.releaselevel)"


def main(arguments: list[str] | None = None) -> int:
    """Print the path of the newest interpreter that will do."""
    parser = argparse.ArgumentParser(description="Find the newest Python that the project supports.")
    parser.add_argument("--at-least", type=version, metavar="X.Y", help="default: the oldest one that is supported")
    options = parser.parse_args(arguments)
    oldest, beyond = supported(PYPROJECT.read_text("utf-8"))
    oldest = options.at_least or oldest
    path = newest({p: runs_as(p) for p in candidates(os.environ, oldest, beyond)}, oldest, beyond)
    if path is None:
        return 1
    sys.stdout.write(f"{path}\n")
    return 0


def version(text: str) -> Version:
    """Read ``3.13``."""
    major, minor = text.split(".")
    return int(major), int(minor)


def supported(pyproject: str) -> tuple[Version, Version]:
    """Return the oldest supported version, and the first that is too new."""
    found = re.fullmatch(r">=(\d+\.\d+),<(\d+\.\d+)", tomllib.loads(pyproject)["project"]["requires-python"])
    assert found is not None
    return version(found[1]), version(found[2])


def candidates(environment: Mapping[str, str], oldest: Version, beyond: Version) -> list[Path]:
    """Return what may be such an interpreter: on PATH, in Debian's folders, and what pyenv has installed."""
    names = [*(f"python3.{minor}" for minor in range(beyond[1] - 1, oldest[1] - 1, -1)), "python3"]
    folders = [Path(f) for f in (*environment.get("PATH", "").split(os.pathsep), *DEBIAN) if f]
    installed = [root / "bin" / "python3" for root in sorted((_pyenv_root(environment) / "versions").glob("*"))]
    found = [*(folder / name for folder in folders for name in names), *installed]
    return [path for path in dict.fromkeys(found) if path.is_file()]


def _pyenv_root(environment: Mapping[str, str]) -> Path:
    if root := environment.get("PYENV_ROOT"):
        return Path(root)
    try:
        asked = subprocess.run(
            ["pyenv", "root"], capture_output=True, text=True, check=True, timeout=PATIENCE_SECONDS, env=environment
        )
    except (OSError, subprocess.SubprocessError):
        return Path.home() / ".pyenv"
    return Path(asked.stdout.strip())


def runs_as(path: Path) -> Version | None:
    """Return the version of an interpreter that runs and can make environments; None for anything else."""
    try:
        asked = subprocess.run(
            [path, "-I", "-c", PROBE], capture_output=True, text=True, check=True, timeout=PATIENCE_SECONDS
        )
        major, minor, level = asked.stdout.split()
    except (OSError, ValueError, subprocess.SubprocessError):
        return None
    return (int(major), int(minor)) if level == "final" else None


def newest(found: Mapping[Path, Version | None], at_least: Version, below: Version) -> Path | None:
    """Return the newest within the bounds, the first of several."""
    fit = {path: number for path, number in found.items() if number is not None and at_least <= number < below}
    return max(fit, key=lambda path: fit[path], default=None)


if __name__ == "__main__":
    sys.exit(main())
