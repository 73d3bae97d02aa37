"""Whose fault a refusal is: the model's, the account's, or one file's."""

from __future__ import annotations

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from glimpsed.errors import Verdict
from glimpsed.model import FileKey
from glimpsed.vision.breaker import FORGOTTEN, Breaker
from glimpsed.vision.jury import ALIKE as ALIKE_FILES
from glimpsed.vision.jury import GRACE, Jury

T0 = 1_800_000_000.0
DOUBTFUL = Verdict("pause", "HTTP 403", doubtful=True)
KEY = Verdict("pause", "HTTP 401")
SERVER = Verdict("retry", "HTTP 500", server=True)
DROPPED = Verdict("retry", "dropped", server=True, transport=True)
SLOW = Verdict("retry", "no answer", server=True, transport=True, slow=True)
ALIKE = frozenset({"400 drelm"})


@pytest.mark.parametrize(("verdict", "times"), [(DOUBTFUL, 2), (KEY, 3), (SERVER, 3)])
def test_what_is_refused_to_one_file_while_others_are_answered_is_its_own_fault(
    verdict: Verdict, times: int
) -> None:
    breaker = Breaker()
    found = []
    for n in range(times):
        found.append(breaker.at_fault("bad", verdict, breaker.answers, T0 + n))
        breaker.answered("good", T0 + n)
    assert found == [False] * (times - 1) + [True]


@pytest.mark.parametrize("verdict", [DOUBTFUL, KEY, SERVER])
def test_with_nobody_answered_it_is_never_one_files_fault(verdict: Verdict) -> None:
    breaker = Breaker()
    breaker.answered("before", T0)
    assert not any(breaker.at_fault("bad", verdict, breaker.answers, T0 + n) for n in range(20))


def test_an_hour_later_or_once_it_was_answered_nothing_is_held_against_a_file() -> None:
    breaker = Breaker()
    breaker.at_fault("a", DOUBTFUL, 0, T0)
    breaker.answered("good", T0)
    assert not breaker.at_fault("a", DOUBTFUL, breaker.answers, T0 + FORGOTTEN + 1)
    breaker.at_fault("b", DOUBTFUL, 0, T0)
    breaker.answered("b", T0)
    assert not breaker.at_fault("b", DOUBTFUL, breaker.answers, T0 + 1)


def test_a_server_that_breaks_for_others_too_is_in_trouble_itself() -> None:
    breaker = Breaker()
    for n in range(10):
        assert not breaker.at_fault("a", SERVER, breaker.answers, T0 + n)
        assert not breaker.at_fault("b", SERVER, breaker.answers, T0 + n)
        breaker.answered("good", T0 + n)


@pytest.mark.parametrize(
    "verdict", [DROPPED, SLOW, Verdict("retry", "429", overload=True), Verdict("switch", "x")]
)
def test_connections_and_load_are_nobodys_fault(verdict: Verdict) -> None:
    breaker = Breaker()
    for n in range(9):
        assert not breaker.at_fault("a", verdict, breaker.answers, T0 + n)
        breaker.answered("good", T0 + n)


def test_time_outs_of_requests_that_were_in_flight_together_count_once() -> None:
    breaker = Breaker()
    assert [breaker.failed(str(n), SLOW, T0, T0 + 4) for n in range(20)] == [None] * 20
    later = [breaker.failed("x", SLOW, T0 + 10 * n, T0 + 10 * n + 4) for n in range(1, 5)]
    assert later[:3] == [None] * 3
    assert later[3] is not None
    assert later[3].startswith("5 failures in a row")


def test_a_time_out_while_others_are_answered_is_no_failure_of_the_model() -> None:
    breaker = Breaker()
    for n in range(20):
        breaker.answered("good", T0 + 10 * n + 2)
        assert breaker.failed("x", SLOW, T0 + 10 * n, T0 + 10 * n + 4) is None


@given(st.lists(st.tuples(st.sampled_from("abc"), st.sampled_from([DOUBTFUL, KEY, SERVER, DROPPED, SLOW, None])), max_size=40))  # fmt: skip
def test_nobody_is_at_fault_before_the_second_refusal_and_an_answer_to_another(
    story: list[tuple[str, Verdict | None]],
) -> None:
    breaker, refused, answered = Breaker(), dict.fromkeys("abc", 0), dict.fromkeys("abc", False)
    for n, (file, verdict) in enumerate(story):
        if verdict is None:
            breaker.answered(file, T0 + n)
            refused[file] = 0
            answered |= {
                other: refused[other] > 0 for other in "abc" if other != file and not answered[other]
            }
            answered[file] = False
            continue
        refused[file] += 1
        if breaker.at_fault(file, verdict, breaker.answers, T0 + n):
            assert refused[file] >= 2
            assert answered[file]


# --- the jury: files that are refused for good ---


FILES = {name: FileKey("in", f"{name}.png") for name in "abcde"}


def busy(others: list[int]) -> Jury:
    """A jury before which so many others are on their way."""
    return Jury(lambda waiting: others[0] > waiting)


