"""What holds for every layer of tests."""

import signal

import pytest


def pytest_configure() -> None:
    """Let the processes that tests start be interrupted: a shell has its background jobs ignore SIGINT."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with what takes long, so that nobody waits for it alone at the end."""
    items.sort(key=lambda item: item.get_closest_marker("slow") is None)
