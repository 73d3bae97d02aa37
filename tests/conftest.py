"""Fixtures for every test."""

from __future__ import annotations

import signal
from collections.abc import Iterator

import pytest

from glimpsed import journal

pytest_plugins = ["ledger_fixtures"]


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(autouse=True)
def _signals_as_they_come() -> None:
    """Programs that a test starts inherit what is ignored here, and would not hear Ctrl-C.

    A shell without job control starts what runs in the background with SIGINT ignored, and a service that has run in this
    process leaves its signals ignored.
    """
    signal.signal(signal.SIGINT, signal.default_int_handler)
    for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGUSR1):
        signal.signal(number, signal.SIG_DFL)


@pytest.fixture(autouse=True)
def _log_as_it_was() -> Iterator[None]:
    """A command that a test runs in its own process sets the log up; the next test finds none of that."""
    yield
    journal.close()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What is known to be slow has an hour."""
    for item in items:
        if item.get_closest_marker("slow") is not None:
            item.add_marker(pytest.mark.timeout(3600))
