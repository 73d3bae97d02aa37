"""The walk through the code names what is there."""

from __future__ import annotations

import importlib
import re
from pathlib import Path

import pytest

PAGE = Path(__file__).parents[2] / "docs" / "walk.md"
NAMES = sorted(set(re.findall(r"`([a-z_]+(?:\.[A-Za-z_]+)*)`", PAGE.read_text())) - {"done", "on_done"})


def test_it_names_enough_to_be_a_walk() -> None:
    assert len(NAMES) > 25


@pytest.mark.parametrize("name", NAMES)
def test_what_it_names_is_there(name: str) -> None:
    parts = ["glimpsed", *name.split(".")]
    for at in range(len(parts), 0, -1):
        try:
            found = importlib.import_module(".".join(parts[:at]))
        except ModuleNotFoundError:
            continue
        for attribute in parts[at:]:
            found = getattr(found, attribute)
        return
