"""The page that leads through the code names only what there is, and a name in the code means one thing."""

from __future__ import annotations

import ast
import functools
import importlib
import re
from collections import defaultdict
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
WALK = ROOT / "docs" / "walk.md"
NAMES = re.findall(r"`([a-z_.]+):([A-Za-z_.]+)`", WALK.read_text())


def test_it_names_the_way_from_event_to_end() -> None:
    assert len(NAMES) > 25


@pytest.mark.parametrize(("module", "name"), NAMES)
def test_what_it_names_exists(module: str, name: str) -> None:
    assert callable(functools.reduce(getattr, name.split("."), importlib.import_module(f"glimpsed.{module}")))


def test_no_two_modules_call_a_class_the_same() -> None:
    found: defaultdict[str, list[str]] = defaultdict(list)
    for path in sorted((ROOT / "daemon" / "glimpsed").rglob("*.py")):
        for node in ast.parse(path.read_text(encoding="utf-8")).body:
            if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
                found[node.name].append(str(path.relative_to(ROOT)))
    assert len(found) > 300
    assert {name: where for name, where in found.items() if len(where) > 1} == {}
