"""Fixtures for every test."""

from __future__ import annotations

import pytest

pytest_plugins = ["ledger_fixtures"]


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"
