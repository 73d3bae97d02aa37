"""Second readings and reviews in the ledger, on both databases."""

from __future__ import annotations

from glimpsed.ledger import Adopted, Ledger
from glimpsed.ledger.hosts import this_host, this_world
from glimpsed.model import (
    Answer,
    Doubt,
    FileKey,
    Job,
    Offer,
    Review,
    Source,
    Usage,
    Verified,
    Version,
    Written,
    utc,
)
from sidecar_samples import answer as sample

KEY = FileKey("in", "a.png")
LEASE = 60.0
SOURCE = Source(
    name="a.png",
    bytes=1,
    modified=utc(0),
    sha256="aa" * 32,
    media_type="image/png",
    width=1,
    height=1,
    pages=1,
)


def answer(text: str) -> Answer:
    return sample(SOURCE, text)


def done(ledger: Ledger, version: int = 1, *, verify: bool = True) -> Job:
    ledger.offer([Offer(KEY, Version(version, version))], 1)
    (job,) = ledger.claim(folders=["in"], limit=1, now=ledger.clock())
    assert ledger.answered(job, answer("one"), question="q", now=2)
    if verify:
        ledger.to_verify(job)
    assert ledger.done(job, (), 3)
    return job


def claim(ledger: Ledger, now: float = 1.0) -> list[Job]:
    return [found.job for found in ledger.claim_readings(["in"], 10, now, LEASE)]


def test_a_file_is_due_once_it_is_done_and_claimed_by_one(ledger: Ledger) -> None:
    ledger.offer([Offer(KEY, Version(1, 1))], 1)
    (job,) = ledger.claim(folders=["in"], limit=1, now=ledger.clock())
    ledger.answered(job, answer("one"), question="q", now=2)
    ledger.to_verify(job)
    assert claim(ledger) == []
    assert ledger.next_reading(["in"]) is None
    ledger.done(job, (), 3)
    assert ledger.next_reading(["in"]) == 0.0
    assert ledger.next_reading(["other"]) is None
    assert [one.id for one in claim(ledger)] == [job.id]
    assert claim(ledger, now=1.0 + LEASE / 2) == []
    assert [one.id for one in claim(ledger, now=1.5 + LEASE)] == [job.id], "a lease that ran out"


def test_of_adopted_files_is_known_what_their_sidecars_tell(ledger: Ledger) -> None:
    """A lost ledger loses neither which answers are doubtful nor which somebody reviewed."""
    told = {"verified": Verified(by="v", usage=Usage()), "doubt": Doubt(by="v", agreement=0.5)}
    review = Review(at=utc(0), by="anna")
    plain = answer("one")
    several = [
        plain,
        plain.model_copy(update={**told, "doubt": None}),
        plain.model_copy(update=told),
        plain.model_copy(update={**told, "review": review}),
    ]
    keys = [FileKey("in", f"{number}.png") for number in range(4)]
    found = [
        Adopted(key, Version(1, 1), (), "aa" * 32, answer=one) for key, one in zip(keys, several, strict=True)
    ]
    assert ledger.adopt(found, 5) == 4
    assert [ledger.agreement(key) for key in keys] == [None, 1.0, 0.5, 0.5]
    assert [row.key for _, row in ledger.doubtful_files("in")] == [keys[2]]
    assert [row.key for row in ledger.reviewed_files("in")] == [keys[3]]
    assert claim(ledger) == []


def read(ledger: Ledger, *, doubtful: bool) -> None:
    (found,) = ledger.claim_readings(["in"], 10, 1.0, LEASE)
    ledger.read_second(
        found.job,
        "second",
        Usage(input_tokens=5, output_tokens=2, cost=0.5, currency="USD"),
        agreement=0.5 if doubtful else 1.0,
        doubtful=doubtful,
        reading="{}",
        now=ledger.clock.wall(),
    )
    (again,) = ledger.claim_readings(["in"], 10, 2.0 + LEASE, LEASE)
    assert again.reading == "{}", "a crash before the sidecar had it: nothing is asked twice"
    assert ledger.reading_told(again.job, again.row, answer("one, twice read"), ())


