"""When a file counts as complete, with time as an argument."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from glimpsed.discover.settle import GLANCE, UNCLOSED, Check, Look, Settling
from glimpsed.model import Version

ONE, TWO = Version(100, 1), Version(200, 2)


def seen(version: Version, check: Check, whole: bool = True) -> Look:
    """What a look at this version shows, asked as `check` asks."""
    if check.at_its_word or check.expected == version:
        return Look(version, None if whole and version.size else "cut off", checked=True)
    return Look(version)


def only(settling: Settling, now: float) -> Check:
    (check,) = settling.due(now, 10)
    return check


def test_a_closed_file_is_complete_after_the_quiet_time_and_not_before() -> None:
    s = Settling(2, 600)
    s.hint("a", 10, closed=True, fresh=True)
    assert s.looked("a", seen(ONE, only(s, 10)), 10).kind == "wait"
    assert not s.due(11.9, 10)
    verdict = s.looked("a", seen(ONE, only(s, 12)), 12)
    assert (verdict.kind, verdict.version, verdict.fresh) == ("complete", ONE, True)
    assert not len(s)


def test_without_quiet_time_a_close_is_taken_at_its_word() -> None:
    s = Settling(0, 600)
    s.hint("a", 10, closed=True, fresh=True)
    assert s.looked("a", seen(ONE, only(s, 10)), 10).kind == "complete"


def test_without_quiet_time_what_was_not_closed_is_still_looked_at_twice() -> None:
    s = Settling(0, 600)
    s.hint("a", 10, closed=False, fresh=True)
    assert s.looked("a", seen(ONE, only(s, 10 + GLANCE)), 10 + GLANCE).kind == "wait"
    assert s.looked("a", seen(ONE, only(s, 10 + UNCLOSED)), 10 + UNCLOSED).kind == "complete"


def test_a_scanner_that_opens_the_file_again_starts_the_quiet_time_anew() -> None:
    s = Settling(2, 600)
    s.hint("a", 10, closed=True, fresh=True)
    s.looked("a", seen(ONE, only(s, 10)), 10)
    s.hint("a", 11, closed=True, fresh=True)
    s.looked("a", seen(ONE, only(s, 11)), 11)
    assert not s.due(12.5, 10)
    assert s.looked("a", seen(ONE, only(s, 13)), 13).kind == "complete"


def test_a_change_that_no_event_told_starts_the_quiet_time_anew() -> None:
    s = Settling(2, 600)
    s.found("a", ONE, 10, quiet=0, fresh=False)
    assert s.looked("a", seen(TWO, only(s, 12)), 12).kind == "wait"
    assert s.looked("a", seen(TWO, only(s, 14)), 14).kind == "complete"


def test_what_was_quiet_for_long_need_not_wait() -> None:
    s = Settling(2, 600)
    s.found("a", ONE, 10, quiet=100, fresh=False)
    verdict = s.looked("a", seen(ONE, only(s, 10)), 10)
    assert (verdict.kind, verdict.fresh) == ("complete", False)


def test_quiet_but_not_whole_is_a_problem_at_the_limit_and_not_before() -> None:
    s = Settling(2, 60)
    s.found("a", ONE, 0, quiet=0, fresh=False)
    now, kinds = 0.0, set()
    while now < 59:
        now += 0.5
        for check in s.due(now, 10):
            kinds.add(s.looked("a", seen(ONE, check, whole=False), now).kind)
    assert kinds == {"wait"}
    verdict = s.looked("a", seen(ONE, only(s, 120), whole=False), 120)
    assert (verdict.kind, verdict.reason) == ("problem", "cut off")


def test_an_empty_file_is_never_complete() -> None:
    s = Settling(0, 60)
    empty = Version(0, 1)
    s.hint("a", 0, closed=True, fresh=True)
    assert s.looked("a", seen(empty, only(s, 0)), 0).kind == "wait"
    assert s.looked("a", seen(empty, only(s, 5)), 5).kind == "wait"
    assert s.looked("a", seen(empty, only(s, 61)), 61).kind == "problem"


def test_a_file_that_still_grows_at_the_limit_is_told_once_and_waited_for() -> None:
    s = Settling(2, 10)
    s.hint("a", 0, closed=False, fresh=True)
    kinds = []
    for second in range(1, 40):
        now = Version(second, second)
        kinds += [s.looked("a", seen(now, check), second).kind for check in s.due(second, 10)]
    assert kinds.count("growing") == 1
    assert set(kinds) == {"wait", "growing"}


def test_a_busy_file_is_asked_again_ever_more_rarely_told_once_and_never_given_up() -> None:
    s = Settling(2, 10)
    s.hint("a", 0, closed=True, fresh=True)
    verdicts, now = [], 0
    for now in range(600):
        verdicts += [s.looked("a", Look(not_yet="busy"), now) for _ in s.due(now, 10)]
        assert s.stuck == (now >= 15)
    assert 20 <= len(verdicts) <= 30
    assert [(v.kind, v.reason) for v in verdicts if v.kind != "wait"] == [("busy", "busy")]
    assert s.busy == 1
    s.hint("a", now, closed=True, fresh=True)
    s.looked("a", seen(ONE, only(s, now)), now)
    assert s.looked("a", seen(ONE, only(s, now + 2)), now + 2).kind == "complete"


def test_what_happens_during_a_look_is_not_lost() -> None:
    s = Settling(0, 60)
    s.hint("a", 0, closed=True, fresh=True)
    check = only(s, 0)
    s.hint("a", 0, closed=True, fresh=True)
    assert s.looked("a", Look(), 0).kind == "wait"  # it was away, and is there again
    assert check
    assert s.looked("a", seen(ONE, only(s, 0)), 0).kind == "complete"


def test_a_look_without_time_comes_again() -> None:
    s = Settling(0, 60)
    s.hint("a", 0, closed=True, fresh=True)
    only(s, 0)
    assert not s.due(0, 10)
    s.put_back("a", 0)
    assert only(s, 0).path == "a"


@given(
    st.lists(st.tuples(st.floats(0.01, 5), st.sampled_from(["write", "hint", "close", "look"])), max_size=60),
    st.sampled_from([0.5, 2.0]),
)
def test_nothing_is_complete_that_changed_within_the_quiet_time(
    steps: list[tuple[float, str]], settle: float
) -> None:
    s = Settling(settle, 1000)
    now, changed, version = 0.0, 0.0, ONE
    s.hint("a", now, closed=True, fresh=True)
    for wait, what in steps:
        now += wait
        if what == "write":
            version, changed = Version(version.size + 1, version.mtime_ns + 1), now
        elif what != "look":
            s.hint("a", now, closed=what == "close", fresh=True)
        for check in s.due(now, 10):
            verdict = s.looked("a", seen(version, check), now)
            if verdict.kind == "complete":
                assert now - changed >= settle or verdict.version == version
                assert check.expected == version
