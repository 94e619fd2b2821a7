"""The command as `pip install .` makes it, without installing it."""

from __future__ import annotations

import sys
from pathlib import Path

from tests.functions_host.harness import REPOSITORY


def command_in(folder: Path) -> Path:
    """Put `agent-runs` into a folder, and return that, for the PATH."""
    code = 'from client.command import main; import sys; sys.exit(main("agent-runs"))'
    folder.mkdir()
    command = folder / "agent-runs"
    command.write_text(f"#!/bin/sh\nPYTHONPATH={REPOSITORY} exec {sys.executable} -c '{code}' \"$@\"\n")
    command.chmod(0o755)
    return folder