@pytest.mark.anyio
async def test_three_refused_alike_in_a_row_are_innocent_and_the_third_says_so() -> None:
    jury = busy([5])
    first = asyncio.create_task(jury.hear(FILES["a"], ALIKE))
    second = asyncio.create_task(jury.hear(FILES["b"], ALIKE))
    await asyncio.sleep(0)
    third = await jury.hear(FILES["c"], ALIKE)
    assert (third.guilty, third.alike) == (False, (FILES["a"], FILES["b"]))
    assert not (await first).guilty
    assert not (await second).guilty


@pytest.mark.anyio
async def test_an_answer_to_another_file_decides_at_once() -> None:
    jury = busy([5])
    first = asyncio.create_task(jury.hear(FILES["a"], ALIKE))
    await asyncio.sleep(0)
    jury.answered()
    assert (await asyncio.wait_for(first, 0.5)).guilty
    second = asyncio.create_task(jury.hear(FILES["b"], ALIKE))
    third = asyncio.create_task(jury.hear(FILES["c"], ALIKE))
    await asyncio.sleep(0)
    assert not second.done()
    assert not third.done()
    jury.released()
    assert [(await t).guilty for t in (second, third)] == [False, False]


async def paused_for_three(jury: Jury) -> None:
    """Three files are refused alike, so that the model pauses; then another one is answered."""
    for name in "ab":
        assert (await jury.hear(FILES[name], ALIKE)).guilty
    assert not (await jury.hear(FILES["c"], ALIKE)).guilty
    jury.answered()


@pytest.mark.anyio
async def test_who_is_refused_again_after_others_were_answered_is_at_fault_however_many_are_refused_alike() -> (
    None
):
    jury = busy([0])
    await paused_for_three(jury)
    for name in "abc":
        ruling = await jury.hear(FILES[name], ALIKE)
        assert (ruling.guilty, ruling.alike) == (True, ())


@pytest.mark.anyio
async def test_three_pause_again_after_that_was_the_files_own_fault_but_it_is_doubted() -> None:
    jury = busy([0])
    await paused_for_three(jury)
    assert (await jury.hear(FILES["a"], ALIKE)).guilty
    more = [FileKey("in", f"{n}.png") for n in range(ALIKE_FILES)]
    rulings = [await jury.hear(file, ALIKE) for file in more]
    assert [r.guilty for r in rulings] == [True, True, False]
    assert rulings[-1].doubted
    others = [await jury.hear(file, frozenset({"400 other"})) for file in more]
    assert [r.guilty for r in others] == [True, True, False]
    assert not others[-1].doubted


@pytest.mark.anyio
async def test_after_an_outage_that_was_the_models_three_are_enough_again() -> None:
    jury = busy([0])
    await paused_for_three(jury)
    jury.answered()  # to all of them
    assert [(await jury.hear(FILES[name], ALIKE)).guilty for name in "de"] == [True, True]
    assert not (await jury.hear(FileKey("in", "f.png"), ALIKE)).guilty


@pytest.mark.anyio
async def test_with_nothing_beside_it_a_file_fails_after_a_moment() -> None:
    others = [1]
    jury = busy(others)
    loop = asyncio.get_running_loop()
    began = loop.time()
    assert (await jury.hear(FILES["a"], ALIKE)).guilty
    assert loop.time() - began >= GRACE


@pytest.mark.anyio
async def test_it_is_waited_for_as_long_as_others_are_on_their_way() -> None:
    others = [3]
    jury = busy(others)
    first = asyncio.create_task(jury.hear(FILES["a"], ALIKE))
    await asyncio.sleep(GRACE + 0.1)
    assert not first.done()
    others[0] = 1
    jury.look()
    assert (await asyncio.wait_for(first, 0.5)).guilty


@pytest.mark.anyio
async def test_files_that_failed_one_by_one_count_and_the_same_file_or_another_reason_does_not() -> None:
    jury = busy([0])
    assert (await jury.hear(FILES["a"], ALIKE)).guilty
    assert (await jury.hear(FILES["a"], ALIKE)).guilty
    assert (await jury.hear(FILES["b"], frozenset({"400 other"}))).guilty
    assert (await jury.hear(FILES["c"], ALIKE)).guilty
    assert (await jury.hear(FILES["d"], ALIKE | {"400 code x"})).guilty
    assert (await jury.hear(FILES["e"], ALIKE)).alike == (FILES["c"], FILES["d"])


@pytest.mark.anyio
async def test_that_a_pause_was_the_files_own_fault_is_forgotten_after_an_hour(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    loop, later = asyncio.get_running_loop(), [0.0]
    real = loop.time
    monkeypatch.setattr(loop, "time", lambda: real() + later[0])
    jury = Jury(lambda _: False)

    async def doubted(names: str) -> bool:
        """Of the third of three that are refused alike."""
        rulings = [await jury.hear(FileKey("in", name), frozenset({"400 drelm vok"})) for name in names]
        assert [r.guilty for r in rulings[-ALIKE_FILES:]] == [True, True, False]
        return rulings[-1].doubted

    assert not await doubted("abc")
    jury.answered()
    assert await doubted("adef"), "a's fault alone"
    jury.answered()
    later[0] = FORGOTTEN + 1
    assert not await doubted("ghi")
