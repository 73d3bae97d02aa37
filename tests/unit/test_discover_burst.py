"""How many files come within a minute, and which of them waits for an answer."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from glimpsed.discover.burst import SPAN, Burst
from glimpsed.model import FileKey


@given(
    most=st.integers(0, 10),
    arrivals=st.lists(st.tuples(st.floats(0, 50), st.integers(1, 15)), max_size=40),
)
def test_in_no_minute_do_more_go_unasked_than_the_config_says(
    most: int, arrivals: list[tuple[float, int]]
) -> None:
    burst, now, sent = Burst(), 0.0, []
    for pause, count in arrivals:
        now += pause
        room = burst.room(most, now)
        keys = [FileKey("in", f"{now}/{n}") for n in range(count)]
        held = count > room
        if not held:
            sent.append((now, count))
        burst.came(keys, most, now)
        assert burst.on == held
        assert sum(n for at, n in sent if at > now - SPAN) <= most


def test_those_before_the_question_are_asked_about_with_it_and_only_once() -> None:
    burst, first, second = Burst(), FileKey("in", "a"), FileKey("in", "b")
    assert burst.room(1, 0) == 1
    burst.came([first], 1, 0)
    assert (burst.room(1, 10), burst.keys) == (0, [first])
    burst.came([second], 1, 10)
    assert (burst.on, burst.keys) == (True, [])
    burst.approved()
    assert (burst.room(1, 20), burst.keys) == (1, [])


def test_after_a_quiet_minute_it_is_over() -> None:
    burst = Burst()
    burst.came([FileKey("in", "a"), FileKey("in", "b")], 1, 0)
    assert burst.room(1, SPAN) == 1
    assert not burst.on


@given(most=st.integers(0, 5), free=st.lists(st.booleans(), max_size=12))
def test_what_costs_nothing_does_not_count(most: int, free: list[bool]) -> None:
    burst, keys = Burst(), [FileKey("in", str(n)) for n in range(len(free))]
    burst.room(most, 0)
    burst.came(keys, most, 0)
    burst.free({key for key, costless in zip(keys, free, strict=True) if costless})
    assert burst.on == (free.count(False) > most)
    assert burst.room(most, 1) == most - free.count(False)