def test_what_was_read_is_paid_for_and_counted_until_it_is_reviewed(ledger: Ledger) -> None:
    done(ledger)
    read(ledger, doubtful=True)
    assert ledger.doubtful("in") == 1
    assert [row.key for _, row in ledger.doubtful_files("in")] == [KEY]
    assert ledger.agreement(KEY) == 0.5
    assert [(s.model, s.cost) for s in ledger.spend_today(ledger.clock.wall()) if s.cost] == [("second", 0.5)]
    assert claim(ledger, now=1e6) == []
    row = ledger.find(KEY)
    assert row is not None
    assert ledger.review(row, answer("one"), answer("right"), (), 4.0, "anna")
    assert ledger.doubtful("in") == 0
    assert ledger.reviewed(KEY)
    assert ledger.own_answer(KEY) == answer("one")
    (kept,) = ledger.all_kept([(answer("x").source.sha256, "q")])
    assert kept is not None
    assert kept.answer.text == "right"


def test_two_reviews_of_one_state_are_one(ledger: Ledger) -> None:
    done(ledger, verify=False)
    row = ledger.find(KEY)
    assert row is not None
    assert ledger.review(row, answer("one"), answer("two"), [Written("a.png.txt", 4, 4)], 4.0, "anna")
    assert not ledger.review(row, answer("one"), answer("three"), [Written("a.png.txt", 6, 6)], 5.0, "bert")
    now = ledger.find(KEY)
    assert now is not None
    assert ledger.review(now, answer("two"), answer("four"), (), 6.0, "bert")
    assert ledger.own_answer(KEY) == answer("one"), "what the model said itself stays known"


def test_redo_leaves_what_was_reviewed_unless_it_is_told(ledger: Ledger) -> None:
    done(ledger, verify=False)
    row = ledger.find(KEY)
    assert row is not None
    ledger.review(row, answer("one"), answer("two"), (), 4.0, "anna")
    assert ledger.count_reviewed("in") == 1
    assert ledger.redo(folder="in", now=5) == 0
    assert ledger.redo_stale("in", ["other"], 5) == 0
    assert ledger.stale("in", ["other"])[0] == 0
    assert ledger.stale("in", ["other"], reviewed=True)[0] == 1
    assert ledger.redo(folder="in", now=5, reviewed=True) == 1


def test_another_version_is_neither_doubtful_nor_reviewed(ledger: Ledger) -> None:
    done(ledger)
    read(ledger, doubtful=True)
    done(ledger, version=2, verify=False)
    assert ledger.doubtful("in") == 0
    assert ledger.agreement(KEY) is None
    assert not ledger.reviewed(KEY)


def test_forget_forgets_both(ledger: Ledger) -> None:
    done(ledger)
    read(ledger, doubtful=True)
    row = ledger.find(KEY)
    assert row is not None
    ledger.review(row, answer("one"), answer("two"), (), 4.0, "anna")
    ledger.forget_files([KEY])
    done(ledger, verify=False)  # SQLite may give it the same number again
    assert not ledger.reviewed(KEY)
    assert ledger.agreement(KEY) is None


def test_the_dead_give_back_what_they_were_to_read(ledger: Ledger) -> None:
    done(ledger)
    ledger.owner = f"{this_host()}:999999999:{this_world()}-1"
    assert len(claim(ledger)) == 1
    ledger.owner = "me:1:1"
    ledger.take_back(2.0)
    assert len(claim(ledger, now=2.0)) == 1


def test_a_correction_is_not_written_over_by_a_reading_that_began_before(ledger: Ledger) -> None:
    done(ledger)
    (found,) = ledger.claim_readings(["in"], 10, 1.0, LEASE)
    assert ledger.review(found.row, answer("one"), answer("right"), (), 4.0, "anna")
    usage = Usage(input_tokens=5, output_tokens=2, cost=0.5, currency="USD")
    ledger.read_second(
        found.job, "second", usage, agreement=0.5, doubtful=True, reading="{}", now=ledger.clock.wall()
    )
    assert ledger.doubtful("in") == 0
    assert not ledger.reading_told(found.job, found.row, answer("one, twice read"), ())
    (kept,) = ledger.all_kept([(answer("x").source.sha256, "q")])
    assert kept is not None
    assert kept.answer.text == "right"


