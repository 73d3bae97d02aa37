"""Replies with nothing in them: the model's fault when nobody gets more, else the blank page's own. Time is an argument."""

from __future__ import annotations

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from glimpsed.config.schema import ModelEntry
from glimpsed.errors import NO_ANSWER, Verdict
from glimpsed.vision.breaker import FORGOTTEN, SILENT, Breaker
from glimpsed.vision.pacing import Pacing
from glimpsed.vision.pause import FIRST_PROBE, LAST_PROBE, SOON
from glimpsed.vision.reading import flaw
from glimpsed.vision.wire import Answered

T0 = 1_800_000_000.0
HOUR = 3600.0


def pacing() -> Pacing:
    return Pacing(ModelEntry(api="chat", base_url="http://127.0.0.1/v1", model="m"))


def once(
    pace: Pacing, file: str, now: float, nothing: str = "an empty answer", verdict: Verdict | None = None
) -> None:
    """One request for this file, begun and ended."""
    assert pace.wait(now, file=file) == 0
    ticket = pace.start(now, file=file)
    ticket.heard, ticket.nothing, ticket.verdict = True, nothing, verdict
    pace.finish(ticket, now)


def test_three_files_in_a_row_that_get_nothing_pause_the_model_and_another_may_probe_at_once() -> None:
    pace = pacing()
    for file in "aab":
        once(pace, file, T0)
        assert pace.paused is None
    once(pace, "c", T0)
    pause = pace.paused
    assert pause is not None
    assert pause.reason == "3 files in a row got no answer: an empty answer"
    assert [pace.may_probe(file, T0) for file in "abcd"] == [False, False, False, True]
    assert pause.told(T0) == T0 + SOON
    once(pace, "d", T0)
    assert pace.paused is not None
    assert [pace.may_probe(file, T0 + 1) for file in "abcd"] == [False] * 4
    assert [pace.room(T0 + seconds) for seconds in (0.9, 1)] == [0, 1]
    once(pace, "e", T0 + SOON, nothing="")
    assert pace.paused is None


def test_a_moments_trouble_holds_nobody_up_for_longer() -> None:
    pace = pacing()
    for file in "abc":
        once(pace, file, T0)
    assert pace.room(T0 + 1) == 1, "for one that comes new"
    assert [pace.may_probe(file, T0 + SOON) for file in "abc"] == [True] * 3
    once(pace, "a", T0 + SOON, nothing="")
    assert pace.paused is None


def test_an_answer_on_its_way_ends_the_pause() -> None:
    pace = pacing()
    ticket = pace.start(T0, file="x")
    for file in "abc":
        once(pace, file, T0)
    assert pace.paused is not None
    ticket.heard = True
    pace.finish(ticket, T0 + 1)
    assert pace.paused is None


def test_those_that_were_on_their_way_when_it_began_count_as_no_probe() -> None:
    pace = pacing()
    late = [pace.start(T0, file=file) for file in "xyz"]
    for file in "abc":
        once(pace, file, T0)
    for ticket in late:
        ticket.heard, ticket.nothing = True, "an empty answer"
        pace.finish(ticket, T0 + 1)
    pause = pace.paused
    assert pause is not None
    assert (pause.probes, pause.until) == (0, T0)
    assert not any(pace.may_probe(file, T0 + 1) for file in "abcxyz")


def test_what_gets_nothing_again_keeps_nobody_waiting_that_comes_new() -> None:
    pace = pacing()
    for file in "abc":
        once(pace, file, T0)
    now = T0
    for n in range(20):
        now += min(FIRST_PROBE * 2**n, LAST_PROBE)
        once(pace, "abc"[n % 3], now)
        assert pace.may_probe("new", now)
        assert pace.wait(now, file="new") == 0
        assert not pace.may_probe("a", now)


REFUSED = Verdict("fail", "HTTP 400: drelm", alike=frozenset({"400 drelm"}))


def test_a_pause_for_files_that_were_refused_alike_is_probed_every_minute_and_later_and_later() -> None:
    pace = pacing()
    pace.pause_alike("three refused alike", "c", REFUSED.alike, T0)
    waits, now = [], T0
    for n in range(4):
        assert pace.paused is not None
        waits.append(pace.paused.until - now)
        now = pace.paused.until
        once(pace, f"new{n}", now, nothing="", verdict=REFUSED)
    assert waits == [60, 120, 240, 480]


def test_where_such_files_were_at_fault_lately_those_that_come_new_probe_soon_and_the_others_do_not() -> None:
    pace = pacing()
    pace.pause_alike("three refused alike", "c", REFUSED.alike, T0, doubted=True)
    waits, now = [], T0
    for n in range(12):
        assert pace.paused is not None
        waits.append(pace.paused.until - now)
        now = pace.paused.until
        assert not pace.may_probe(pace.paused.file or "", min(now, T0 + FIRST_PROBE - 1))
        once(pace, f"new{n}", now, nothing="", verdict=REFUSED)
    assert waits[:4] == [0, 1, 1.5, 2.25]
    assert 30 < waits[-1] <= 120
    assert pace.paused is not None
    once(pace, "good", pace.paused.until, nothing="")
    assert pace.paused is None


def test_a_silent_reply_ends_a_pause_for_another_reason() -> None:
    pace = pacing()
    for n in range(5):
        once(pace, "a", T0 + n, nothing="", verdict=Verdict("retry", "no connection", transport=True))
    assert pace.paused is not None
    once(pace, "b", pace.paused.until)
    assert pace.paused is None


