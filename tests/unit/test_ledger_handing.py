"""Handing over in the ledger: kept until it succeeds, and what the daemon itself did to a file is no news."""

from __future__ import annotations

from dataclasses import replace

from glimpsed.ledger import Adopted, Ledger
from glimpsed.ledger.handing import HandedSoFar
from glimpsed.model import FileKey, Handing, Job, Offer, Version, Written
from unit.test_ledger import answer

KEY = FileKey("in", "a/scan.jpg")
THERE = FileKey("in", "../filed/scan-2.jpg")
ASKED, TOUCHED = Version(10, 1000), Version(12, 2000)
WRITTEN = (Written("scan.jpg.txt", 5, 50),)


def claim(ledger: Ledger, now: float) -> Job:
    (job,) = ledger.claim(folders=["in"], limit=9, now=now)
    return job


def written(ledger: Ledger) -> Job:
    """A file whose sidecars stand."""
    ledger.offer([Offer(KEY, ASKED)], 1)
    job = claim(ledger, 2)
    assert ledger.answered(job, answer(), question="q", now=3)
    assert ledger.handing(job, WRITTEN, ASKED, 4)
    return job


def test_it_goes_on_where_it_was_after_a_death(ledger: Ledger) -> None:
    job = written(ledger)
    assert ledger.handing(job, WRITTEN, TOUCHED, 5, steps=["command"])
    again = claim(ledger, 500)
    assert again.handing == Handing(("command",))
    assert (again.version, again.written, again.answer) == (TOUCHED, WRITTEN, answer())
    assert not ledger.handing(job, WRITTEN, ASKED, 501)  # whose lease ran out


def test_how_far_it_is_handed_over_under_another_name(ledger: Ledger) -> None:
    job = written(ledger)
    sha256 = answer().source.sha256
    ledger.offer([Offer(FileKey("in", "b.jpg"), ASKED), Offer(FileKey("in", "c.jpg"), TOUCHED)], 4)
    named, other = (one for one in ledger.claim(folders=["in"], limit=9, now=5) if one.id != job.id)
    named, other = (named, other) if named.version == ASKED else (other, named)

    assert ledger.handed(other, sha256) == ledger.handed(named, "00" * 32) == []
    assert ledger.handed(named, sha256) == [HandedSoFar(KEY.path, done=False, steps=(), in_hand=True)]
    assert ledger.handing(job, WRITTEN, ASKED, 5, steps=["command"])
    ledger.release(job)
    assert ledger.handed(named, sha256) == [
        HandedSoFar(KEY.path, done=False, steps=("command",), in_hand=False)
    ]
    job = claim(ledger, 6)
    assert ledger.handed_over(job, KEY, ASKED, WRITTEN, 7)
    ledger.vanished([KEY], 8)
    assert ledger.handed(named, sha256) == [HandedSoFar(KEY.path, done=True, steps=(), in_hand=False)]


def test_what_a_command_does_to_the_image_is_no_news_but_what_others_do_is(ledger: Ledger) -> None:
    job = written(ledger)
    assert ledger.handing(job, WRITTEN, ASKED, 5, in_command=True)
    assert ledger.offer([Offer(KEY, TOUCHED)], 6) == []
    assert ledger.adopt([Adopted(KEY, TOUCHED, WRITTEN)], 6) == 0
    again = claim(ledger, 500)  # it was killed while the command ran
    assert again.handing == Handing((), in_command=True)
    assert again.problem is None
    assert ledger.handing(again, WRITTEN, TOUCHED, 501)
    assert ledger.offer([Offer(KEY, TOUCHED)], 502) == []
    offer = Offer(KEY, Version(13, 3000))
    assert ledger.offer([offer], 503) == [offer]
    assert claim(ledger, 504).handing is None


