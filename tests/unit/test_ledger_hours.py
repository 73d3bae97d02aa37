"""What each hour was like, on both databases."""

from __future__ import annotations

from glimpsed.ledger import Ledger
from glimpsed.ledger.hours import KEPT, QUEUE, Hour
from glimpsed.model import FileKey, Offer, Source, Version, utc
from sidecar_samples import answer

H = 3600.0
SOURCE = Source(
    name="a.png", bytes=1, modified=utc(0), sha256="aa" * 32, media_type="image/png", width=1, height=1, pages=1
)  # fmt: skip


def test_measures_of_an_hour_add_up_and_old_ones_go(ledger: Ledger) -> None:
    ledger.add_hour({"model": (2, 3.0), QUEUE: (1, 10)}, 5 * H + 1)
    ledger.add_hour({"model": (1, 0.5)}, 5 * H + 3599)
    ledger.add_hour({"model": (1, 7.0)}, 6 * H)
    assert ledger.hours_since(5 * H) == [
        Hour(5, "model", 3, 3.5), Hour(5, QUEUE, 1, 10.0), Hour(6, "model", 1, 7.0)
    ]  # fmt: skip
    assert ledger.hours_since(6 * H)[0].mean == 7.0
    ledger.add_hour({"write": (1, 1.0)}, (6 + KEPT) * H)
    assert [one.hour for one in ledger.hours_since(0)] == [6, 6 + KEPT]


def test_agreement_is_of_the_hour_that_the_answer_is_of_and_of_that_answer(ledger: Ledger) -> None:
    for number in range(4):
        ledger.offer([Offer(FileKey("in", f"{number}.png"), Version(1, number))], 1)
    assert (ledger.waiting(["in", "other"]), ledger.waiting(["other"])) == (4, 0)
    jobs = ledger.claim(folders=["in"], limit=4, now=ledger.clock())
    assert ledger.waiting(["in"]) == 4
    for number, job in enumerate(jobs):
        assert ledger.answered(job, answer(SOURCE, "one"), question="q", now=H)
        if number:
            ledger.to_verify(job, agreement=number / 4)
        assert ledger.done(job, (), (2 if number < 3 else 3) * H + number)
    assert ledger.waiting(["in"]) == 0
    assert ledger.agreement_by_hour(0) == [Hour(2, "agreement", 2, 0.75), Hour(3, "agreement", 1, 0.75)]
    assert [one.hour for one in ledger.agreement_by_hour(2.5 * H)] == [3]
    # Asked anew: what was agreed about the answer before says nothing of the next one.
    ledger.redo([FileKey("in", "3.png")], now=4 * H)
    assert [one.hour for one in ledger.agreement_by_hour(0)] == [2]