def undo(ledger: Ledger) -> None:
    row = ledger.find(KEY)
    assert row is not None
    assert ledger.review(row, answer("right"), answer("one"), (), 5.0, None)


def test_what_was_read_while_the_answer_was_corrected_counts_once_that_is_undone(ledger: Ledger) -> None:
    done(ledger)
    (found,) = ledger.claim_readings(["in"], 10, 1.0, LEASE)
    assert ledger.review(found.row, answer("one"), answer("right"), (), 4.0, "anna")
    usage = Usage(input_tokens=5, output_tokens=2, cost=0.5, currency="USD")
    now = ledger.clock.wall()
    ledger.read_second(found.job, "second", usage, agreement=0.5, doubtful=True, reading="{}", now=now)
    corrected = ledger.find(KEY)
    assert corrected is not None
    ledger.reading_left(found.job, corrected)
    assert claim(ledger) == []
    undo(ledger)
    assert ledger.doubtful("in") == 0, "the sidecar does not say so yet"
    (again,) = ledger.claim_readings(["in"], 10, 1.0, LEASE)
    assert again.reading == "{}", "it was asked and paid for"
    doubt = Doubt(by="second", agreement=0.5, fields=(), words=())
    assert ledger.reading_told(
        again.job, again.row, answer("one").model_copy(update={"doubt": doubt}), again.row.written
    )
    assert ledger.doubtful("in") == 1
    assert claim(ledger, now=1e6) == []


def test_what_was_corrected_before_its_second_reading_is_read_once_that_is_undone(ledger: Ledger) -> None:
    done(ledger)
    (found,) = ledger.claim_readings(["in"], 10, 1.0, LEASE)
    assert ledger.review(found.row, answer("one"), answer("right"), (), 4.0, "anna")
    undo(ledger)
    assert claim(ledger) == [], "it is being read"
    row = ledger.find(KEY)
    assert row is not None
    assert ledger.review(row, answer("one"), answer("right"), (), 6.0, "anna")
    ledger.reading_left(found.job, row)
    undo(ledger)
    (again,) = ledger.claim_readings(["in"], 10, 1.0, LEASE)
    assert again.reading is None
    row = ledger.find(KEY)
    assert row is not None
    ledger.reading_later(again.job, None, tries=0)
    ledger.forget_review(row, answer("one"))
    assert len(claim(ledger)) == 1


def test_a_reading_that_is_left_at_the_moment_of_the_undo_is_due_again(ledger: Ledger) -> None:
    done(ledger)
    (found,) = ledger.claim_readings(["in"], 10, 1.0, LEASE)
    sidecars = [Written("a.png.txt", 4, 4)]
    assert ledger.review(found.row, answer("one"), answer("right"), sidecars, 4.0, "anna")
    corrected = ledger.find(KEY)
    assert corrected is not None
    undo(ledger)
    ledger.reading_left(found.job, corrected)
    assert len(claim(ledger)) == 1


def test_what_was_asked_again_meanwhile_keeps_its_new_answer(ledger: Ledger) -> None:
    done(ledger)
    (found,) = ledger.claim_readings(["in"], 10, 1.0, LEASE)
    assert ledger.redo([KEY], now=4) == 1
    (job,) = ledger.claim(folders=["in"], limit=1, now=ledger.clock())
    assert ledger.answered(job, answer("two"), question="q", now=5)
    assert not ledger.reading_told(found.job, found.row, answer("one, twice read"), ())
    assert ledger.done(job, (), 6)
    (kept,) = ledger.all_kept([(answer("x").source.sha256, "q")])
    assert kept is not None
    assert kept.answer.text == "two"
