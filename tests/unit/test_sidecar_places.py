"""Where a finished image goes: whatever stands in an answer, it is one part of a path."""

from __future__ import annotations

import datetime as dt
import os
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from glimpsed.config.schema import Folder, OnDone
from glimpsed.model import Version
from glimpsed.sidecar import places

DAY = dt.datetime(2026, 11, 22, 23, 59, 59).astimezone().timestamp()
VERSION = Version(1, int(DAY) * 1_000_000_000)


def folder(**on_done: str) -> Folder:
    return Folder(name="in", path=Path("/in"), on_done=OnDone(**on_done))


def moved(template: str, data: Any = None) -> str:
    return places.directory(folder(move_to=template), VERSION, data)


def renamed(template: str, data: Any = None, name: str = "scan.PDF") -> str:
    return places.new_name(folder(rename_to=template), name, VERSION, data)


@pytest.mark.parametrize(
    ("template", "data", "place"),
    [
        ("../filed/{folder}/{date}", None, "../filed/in/2026-11-22"),
        ("{data.supplier}", {"supplier": 'ACME / Sons: "x"'}, "ACME - Sons- -x-"),
        ("{data.supplier}", {}, "unknown"),
        ("{data.supplier}", {"supplier": None}, "unknown"),
        ("{data.supplier}", {"supplier": "  "}, "unknown"),
        ("{data.supplier}", {"supplier": "../../etc"}, "-..-etc"),
        ("{data.supplier}", {"supplier": "..."}, "unknown"),
        ("{data.a.b}", {"a": {"b": 7}}, "7"),
        ("{data.a.b}", {"a": "no object"}, "unknown"),
        ("{data.total}", {"total": 12.5}, "12.5"),
        ("{data.date:7}/x", {"date": "2026-11-22"}, "2026-11/x"),
        ("{data.s}", {"s": "u\u0308ber"}, "\u00fcber"),
        ("{data.s}", [{"s": ""}, {"s": "second page"}], "second page"),
        ("{other}", None, "{other}"),
    ],
)
def test_move_to_is_filled_in(template: str, data: Any, place: str) -> None:
    assert moved(template, data) == place


def test_rename_to_keeps_the_suffix() -> None:
    data = {"date": "2026-11-22", "supplier": "ACME", "number": 4711}
    assert renamed("{data.date} {data.supplier} {data.number}", data) == "2026-11-22 ACME 4711.PDF"
    assert renamed("{stem} {folder}") == "scan in.PDF"
    assert places.new_name(folder(), "scan.PDF", VERSION, None) == "scan.PDF"


@given(st.text(), st.text())
def test_no_value_leaves_its_part_of_the_path(one: str, other: str) -> None:
    data = {"a": one, "b": other}
    place = moved("x/{data.a}/{data.b}", data)
    parts = place.split("/")
    assert len(parts) == 3
    for part in parts[1:]:
        assert part
        assert not part.startswith(".")
        assert len(os.fsencode(part)) <= 80
        assert not set(part) & set('\\:*?"<>|\0\n')
    name = renamed("{data.a}{data.b}" * 3, data, "x.jpg")
    assert "/" not in name
    assert len(os.fsencode(name)) <= 200


@pytest.mark.parametrize(
    ("template", "before", "after"),
    [
        ("{date} {stem}", "scan", "2026-11-22 scan"),
        ("{date} {stem}", "2026-11-20 scan", "2026-11-20 scan"),  # as it was called on another day
        ("{data.number} {stem}", "scan 1", "4711 scan 1"),
        ("{data.number} {stem}", "4711 scan 1", "4711 scan 1"),
        ("{stem} ({folder})", "a.b (in)", "a.b (in)"),
        ("[{stem}]*", "[x]y", "[[x]y]*"),
    ],
)
def test_a_name_does_not_grow_with_each_version(template: str, before: str, after: str) -> None:
    assert renamed(template, {"number": 4711}, f"{before}.jpg") == f"{after}.jpg"
    assert renamed(template, {"number": 4711}, f"{after}.jpg") == f"{after}.jpg"


def test_a_name_that_was_given_is_not_put_around_itself_when_the_answer_is_another_one() -> None:
    there = folder(rename_to="{data.x} {stem}")
    first = places.new_name(there, "B.jpg", VERSION, {"x": "A"})
    assert first == "A B.jpg"
    assert places.new_name(there, first, VERSION, {"x": "A"}, "B") == "A B.jpg"
    assert places.new_name(there, first, VERSION, {"x": "C"}, "B") == "C B.jpg"
    assert places.new_name(there, "A B-2.jpg", VERSION, {"x": "A"}, "B") == "A B-2.jpg"
