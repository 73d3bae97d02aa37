"""A night of outage makes a handful of lines; what happened to a file is never left out."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from glimpsed.journal import events
from glimpsed.journal.flood import BURST, WINDOWS, Flood

NIGHT = 12 * 3600


def through(records: list[tuple[float, dict[str, Any]]]) -> list[dict[str, Any]]:
    flood, said = Flood(), []
    for now, record in records:
        said += flood.due(now)
        if (line := flood.admit(record, now)) is not None:
            said.append(line)
    return [dict(r) for r in said + flood.rest()]


def test_a_share_that_flaps_all_night_makes_a_handful_of_lines_the_last_one_true() -> None:
    records: list[tuple[float, dict[str, Any]]] = []
    for minute in range(0, NIGHT, 60):
        records.append((minute, {"event": events.FOLDER_LOST, "folder": "in", "reason": f"try {minute}"}))
        records.append((minute + 30, {"event": events.FOLDER_BACK, "folder": "in"}))
    said = through(records)
    assert len(said) <= 16
    assert said[-1]["event"] == events.FOLDER_BACK
    assert sum(1 + line.get("repeated", 0) for line in said) == len(records)


def test_a_gateway_that_is_down_all_night_makes_a_handful_of_lines() -> None:
    records = [
        (second, {"event": events.FILE_RETRY, "folder": "in", "model": "m", "file": f"{second}.jpg",
                  "reason": f"{second}.jpg: 503, again in {second % 97}.{second % 10} s"})
        for second in range(0, NIGHT, 5)
    ]  # fmt: skip
    assert len(through(records)) <= 16


def test_folders_do_not_hide_one_another() -> None:
    records = [(0.0, {"event": events.FOLDER_LOST, "folder": f"f{n}", "reason": "gone"}) for n in range(50)]
    assert len(through(records)) == 50


def test_another_reason_is_said_at_once() -> None:
    same = [(0.0, {"event": events.SIDECAR_BLOCKED, "folder": "in", "reason": "no space"})] * 50
    said = through([*same, (1.0, {"event": events.SIDECAR_BLOCKED, "folder": "in", "reason": "read-only"})])
    assert [s["reason"] for s in said] == ["no space"] * BURST + ["read-only", "no space"]


@pytest.mark.parametrize("event", [events.FILE_DONE, events.FILE_FAILED, events.FILE_REUSED, "bug"])
def test_what_happened_to_a_file_always_has_its_line(event: str) -> None:
    records = [(0.0, {"event": event, "folder": "in", "file": str(n), "reason": "x"}) for n in range(500)]
    assert len(through(records)) == 500


def test_after_a_quiet_time_it_is_news_again() -> None:
    flood = Flood()
    line = {"event": events.LEDGER_UNAVAILABLE, "reason": "x"}
    assert all(flood.admit(line, 0.0) for _ in range(BURST))
    assert flood.admit(line, 1.0) is None
    assert flood.next_due() == WINDOWS[0]
    assert flood.due(WINDOWS[0]) == [line]
    assert flood.next_due() is None
    assert flood.due(WINDOWS[0] + WINDOWS[1]) == []
    assert flood.admit(line, WINDOWS[0] + WINDOWS[1] + 1) == line


@given(
    st.lists(
        st.tuples(st.floats(0, 4000), st.sampled_from(["a", "b"]), st.sampled_from(sorted(events.EVENTS)))
    )
)
def test_no_line_is_lost_uncounted(steps: list[tuple[float, str, str]]) -> None:
    now, records = 0.0, []
    for gap, folder, event in steps:
        now += gap
        records.append((now, {"event": event, "folder": folder}))
    assert sum(1 + line.get("repeated", 0) for line in through(records)) == len(records)