def test_done_at_its_new_place_whatever_was_known_of_that(ledger: Ledger) -> None:
    ledger.adopt([Adopted(THERE, ASKED, ())], 0)
    job = written(ledger)
    there = (replace(WRITTEN[0], name="scan-2.jpg.txt"),)
    assert ledger.handed_over(job, THERE, TOUCHED, there, 6)
    row = ledger.find(THERE)
    assert row is not None
    assert (row.state, row.version, row.written, row.question) == ("done", TOUCHED, there, "q")
    assert ledger.find(KEY) is None
    assert ledger.all_reusable([(answer().source.sha256, "q")]) == [[THERE]]
    assert ledger.counts(["in"])["in"] == {
        "queued": 0, "running": 0, "answered": 0, "handing": 0, "done": 1, "failed": 0, "gone": 0,
    }  # fmt: skip
    assert [hit.key for hit in ledger.search("text")] == [THERE] or not ledger.search("text")


def test_whose_row_is_no_more_does_not_hold_the_lease_of_a_file_that_came_later(ledger: Ledger) -> None:
    job = written(ledger)
    ledger.offer([Offer(THERE, ASKED)], 5)
    (late,) = (one for one in ledger.claim(folders=["in"], limit=9, now=5) if one.key == THERE)
    assert ledger.handed_over(job, THERE, TOUCHED, WRITTEN, 6)
    ledger.offer([Offer(FileKey("in", "next.jpg"), ASKED)], 7)
    later = claim(ledger, 8)
    assert not ledger.failed(late, "no", "Mend it.", 9)
    assert ledger.failed(later, "no", "Mend it.", 9)


def test_retry_hands_over_again_and_does_not_ask(ledger: Ledger) -> None:
    job = written(ledger)
    assert ledger.handing(job, WRITTEN, ASKED, 5, steps=["command"])
    assert ledger.not_handed_over(job, "the webhook said 404", "Mend it.", 6)
    (failure,) = ledger.failed_files("in")
    assert (failure.reason, failure.written) == ("the webhook said 404", WRITTEN)
    assert ledger.requeue([KEY], now=7) == 1
    again = claim(ledger, 8)
    assert again.handing == Handing(("command",))
    assert again.answer == answer()
    assert ledger.handed_over(again, KEY, ASKED, WRITTEN, 9)


def test_redo_asks_again_all_the_same(ledger: Ledger) -> None:
    job = written(ledger)
    assert ledger.not_handed_over(job, "no", "Mend it.", 6)
    assert ledger.redo([KEY], now=7) == 1
    again = claim(ledger, 8)
    assert (again.handing, again.answer) == (None, None)
    assert ledger.failed(again, "refused", "Look at it.", 9)
    assert ledger.requeue([KEY], now=10) == 1  # and its failure is one of the models by now
    assert claim(ledger, 11).handing is None


def test_an_image_that_is_not_there_any_more_is_no_end_before_the_hand_over_says_so(ledger: Ledger) -> None:
    job = written(ledger)
    assert ledger.vanished([KEY], 5) == []
    assert ledger.gone(job, 6)
    assert ledger.offer([Offer(KEY, ASKED)], 7) == [Offer(KEY, ASKED)]
    assert claim(ledger, 8).handing == Handing()


def test_what_is_answered_can_be_claimed_apart_from_what_is_not(ledger: Ledger) -> None:
    job = written(ledger)
    ledger.offer([Offer(FileKey("in", "waits.jpg"), ASKED), Offer(FileKey("b", "too.jpg"), ASKED)], 5)
    assert ledger.claim(folders=["in", "b"], limit=9, now=6, answered=True) == []  # it is in hand
    assert ledger.release(job, due=10)
    assert ledger.claim(folders=["in", "b"], limit=9, now=9, answered=True) == []
    (again,) = ledger.claim(folders=["in", "b"], limit=9, now=11, answered=True)
    assert (again.key, again.handing, again.answer) == (KEY, Handing(), answer())
    assert ledger.renew([again.id], 12) == {again.id}
