"""The page that leads through the code names only what there is."""

from __future__ import annotations

import functools
import importlib
import re
from pathlib import Path

import pytest

WALK = Path(__file__).parents[2] / "docs" / "walk.md"
NAMES = re.findall(r"`([a-z_.]+):([A-Za-z_.]+)`", WALK.read_text())


def test_it_names_the_way_from_event_to_end() -> None:
    assert len(NAMES) > 25


@pytest.mark.parametrize(("module", "name"), NAMES)
def test_what_it_names_exists(module: str, name: str) -> None:
    assert callable(functools.reduce(getattr, name.split("."), importlib.import_module(f"glimpsed.{module}")))
