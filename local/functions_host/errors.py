"""What ends the host with one clear line.

HostError (RuntimeError)
└── AppError                the function app cannot be loaded
"""

from __future__ import annotations


class HostError(RuntimeError):
    """The host cannot go on; the message is for the user, one line, with what to do."""


class AppError(HostError):
    """The function app does not load; the message names file, line and exception."""