@pytest.mark.parametrize("verdict", [Verdict("retry", "HTTP 503", server=True, overload=True), Verdict("pause", "HTTP 401")])  # fmt: skip
def test_a_probe_that_fails_otherwise_goes_on_with_the_pause(verdict: Verdict) -> None:
    pace = pacing()
    for file in "abc":
        once(pace, file, T0)
    once(pace, "d", T0, nothing="", verdict=verdict)
    assert pace.paused is not None
    assert pace.paused.reason == verdict.reason


def test_a_blank_page_is_no_witness_once_others_were_answered_until_an_hour_later() -> None:
    breaker = Breaker()
    assert breaker.silent("blank", T0) == 1
    breaker.answered("good", T0)
    for n in range(12):
        assert breaker.silent("blank", T0 + n) == 0
    assert breaker.silent("blank", T0 + FORGOTTEN + 1) == 1
    breaker.answered("blank", T0 + FORGOTTEN + 2)
    assert breaker.silent("blank", T0 + FORGOTTEN + 3) == 1


def test_a_blank_page_known_from_before_is_no_probe_that_others_wait_for() -> None:
    pace = pacing()
    once(pace, "blank", T0)
    once(pace, "good", T0, nothing="")
    for file in "abc":
        once(pace, file, T0)
    assert pace.paused is not None
    assert not pace.may_probe("blank", T0)
    assert pace.may_probe("new", T0)
    once(pace, "blank", T0 + SOON)  # with no other to ask about
    assert pace.room(T0 + SOON) == 1, "for one that comes new"
    once(pace, "new", T0 + SOON, nothing="")
    assert pace.paused is None


@settings(max_examples=200)
@given(st.lists(st.booleans(), min_size=1, max_size=80))
@example([True] * 4 + [False])
@example(([True] * 4 + [False]) * 10)
def test_blank_pages_among_others_never_hold_the_queue_up_for_long(blank: list[bool]) -> None:
    """Of pages that come one after the other at most four in a row are blank: nothing waits for more than a minute."""
    pace, now, run = pacing(), T0, 0
    for n, empty in enumerate(blank):
        run = run + 1 if empty and run < 4 else 0
        if pace.paused is not None:
            assert pace.paused.until - now <= FIRST_PROBE
            now = max(now, pace.paused.until)
        once(pace, str(n), now, "an empty answer" if run else "")
        assert (pace.paused is None) == (run < SILENT)
    assert now - T0 <= FIRST_PROBE * (len(blank) / 5 + 1)


@pytest.mark.parametrize(("blank", "seconds"), [(5, 3), (8, 14), (12, 80)])
def test_pages_behind_a_run_of_blank_ones_do_not_wait_long(blank: int, seconds: float) -> None:
    pace, now = pacing(), T0
    for n in range(blank):
        now = now if pace.paused is None else max(now, pace.paused.until)
        once(pace, f"blank {n}", now)
    assert pace.paused is not None
    assert pace.paused.until - T0 <= seconds
    once(pace, "good", pace.paused.until, nothing="")
    assert pace.paused is None


@settings(max_examples=60)
@given(st.integers(SILENT, 60), st.integers(1, 8), st.floats(60.0, 24 * HOUR))
def test_who_answers_nobody_is_asked_little_and_no_file_often(
    files: int, together: int, seconds: float
) -> None:
    pace = pacing()
    asked = dict.fromkeys((f"{n}" for n in range(files)), 0)
    flying = [pace.start(T0, file=file) for file in list(asked)[:together]]
    waiting = list(asked)[together:]
    for ticket in flying:
        ticket.heard, ticket.nothing = True, "an empty answer"
        asked[ticket.file] += 1
        pace.finish(ticket, T0)
    while pace.paused is None:
        file = waiting.pop(0) if waiting else "0"
        asked[file] += 1
        once(pace, file, T0)
    now = T0
    while (pause := pace.paused) is not None and now < T0 + seconds:
        new = [file for file in waiting if not pause.knows(file)]
        known = [file for file in pause.silent if pace.may_probe(file, now)]
        if now < pause.until or not (new or known):
            now = pause.until if now < pause.until else pause.own_probe
            continue
        file = (new or known)[0]
        asked[file] += 1
        once(pace, file, now)
    assert pace.paused is not None
    probes = (
        14 + 7 + seconds / LAST_PROBE
    )  # ever more rarely within a minute, by new ones; then to a quarter of an hour
    assert sum(asked.values()) <= max(together, SILENT) + probes
    assert max(asked.values()) <= 2 + probes / files


@pytest.mark.parametrize(
    ("text", "finish", "valued", "silent"),
    [
        ("", "stop", False, True),
        ("\u200b \ufeff\n", "stop", False, True),
        ("{}", "stop", False, True),
        ("[ ]", "stop", False, True),
        ('""', "stop", False, True),
        ("{}", "stop", True, False),
        ("-", "stop", False, False),
        ("none", "stop", False, False),
        ("half", "upstream_error", False, True),
        ("", "length", False, False),
        ("", "content_filter", False, False),
        ("{}", "length", False, False),
    ],
)
def test_which_replies_have_nothing_in_them(text: str, finish: str, valued: bool, silent: bool) -> None:
    found = flaw(Answered(text=text, finish=finish), valued=valued)
    assert (found is not None and NO_ANSWER in found.verdict.alike) == silent
