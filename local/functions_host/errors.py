"""What ends the host with one clear line.

HostError (RuntimeError)
└── AppError                the function app cannot be loaded
    └── BrokenRouteError    a route template cannot be read: the real host stops with state Error
"""

from __future__ import annotations


class HostError(RuntimeError):
    """The host cannot go on; the message is for the user, one line, with what to do."""


class AppError(HostError):
    """The function app does not load; the message names file, line and exception."""


class BrokenRouteError(AppError):
    """A route template is broken."""
