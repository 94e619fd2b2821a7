"""The command line: `agent-runs`, or `python -m client` in the repository."""

from .main import main

__all__ = ["main"]
