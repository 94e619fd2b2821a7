"""What holds for every layer of tests."""

import signal


def pytest_configure() -> None:
    """Let the processes that tests start be interrupted: a shell has its background jobs ignore SIGINT."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
