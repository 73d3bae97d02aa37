"""What every ledger does, whatever the database: each test runs on SQLite and on a real PostgreSQL."""

from __future__ import annotations

import contextlib
import os
import socket
import sqlite3
import subprocess
import sys
import threading
import time
from dataclasses import replace
from pathlib import Path

import pytest
import sqlalchemy as sa

from glimpsed.errors import LedgerReplaced
from glimpsed.ledger import Adopted, GoneRow, Known, Ledger, Paused, local_day, open_ledger, queries
from glimpsed.ledger.hosts import ALIVE, this_host, this_world
from glimpsed.model import (
    Answer,
    FileKey,
    Job,
    ModelUsed,
    Offer,
    PageAnswer,
    PageRecord,
    Paid,
    PromptUsed,
    Source,
    Usage,
    Version,
    Written,
)
from ledger_fixtures import OpenLedger

V1, V2 = Version(100, 1_000), Version(200, 2_000)
SHA = "ab" * 32
SCAN = FileKey("in", "scan.jpg")
USAGE = Usage(input_tokens=1000, output_tokens=20, cost=0.25, currency="USD")
SOURCE = Source(
    name="scan.jpg", bytes=100, modified="", sha256=SHA, media_type="image/jpeg", width=1, height=1, pages=1
)
USED = ModelUsed(entry="gpt-4o", api="chat", asked="gpt-4o", answered="gpt-4o")
SIDECARS = (Written("scan.jpg.txt", 6, 77), Written("scan.jpg.json", 600, 78))


def answer(text: str = "Hello", **changes: object) -> Answer:
    values: dict[str, object] = {
        "folder": "in", "source": SOURCE, "prompt": PromptUsed(sha256=SHA), "model": USED, "sent": (), "text": text,
        "finish": "stop", "usage": USAGE, "attempts": 1, "started": "", "finished": "", "seconds": 1.0,
    }  # fmt: skip
    return Answer(**(values | changes))


def about(content: str) -> Source:
    return SOURCE.model_copy(update={"sha256": content * 32})


def page(number: int) -> PageRecord:
    answered = PageAnswer(page=number, text=f"page {number}")
    return PageRecord(answer=answered, sent=(), model=USED, usage=USAGE, finish="stop", source=SOURCE)


def offer(
    ledger: Ledger, key: FileKey = SCAN, version: Version = V1, now: float = 1.0, **options: object
) -> list[Offer]:
    return ledger.offer([Offer(key, version, **options)], now)


def claim(
    ledger: Ledger, *, limit: int = 10, now: float = 10.0, folders: tuple[str, ...] = ("in",)
) -> list[Job]:
    return ledger.claim(folders=folders, limit=limit, now=now)


def one(ledger: Ledger, now: float = 10.0) -> Job:
    [job] = claim(ledger, now=now)
    return job


def finish(ledger: Ledger, now: float = 10.0, **changes: object) -> Job:
    job = one(ledger, now)
    assert ledger.answered(job, answer(**changes), question="q1", now=now)
    assert ledger.done(job, SIDECARS, now)
    return job


def state(ledger: Ledger, key: FileKey = SCAN) -> str:
    row = ledger.find(key)
    assert row is not None
    return row.state


def test_an_offer_is_queued_once(ledger: Ledger) -> None:
    assert offer(ledger) == [Offer(SCAN, V1)]
    assert offer(ledger) == []
    assert one(ledger).version == V1
    assert offer(ledger, now=11) == []
    assert claim(ledger, now=11) == []


def test_a_done_version_is_never_queued_again(ledger: Ledger, opened: OpenLedger) -> None:
    offer(ledger)
    finish(ledger)
    assert offer(opened(), now=1e9) == []
    assert claim(ledger, now=1e9) == []
    assert ledger.known("in", "") == {"scan.jpg": Known(V1, "done")}


def test_a_new_version_is_queued_and_knows_the_sidecars_it_replaces(ledger: Ledger) -> None:
    offer(ledger)
    finish(ledger)
    assert offer(ledger, version=V2, now=20) == [Offer(SCAN, V2)]
    job = one(ledger, 20)
    assert (job.version, job.written, job.answer) == (V2, SIDECARS, None)


def test_any_file_name_comes_back_as_it_went_in(ledger: Ledger) -> None:
    keys = [
        FileKey("in", p)
        for p in ("\udcff\udc80.jpg", "a\nb/c'\"%s?;.png", "发票/扫描 1.jpg", "a/" + "x" * 255)
    ]
    assert {o.key for o in ledger.offer([Offer(k, V1) for k in keys], 1)} == set(keys)
    assert {job.key for job in claim(ledger)} == set(keys)
    assert ledger.directories("in") == {k.directory for k in keys}
    assert set(ledger.known("in", "发票")) == {"扫描 1.jpg"}


def test_claims_take_priority_then_arrivals_then_the_oldest_file(ledger: Ledger) -> None:
    def item(name: str, mtime: int, *, fresh: bool = False, priority: int = 0, folder: str = "in") -> Offer:
        return Offer(FileKey(folder, name), Version(1, mtime), fresh=fresh, priority=priority)

    ledger.offer(
        [item("old", 1), item("older", 0), item("new", 9, fresh=True), item("first", 99, priority=1),
         item("elsewhere", 5, fresh=True, folder="b"), item("backlog", 2, folder="b")], 1)  # fmt: skip
    order = [job.key.path for job in claim(ledger, folders=("b", "in"), limit=4)]
    assert order == ["first", "elsewhere", "new", "older"]
    assert [job.key.path for job in claim(ledger, folders=("b", "in"))] == ["old", "backlog"]


def test_only_the_folders_asked_for_are_claimed(ledger: Ledger) -> None:
    offer(ledger)
    assert claim(ledger, folders=("other",)) == []
    assert claim(ledger, folders=()) == []
    assert claim(ledger, limit=0) == []


def test_more_folders_than_one_statement_takes(ledger: Ledger) -> None:
    folders = tuple(f"folder{n}" for n in range(230))
    ledger.offer([Offer(FileKey(folder, "x"), V1) for folder in folders], 1)
    assert len(claim(ledger, folders=folders, limit=500)) == 230


def test_folders_without_work_cost_a_claim_nothing(ledger: Ledger) -> None:
    asked: list[str] = []
    sa.event.listen(ledger._database._writer, "before_cursor_execute", lambda *args: asked.append(args[2]))
    folders = tuple(f"folder{n}" for n in range(1000))
    ledger.offer([Offer(FileKey("folder7", "x"), V1), Offer(FileKey("another", "x"), V1)], 1)
    asked.clear()
    assert [job.key.folder for job in claim(ledger, folders=folders, limit=500)] == ["folder7"]
    assert sum("UPDATE" in statement for statement in asked) == 1
    assert max(len(statement) for statement in asked) < 3000


def test_a_lease_that_ran_out_is_claimed_again_and_the_first_worker_loses(
    ledger: Ledger, opened: OpenLedger
) -> None:
    offer(ledger)
    first = one(ledger, 10)
    assert claim(ledger, now=69) == []
    second = one(opened(), 70)  # the same process: the claim tells them apart
    assert not ledger.answered(first, answer(), question="q", now=71)
    assert not ledger.done(first, (), 71)
    assert not ledger.failed(first, "r", "a", 71)
    assert not ledger.retry(first, 80, "r", attempts=1, retries=1, cut_off=0, now=71)
    assert not ledger.release(first)
    assert not ledger.gone(first, 71)
    assert not ledger.blocked(first, 80, "r")
    assert not ledger.page_answered(first, page(1), 71)
    assert ledger.done(second, SIDECARS, 72)


def test_a_renewed_lease_holds(ledger: Ledger, opened: OpenLedger) -> None:
    offer(ledger)
    job = one(ledger, 10)
    assert ledger.renew([job.id, 999], 60) == {job.id}
    assert opened(owner="elsewhere:1:1").renew([job.id], 60) == set()
    assert claim(ledger, now=119) == []
    assert len(claim(ledger, now=120)) == 1


def test_a_paid_answer_survives_the_worker_and_is_only_written(ledger: Ledger, opened: OpenLedger) -> None:
    offer(ledger)
    paid = answer("Grüße\0 \N{PILE OF POO}", data={"a": [1, None]})
    assert ledger.answered(one(ledger), paid, question="q1", now=11)
    again = one(opened(owner="elsewhere:1:1"), 80)
    assert again.answer == paid
    assert state(ledger) == "answered"


def test_answers_leave_the_ledger_once_the_sidecars_are_written(ledger: Ledger) -> None:
    offer(ledger)
    finish(ledger)
    ledger.redo([SCAN], now=20)
    assert one(ledger, 20).answer is None


def test_a_blocked_sidecar_keeps_its_answer_for_later(ledger: Ledger) -> None:
    offer(ledger)
    job = one(ledger)
    ledger.answered(job, answer(), question="q1", now=11)
    assert ledger.blocked(job, 30, "No space left on device")
    assert (state(ledger), claim(ledger, now=29), ledger.next_due(["in"], 20)) == ("answered", [], 30)
    assert one(ledger, 30).answer == answer()


def test_what_waits_for_its_model_s_fault_is_due_with_all_its_tries(ledger: Ledger) -> None:
    for name, folder in (("a.jpg", "in"), ("b.jpg", "other"), ("c.jpg", "in")):
        offer(ledger, FileKey(folder, name))
    for job in claim(ledger, folders=("in", "other")):
        if job.key.name == "c.jpg":
            assert ledger.release(job, due=90)  # for the share's sake
        else:
            ledger.retry(job, 90, "HTTP 429", attempts=3, retries=3, cut_off=1, now=11)
    assert ledger.acquit(["in"]) == 1
    (job,) = claim(ledger, now=20)
    assert (job.key.name, job.retries, job.cut_off, job.attempts) == ("a.jpg", 0, 1, 3)
    assert claim(ledger, now=20, folders=("other",)) == []


def test_several_answers_and_ends_in_one_transaction_each_have_their_own_fate(ledger: Ledger) -> None:
    keys = [FileKey("in", f"{number}.jpg") for number in range(4)]
    for number, key in enumerate(keys):
        offer(ledger, key, Version(100, number))
    jobs = claim(ledger)
    assert [job.key for job in jobs] == keys
    ledger.page_answered(jobs[1], page(1), 11)  # one of its two pages was asked about, and paid for, before
    assert ledger.gone(jobs[2], 11)  # and this one is nobody's any more
    both = Usage(input_tokens=2000, output_tokens=40, cost=0.5, currency="USD")
    answers = [
        answer("word everywhere"),
        answer("word again", usage=both),
        answer("word lost", source=about("03")),
    ]
    several = [(job, said, "q1") for job, said in zip(jobs, answers, strict=False)]
    assert ledger.all_answered(several, 12) == [True, True, False]
    [spent] = ledger.spend_today(12)
    assert (spent.answers, spent.input_tokens, spent.cost) == (3, 4000, 1.0), (
        "that of the lost lease was paid too"
    )
    assert [hit.key for hit in ledger.search("again")] == keys[:2]  # the same content: the last answer to it
    assert ledger.search("everywhere") == []
    assert [one.answer.text for one in ledger.all_kept([("03" * 32, "q1")]) if one] == ["word lost"]
    assert ledger.all_done([(job, SIDECARS) for job in jobs[:3]], 13) == [True, True, False]
    assert [row.state for key in keys if (row := ledger.find(key))] == ["done", "done", "gone", "running"]
    asked = [("b" * 64, "q1"), (SHA, "q1"), (SHA, "q2"), (SHA, "q1")]
    assert ledger.all_reusable(asked) == [[], [keys[1], keys[0]], [], [keys[1], keys[0]]]


def test_answered_pages_come_back_with_the_job(ledger: Ledger) -> None:
    offer(ledger)
    job = one(ledger)
    assert ledger.page_answered(job, page(2), 11)
    assert ledger.page_answered(job, page(1), 12)
    assert sorted(p.answer.page for p in one(ledger, 80).pages) == [1, 2]
    offer(ledger, version=V2, now=90)
    assert one(ledger, 90).pages == ()


def test_a_retry_waits_until_it_is_due(ledger: Ledger) -> None:
    offer(ledger)
    assert ledger.retry(one(ledger), 50, "429", attempts=2, retries=1, cut_off=1, now=11)
    assert (claim(ledger, now=49), ledger.next_due(["in"], 12), ledger.next_due(["b"], 12)) == ([], 50, None)
    job = one(ledger, 50)
    assert (job.attempts, job.retries, job.cut_off) == (2, 1, 1)


def test_a_released_job_is_as_if_never_claimed(ledger: Ledger) -> None:
    offer(ledger)
    job = one(ledger)
    assert ledger.release(job)
    assert replace(one(ledger, 10), claim=job.claim) == job


def test_a_failure_is_shown_and_not_asked_again_until_somebody_says_retry(ledger: Ledger) -> None:
    offer(ledger)
    assert ledger.failed(one(ledger), "Bad\0 \udcff.", "Mend it.", 11, attempts=3)
    [row] = ledger.failed_files("in")
    assert (row.key, row.advice, row.attempts, row.changed) == (SCAN, "Mend it.", 3, 11)
    assert (offer(ledger, now=12), claim(ledger, now=1e6)) == ([], [])
    assert ledger.requeue([SCAN], now=20) == 1
    job = one(ledger, 20)
    assert (job.attempts, job.retries, job.round, job.again) == (0, 0, 20, False)


@pytest.mark.parametrize("hours", [1, -1, 9])
def test_a_failure_whose_time_shifts_by_whole_hours_is_the_same(ledger: Ledger, hours: int) -> None:
    """FAT has local times: with summer time or in another zone, all that was refused would be asked about again."""
    was = Version(10, 10**18)
    offer(ledger, version=was)
    ledger.failed(one(ledger), "refused", "Look.", 11, attempts=3, question="q1")
    shifted = Version(10, was.mtime_ns + hours * 3_600_000_000_000)
    assert (offer(ledger, version=shifted, now=12), claim(ledger, now=1e6)) == ([], [])
    [row] = ledger.failed_files("in")
    assert (row.version, row.reason, row.advice, row.attempts) == (shifted, "refused", "Look.", 3)
    assert row.changed == 11
    assert offer(ledger, version=shifted, now=13) == []
    assert ledger.requeue_other_questions("in", "q1", now=20) == 0
    for other in (Version(10, shifted.mtime_ns + 1), Version(11, shifted.mtime_ns + 3_600_000_000_001)):
        assert offer(ledger, version=other, now=30) == [Offer(SCAN, other)]
        ledger.failed(one(ledger, 30), "refused", "Look.", 31)


def test_each_redo_and_retry_is_another_round_and_what_a_crash_repeats_is_not(ledger: Ledger) -> None:
    offer(ledger)
    first = one(ledger)
    assert one(ledger, 1e3).round == first.round  # the lease ran out
    rounds = [first.round]
    for now, again in ((2e3, ledger.redo), (3e3, ledger.requeue), (4e3, ledger.requeue), (5e3, ledger.redo)):
        if again == ledger.requeue:
            ledger.failed(one(ledger, now), "busy", "a", now)
        again([SCAN], now=now + 1)
        rounds.append(one(ledger, now + 2).round)
        assert one(ledger, now + 200).round == rounds[-1]
    assert len(set(rounds)) == 5


def test_what_failed_for_one_question_is_asked_another(ledger: Ledger) -> None:
    offer(ledger)
    ledger.failed(one(ledger), "refused", "a", 11, question="q1")
    assert (ledger.requeue_other_questions("in", "q1", now=20), state(ledger)) == (0, "failed")
    assert ledger.requeue_other_questions("b", "q2", now=20) == 0
    ledger.vanished([SCAN], 21)  # gone and back: a failure of the same question still
    offer(ledger, now=22)
    ledger.failed(one(ledger, 22), "refused", "a", 23)
    assert ledger.requeue_other_questions("in", "q1", now=24) == 0
    assert ledger.requeue_other_questions("in", "q2", now=25) == 1
    assert one(ledger, 25).problem is None


def test_a_file_that_itself_is_at_fault_is_not_asked_another_question(ledger: Ledger) -> None:
    offer(ledger)
    finish(ledger)  # an earlier version had an answer,
    offer(ledger, version=V2, now=20)
    ledger.failed(one(ledger, 20), "refused", "a", 21, question="q1")
    assert ledger.all_reusable([(SHA, "q1")])[0] == []
    offer(ledger, version=V1, now=30)  # and another failed for a question
    ledger.failed(one(ledger, 30), "encrypted", "a", 31)
    assert ledger.requeue_other_questions("in", "q2", now=40) == 0


def test_sidecars_of_an_earlier_version_stay_on_record_when_the_new_one_fails(ledger: Ledger) -> None:
    offer(ledger)
    finish(ledger)
    offer(ledger, version=V2, now=20)
    ledger.failed(one(ledger, 20), "r", "a", 21)
    row = ledger.find(SCAN)
    assert row is not None
    assert {w.name for w in row.written} == {"scan.jpg.txt", "scan.jpg.json"}


def test_the_worker_on_a_superseded_version_loses_and_the_new_one_is_queued_once(ledger: Ledger) -> None:
    offer(ledger)
    old = one(ledger)
    assert offer(ledger, version=V2, now=11) == [Offer(SCAN, V2)]
    assert offer(ledger, version=V2, now=11) == []
    assert ledger.renew([old.id], 12) == set()
    assert not ledger.answered(old, answer(), question="q", now=12)
    assert not ledger.gone(old, 12)
    assert [job.version for job in claim(ledger, now=12)] == [V2]


def test_a_paid_answer_of_a_superseded_version_is_forgotten(ledger: Ledger) -> None:
    offer(ledger)
    ledger.answered(one(ledger), answer(), question="q", now=11)
    offer(ledger, version=V2, now=12)
    assert one(ledger, 12).answer is None


@pytest.mark.parametrize("twice", [False, True])
def test_a_file_that_was_done_gone_and_back_is_not_asked_again(ledger: Ledger, twice: bool) -> None:
    offer(ledger)
    finish(ledger)
    for _ in range(1 + twice):
        assert ledger.vanished([SCAN, FileKey("in", "never/there")], 20) == [GoneRow(SCAN, "done", SIDECARS)]
        assert ledger.vanished([SCAN], 20) == []
        assert state(ledger) == "gone"
        assert offer(ledger, now=30) == []
        assert (state(ledger), claim(ledger, now=30)) == ("done", [])


def test_a_paid_answer_survives_its_file_being_gone_and_back(ledger: Ledger) -> None:
    offer(ledger)
    ledger.answered(one(ledger), answer(), question="q", now=11)
    assert [gone.was for gone in ledger.vanished([SCAN], 12)] == ["answered"]
    assert claim(ledger, now=1e6) == []
    assert offer(ledger, now=20) == [Offer(SCAN, V1)]
    assert one(ledger, 20).answer == answer()


def test_a_failed_file_that_was_gone_and_back_fails_again_unasked(ledger: Ledger) -> None:
    offer(ledger)
    ledger.failed(one(ledger), "It is encrypted.", "Decrypt it.", 11)
    ledger.vanished([SCAN], 12)
    assert offer(ledger, now=20) == [Offer(SCAN, V1)]
    assert one(ledger, 20).problem == "It is encrypted."


def test_another_version_under_the_name_of_a_file_that_is_gone_is_asked(ledger: Ledger) -> None:
    offer(ledger)
    finish(ledger)
    ledger.vanished([SCAN], 20)
    assert offer(ledger, version=V2, now=30) == [Offer(SCAN, V2)]
    assert one(ledger, 30).answer is None


def test_a_file_that_vanishes_while_in_flight_is_gone_quietly(ledger: Ledger) -> None:
    offer(ledger)
    job = one(ledger)
    assert [gone.was for gone in ledger.vanished([SCAN], 11)] == ["running"]
    assert not ledger.answered(job, answer(), question="q", now=12)
    offer(ledger, now=13)
    assert ledger.gone(one(ledger, 13), 14)
    assert state(ledger) == "gone"


def test_a_problem_reaches_the_worker(ledger: Ledger) -> None:
    offer(ledger, problem="It was never whole.")
    assert one(ledger).problem == "It was never whole."


def test_adopted_and_ignored_files_are_done_without_a_request(ledger: Ledger) -> None:
    other = FileKey("in", "a/old.jpg")
    assert ledger.adopt([Adopted(SCAN, V1, SIDECARS, SHA, "q1", answer("Total 12"))], 5) == 1
    assert ledger.adopt([Adopted(SCAN, V1, SIDECARS, SHA, "q1")], 6) == 0
    assert ledger.ignore({other: V1}, 5) == 1
    assert (offer(ledger), offer(ledger, other), claim(ledger)) == ([], [], [])
    assert ledger.all_reusable([(SHA, "q1")])[0] == [SCAN]
    assert [hit.line for hit in ledger.search("total")] == ["Total 12"]
    assert len(offer(ledger, other, V2)) == 1


def test_adopting_never_takes_a_file_from_its_worker(ledger: Ledger) -> None:
    offer(ledger)
    job = one(ledger)
    assert ledger.adopt([Adopted(SCAN, V1, SIDECARS)], 11) == 0
    assert ledger.answered(job, answer(), question="q", now=12)


def test_reuse_finds_the_same_content_and_question_only(ledger: Ledger) -> None:
    offer(ledger)
    finish(ledger)
    assert ledger.all_reusable([(SHA, "q1")])[0] == [SCAN]
    assert ledger.all_reusable([(SHA, "q2")])[0] == ledger.all_reusable([("cd" * 32, "q1")])[0] == []
    ledger.vanished([SCAN], 20)  # renamed: the new name finds the old one
    assert ledger.all_reusable([(SHA, "q1")])[0] == [SCAN]


def test_first_seen_is_true_once(ledger: Ledger, opened: OpenLedger) -> None:
    ledger.hold("in", 1)
    assert [ledger.first_seen("in", 1), ledger.first_seen("in", 2), opened().first_seen("in", 3)] == [
        True,
        False,
        False,
    ]


def test_fingerprints_are_kept_by_directory(ledger: Ledger) -> None:
    ledger.set_fingerprints("in", {"": b"1", "a/\udcff": b"2", "b": b"3"})
    ledger.set_fingerprints("in", {"": b"4", "b": None, "c": None})
    assert ledger.fingerprints("in") == {"": b"4", "a/\udcff": b"2"}
    assert ledger.fingerprints("other") == {}


def test_each_host_remembers_its_own_root_of_a_folder(ledger: Ledger, opened: OpenLedger) -> None:
    elsewhere = opened(owner="elsewhere:1:1")
    assert ledger.root("in") is None
    ledger.set_root("in", (2, 3))
    ledger.set_root("in", (2**64 - 1, 4))
    assert opened().root("in") == (2**64 - 1, 4)
    assert elsewhere.root("in") is ledger.root("other") is None
    elsewhere.set_root("in", (5, 6))
    assert (ledger.root("in"), elsewhere.root("in")) == ((2**64 - 1, 4), (5, 6))


def test_a_folder_has_files_until_all_are_gone(ledger: Ledger) -> None:
    assert not ledger.has_files("in")
    offer(ledger)
    assert ledger.has_files("in")
    assert not ledger.has_files("other")
    ledger.vanished([SCAN], 2)
    assert not ledger.has_files("in")


def test_a_held_backlog_waits_for_approval_while_arrivals_are_served(ledger: Ledger) -> None:
    offer(ledger)
    offer(ledger, FileKey("in", "new.jpg"), fresh=True)
    ledger.hold("in", 5)
    ledger.hold("in", 6)
    assert ledger.held() == {"in": 5}
    assert [job.key.path for job in claim(ledger)] == ["new.jpg"]
    assert (ledger.approve("other"), ledger.approve(), ledger.approve()) == ([], ["in"], [])
    assert one(ledger).key == SCAN


def test_what_waits_for_approval_waits_on_under_another_name_and_when_it_is_back(ledger: Ledger) -> None:
    """A directory of the backlog was renamed, or the share was away for a while: that approves nothing."""
    ledger.hold("in", 1)
    first, second, back = (FileKey("in", f"a/{n}.jpg") for n in range(3))
    versions = [Version(V1.size, V1.mtime_ns + n) for n in range(4)]
    ledger.offer([Offer(k, v, fresh=False) for k, v in zip([first, second, back], versions, strict=False)], 2)
    ledger.vanished([second, back], 3)
    new = [FileKey("in", f"b/{n}.jpg") for n in range(3)]
    renamed = [Offer(k, v, fresh=True) for k, v in zip(new, [*versions[:2], versions[3]], strict=True)]
    ledger.offer([*renamed, Offer(back, versions[2], fresh=True)], 4)
    assert [job.key for job in claim(ledger)] == [new[2]]
    ledger.approve("in")
    assert {job.key for job in claim(ledger)} == {first, back, *new[:2]}


def test_arrivals_that_are_too_many_at_once_wait_for_approval_and_the_backlog_does_not(
    ledger: Ledger,
) -> None:
    ledger.first_seen("in", 0)
    offer(ledger)
    before, taken = FileKey("in", "b/before.jpg"), FileKey("in", "taken.jpg")
    offer(ledger, taken, fresh=True)
    assert [job.key for job in claim(ledger, limit=1)] == [taken]
    offer(ledger, before, fresh=True)
    many = [Offer(FileKey("in", f"{n}.jpg"), V1, fresh=True) for n in range(3)]
    assert len(ledger.offer(many[:1], 7, unasked=1)) == 1
    assert ledger.held() == {}
    assert len(ledger.offer(many[1:], 8, unasked=1, before=[before, taken, many[0].key])) == 2
    assert ledger.held_back(["in"]) == {"in": 4}
    assert ledger.held() == {"in": 1}  # since the first of them came
    assert [job.key for job in claim(ledger)] == [SCAN]
    assert (ledger.approve("other"), ledger.approve("in"), ledger.approve()) == ([], ["in"], [])
    assert {job.key for job in claim(ledger)} == {before, *(one.key for one in many)}
    assert ledger.held() == {}


def test_what_waits_and_may_be_known_is_let_through_one_by_one(ledger: Ledger) -> None:
    assert not ledger.any_read()
    offer(ledger)
    finish(ledger)
    assert ledger.any_read()
    ledger.first_seen("in", 0)
    ledger.hold("in", 5)
    waits = [FileKey("in", name) for name in ("a/alike.jpg", "backlog.jpg", "other.jpg", "taken.jpg")]
    offer(ledger, waits[0])
    offer(ledger, waits[2], version=Version(V1.size + 1, V1.mtime_ns))
    offer(ledger, waits[1])
    assert len(ledger.offer([Offer(waits[3], V1, fresh=True)], 6, unasked=0)) == 1
    rows = ledger.held_alike("in", 0, 2)
    assert [row.key for row in rows] == [waits[0], waits[1]]
    (last,) = ledger.held_alike("in", rows[-1].id, 9)  # nor is what may be no known file looked at
    assert last.key == waits[3]
    assert (ledger.held_alike("in", last.id, 9), ledger.held_alike("other", 0, 9)) == ([], [])
    offer(ledger, waits[1], version=V2)  # meanwhile
    ledger.let_through([*rows, last])
    assert {job.key for job in claim(ledger)} == {waits[0], waits[3]}
    assert ledger.held_back(["in"]) == {"in": 2}


def test_few_arrivals_that_are_left_waiting_are_released_and_a_backlog_is_not(ledger: Ledger) -> None:
    ledger.first_seen("in", 0)
    ledger.hold("in", 5)
    offer(ledger)
    arrivals = [Offer(FileKey("in", f"{n}.jpg"), V1, fresh=True) for n in range(3)]
    ledger.offer(arrivals, 6, unasked=1)
    assert (ledger.release_few("in", 2), ledger.release_few("other", 9)) == (0, 0)
    assert claim(ledger) == []
    assert ledger.release_few("in", 3) == 3
    assert {job.key for job in claim(ledger)} == {offer.key for offer in arrivals}
    assert ledger.held_back(["in"]) == {"in": 1}


def test_redo_asks_again_about_anything_and_takes_it_from_its_worker(ledger: Ledger) -> None:
    offer(ledger)
    finish(ledger)
    other = FileKey("in", "b/running.jpg")
    offer(ledger, other)
    running = one(ledger)
    assert ledger.redo([SCAN, other, FileKey("in", "unknown")], now=20) == 2
    assert not ledger.answered(running, answer(), question="q", now=21)
    jobs = claim(ledger, now=21)
    assert {(job.key, job.round, job.again) for job in jobs} == {(SCAN, 20, True), (other, 20, True)}
    assert ledger.all_reusable([(SHA, "q1")])[0] == []
    for job in jobs:
        ledger.done(job, (), 22)
    assert ledger.redo(folder="other", now=30) == 0
    assert ledger.redo(folder="in", now=30) == 2


def test_a_large_redo_goes_page_by_page_and_takes_each_row_once(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(queries, "_ROWS", 3)
    for number in range(10):
        offer(ledger, FileKey("in", f"{number}"))
        offer(ledger, FileKey("b", f"{number}"))
    ledger.vanished([FileKey("in", "4")], 15)
    assert ledger.redo(folder="in", now=20) == 9
    assert all(job.again for job in ledger.claim(folders=["in"], limit=20, now=21))
    assert not any(job.again for job in ledger.claim(folders=["b"], limit=20, now=21))
    assert ledger.requeue(now=30) == 0


def test_a_redo_that_is_cancelled_gives_the_answer_back_and_leaves_what_had_none(ledger: Ledger) -> None:
    offer(ledger)
    finish(ledger)
    before = ledger.find(SCAN)
    other = FileKey("in", "b/never.jpg")
    offer(ledger, other)
    assert ledger.redo(folder="in", now=20) == 2
    assert ledger.all_reusable([(SHA, "q1")])[0] == []
    assert ledger.cancel_redo(folder="elsewhere", now=21) == 0
    assert ledger.cancel_redo(now=21) == 1
    after = ledger.find(SCAN)
    assert before is not None
    assert after is not None
    assert (after.state, after.sha256, after.written) == ("done", before.sha256, before.written)
    assert ledger.all_reusable([(SHA, "q1")])[0] == [SCAN]
    assert [job.key for job in claim(ledger, now=22)] == [other]
    assert ledger.cancel_redo([SCAN, other], now=23) == 0


def test_stale_answers_are_those_to_another_question(ledger: Ledger) -> None:
    offer(ledger)
    finish(ledger)
    ledger.ignore({FileKey("in", "ignored"): V1}, 1)
    counts = [ledger.stale(*which) for which in (("in", ["q1"]), ("in", ["q2"]), ("b", ["q2"]))]
    assert counts == [(0, 0), (1, 0), (0, 0)]
    assert [row.key for row in ledger.stale_files("in", ["q2"], limit=5)] == [SCAN]
    assert (ledger.redo_stale("in", ["q1"], 20), ledger.redo_stale("in", ["q2"], 20)) == (0, 1)
    assert one(ledger, 20).again


def test_counts_tell_every_state(ledger: Ledger) -> None:
    offer(ledger)
    finish(ledger)
    offer(ledger, FileKey("in", "b"))
    none = {"queued": 0, "running": 0, "answered": 0, "handing": 0, "done": 0, "failed": 0, "gone": 0}
    assert ledger.counts(["in", "empty"]) == {"in": none | {"done": 1, "queued": 1}, "empty": none}


def test_folders_are_those_that_were_ever_watched(ledger: Ledger) -> None:
    assert ledger.folders() == []
    ledger.first_seen("in", 1)
    ledger.first_seen("archive", 2)
    assert ledger.folders() == ["archive", "in"]


def test_money_is_counted_once_even_when_the_lease_is_lost(ledger: Ledger) -> None:
    offer(ledger)
    job = one(ledger)
    ledger.page_answered(job, page(1), 11)
    offer(ledger, version=V2, now=12)
    both = Usage(input_tokens=2500, output_tokens=50, cost=0.75, currency="USD")
    assert not ledger.answered(job, answer(usage=both), question="q", now=13)
    assert ledger.answered(one(ledger, 14), answer(reused_from="in/other.jpg"), question="q", now=15)
    [spent] = ledger.spend_today(13)
    assert (spent.day, spent.folder, spent.model, spent.currency) == (local_day(13), "in", "gpt-4o", "USD")
    assert spent.cost == pytest.approx(0.25 + 0.75)  # the new version dropped the page's record
    assert ledger.spend_this_month(13) == [spent]
    assert ledger.spend_today(13 + 86400) == []


def test_a_month_has_what_was_spent_on_its_days_to_come(ledger: Ledger) -> None:
    """By a daemon that is further east, or while a clock was ahead: else a month's budget is spent twice."""
    day = 86400.0
    offer(ledger)
    ledger.spent(
        one(ledger), "gpt-4o", Usage(input_tokens=1, output_tokens=1, cost=0.5, currency="USD"), 10 * day
    )
    assert [s.cost for s in ledger.spend_this_month(9 * day)] == [0.5]
    assert ledger.spend_today(9 * day) == []
    assert ledger.spend_this_month(-9 * day) == ledger.spend_this_month(40 * day) == []


def test_pages_that_are_paid_are_not_counted_again_with_the_whole(ledger: Ledger) -> None:
    offer(ledger)
    job = one(ledger)
    ledger.page_answered(job, page(1), 11)
    ledger.page_answered(job, page(2), 11)
    both = Usage(input_tokens=2000, output_tokens=40, cost=0.5, currency="USD")
    ledger.answered(job, answer(usage=both), question="q", now=13)
    [spent] = ledger.spend_today(13)
    assert (spent.cost, spent.input_tokens, spent.output_tokens, spent.answers) == (0.5, 2000, 40, 1)


def test_search_finds_words_phrases_and_scripts_without_spaces(ledger: Ledger) -> None:
    offer(ledger)
    finish(ledger, text="Invoice 4711\nder Übergröße GmbH, total 12.50 EUR\n发票号码 08\0 北京'\"; --")
    found = {q: [hit.line[:7] for hit in ledger.search(q)] for q in
             ("INVOICE", "total gmbh", '"total 12.50"', '"gmbh invoice"', "übergröße", "发票", "票发", "北京", "xyz", "-- ;", "")}  # fmt: skip
    assert found == {
        "INVOICE": ["Invoice"], "total gmbh": ["der Übe"], '"total 12.50"': ["der Übe"], '"gmbh invoice"': [],
        "übergröße": ["der Übe"], "发票": ["发票号码 08"[:7]], "票发": [], "北京": ["发票号码 08"[:7]], "xyz": [], "-- ;": [], "": [],
    }  # fmt: skip
    assert ledger.search("invoice", folder="other") == []


def test_search_finds_words_by_their_beginning_when_asked_or_when_nothing_else_is_found(
    ledger: Ledger,
) -> None:
    offer(ledger)
    finish(ledger, text="Invoice R-12345\nin voices\noak planking, 2 m\n发票号码 08")
    lines = {q: [hit.line for hit in ledger.search(q)] for q in
             ("invoic", "invoic*", "1234", "INV", "oak plank", '"oak plank"', '"oak plank"*', "发*", "voic planks", "*", "in*")}  # fmt: skip
    assert lines == {
        "invoic": ["Invoice R-12345"], "invoic*": ["Invoice R-12345"], "1234": ["Invoice R-12345"], "INV": ["Invoice R-12345"],
        "oak plank": ["oak planking, 2 m"], '"oak plank"': [], '"oak plank"*': ["oak planking, 2 m"], "发*": ["发票号码 08"],
        "voic planks": [], "*": [], "in*": ["Invoice R-12345"],
    }  # fmt: skip


def test_a_whole_word_is_not_mixed_with_beginnings(ledger: Ledger) -> None:
    for name, text in (("aa", "total"), ("bb", "totals")):
        key = FileKey(SCAN.folder, f"{name}.png")
        offer(ledger, key)
        finish(ledger, text=text, source=about(name))
    assert [hit.line for hit in ledger.search("total")] == ["total"]
    assert {hit.line for hit in ledger.search("total*")} == {"total", "totals"}


@pytest.mark.parametrize(
    "text",
    [
        "²",
        "a:*",
        "'; --",
        "NEAR(a b)",
        "a AND NOT",
        '"',
        '""*',
        "*" * 50,
        "(",
        "\\",
        "!a & b",
        "x" * 5000,
        "é* ü",
    ],
)
def test_nothing_that_is_searched_for_is_taken_for_a_query(ledger: Ledger, text: str) -> None:
    offer(ledger)
    finish(ledger, text="page")
    assert ledger.search(text) == []


def test_search_tells_the_page_and_finds_what_files_have_now(ledger: Ledger) -> None:
    offer(ledger)
    pages = tuple(PageAnswer(page=n, text=f"page number {word}") for n, word in ((1, "one"), (2, "two")))
    finish(ledger, pages=pages)
    assert [(hit.key, hit.page) for hit in ledger.search("two")] == [(SCAN, 2)]
    assert [hit.page for hit in ledger.search("number")] == [1, 2]
    assert [hit.page for hit in ledger.search('"number two" page one')] == [1]  # no page holds them all
    assert ledger.search('"one page"') == []
    offer(ledger, version=V2, now=20)
    finish(ledger, 20, text="three", source=about("02"))
    assert (ledger.search("two"), len(ledger.search("three"))) == ([], 1)
    ledger.vanished([SCAN], 30)
    assert ledger.search("three") == []
    offer(ledger, version=V2, now=40)
    assert [hit.key for hit in ledger.search("three")] == [SCAN]  # a share that came back


def test_search_finds_every_file_that_has_an_answer_and_goes_beyond_those_that_have_not(
    ledger: Ledger,
) -> None:
    for number in range(340):
        offer(ledger, FileKey("in", f"{number}.jpg"))
        finish(ledger, text="many have it", source=about(f"{number % 170:02x}"), reused_from=None)
    ledger.vanished([FileKey("in", f"{number}.jpg") for number in range(20, 340)], 30)
    found = ledger.search("many", limit=500)
    assert {hit.key.path for hit in found} == {f"{number}.jpg" for number in range(20)}
    assert len(ledger.search("many", limit=7)) == 7
    assert ledger.search("many", folder="other") == []


def test_an_answer_without_any_text_is_kept_and_forgotten(ledger: Ledger) -> None:
    offer(ledger)
    finish(ledger, text="")
    assert ledger.search("nothing") == []
    assert ledger.forget_files([SCAN]) == 1


def test_the_better_match_is_first(ledger: Ledger) -> None:
    for name, text in (("aa", "oak " * 9), ("bb", "oak and more. " + "x " * 900), ("cc", "oak oak")):
        offer(ledger, FileKey("in", f"{name}.jpg"))
        finish(ledger, text=text, source=about(name))
    assert [hit.key.path for hit in ledger.search("oak")] == ["aa.jpg", "cc.jpg", "bb.jpg"]


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("strasse", True), ("STRASSE", True), ("ubergroße", True), ("１２３", True), ("резюме", True), ("cafe", True),
        ("发", True), ("票", True), ("发票", True), ("票号", True), ("发票号码", True), ("发票 码", True), ("发号", False),
        ("码12", True), ('"号码 12"', True), ("ใบเสร็จ", True), ("한국", True), ("한국어*", True), ("국어", False), ("が", True), ("か", False),
    ],
)  # fmt: skip
def test_case_accents_widths_and_scripts_without_spaces(ledger: Ledger, query: str, found: bool) -> None:
    offer(ledger)
    finish(ledger, text="Straße Übergröße 123 РЕЗЮМЕ cafe\u0301 发票号码12 ใบเสร็จ 한국어 がぎ")
    assert bool(ledger.search(query)) is found, query


def test_without_search_no_text_is_kept(opened: OpenLedger) -> None:
    ledger = opened(search=False)
    offer(ledger)
    finish(ledger, text="secret")
    assert ledger.search("secret") == []


def test_facts_are_believed_for_a_week(ledger: Ledger) -> None:
    ledger.learn("m", {"max_edge": 1568, "drop": ["user"]}, 0)
    ledger.learn("m", {"max_edge": 1024, "drop": None}, 86400)
    assert ledger.all_learnt(7 * 86400) == {"m": {"max_edge": 1024}}
    assert ledger.all_learnt(8 * 86400 + 1) == {}
    assert (ledger.forget("other"), ledger.forget(), ledger.all_learnt(86400)) == (0, 1, {})


def test_pauses_are_shared(ledger: Ledger, opened: OpenLedger) -> None:
    pause = Paused("m", "quota", 1, None, 60)
    ledger.pause(pause)
    ledger.pause(replace(pause, next_probe=120))
    other = opened()
    assert other.pauses() == {"m": replace(pause, next_probe=120)}
    assert (other.resume("m"), other.resume("m"), ledger.pauses()) == (True, False, {})


def test_pace_is_counted_over_all_daemons(ledger: Ledger, opened: OpenLedger) -> None:
    ledger.sent("m", 1, 500, 100.2)
    opened().sent("m", 2, 100, 100.9)
    assert ledger.may_send("m", 155, requests=3, tokens=None) == 6
    assert ledger.may_send("m", 155, requests=None, tokens=600, cost=1) == 6
    assert ledger.may_send("n", 155, requests=3, tokens=600, cost=1) == 0
    assert ledger.may_send("m", 155, requests=4, tokens=601, cost=1) == 0


def test_another_users_daemon_whose_process_is_hidden_is_alive(
    ledger: Ledger, opened: OpenLedger, monkeypatch: pytest.MonkeyPatch
) -> None:
    def not_allowed(_pid: int, _signal: int) -> None:
        raise PermissionError

    hidden = 2**22 + 1  # no process has a number like this: /proc shows nothing
    offer(ledger)
    claim(opened(owner=f"{this_host()}:{hidden}:{this_world()}-once"), limit=1)
    with monkeypatch.context() as patch:
        patch.setattr(os, "kill", not_allowed)
        assert ledger.take_back(11) == 0
    assert ledger.take_back(11) == 1


def test_leases_of_dead_processes_of_this_host_are_taken_back_at_once(
    ledger: Ledger, opened: OpenLedger
) -> None:
    child = subprocess.Popen([sys.executable, "-c", ""])
    child.wait()
    dead = opened(owner=f"{this_host()}:{child.pid}:{this_world()}-once")
    remote = opened(owner=f"elsewhere:{child.pid}:once")
    for n in range(4):
        offer(ledger, FileKey("in", f"{n}"))
    for daemon in (dead, remote, ledger):
        daemon.heartbeat(10)
        assert len(claim(daemon, limit=1)) == 1
    paid = claim(dead, limit=1)[0]
    dead.answered(paid, answer(), question="q", now=11)
    assert ledger.other_daemons(11) == [f"pid {child.pid} on elsewhere"]
    assert ledger.take_back(11) == 2
    assert {job.key.path: job.answer is not None for job in claim(ledger, now=11)} == {"0": False, "3": True}


CONTAINED = """
import sys
from test_ledger import claim
from glimpsed.ledger import open_ledger
ledger = open_ledger(sys.argv[1])
ledger.heartbeat(10)
assert len(claim(ledger, limit=1)) == 1
print(ledger.owner, flush=True)
sys.stdin.read()
"""


def test_a_daemon_in_another_container_on_the_same_ledger_is_not_taken_for_dead(
    ledger: Ledger, ledger_url: str
) -> None:
    """Its process number means nothing here, though both have one name, and the same machine-id or none."""
    alone = ["unshare", "--pid", "--fork", "--kill-child", "--mount-proc"]
    if os.geteuid() != 0 or subprocess.run([*alone, "true"], check=False, capture_output=True).returncode:
        pytest.skip("needs root, and unshare")
    offer(ledger)
    with subprocess.Popen(
        [*alone, sys.executable, "-c", CONTAINED, ledger_url],
        env={**os.environ, "PYTHONPATH": f"{Path(__file__).parent}:{Path(__file__).parents[1]}"},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as other:
        assert other.stdin is not None
        assert other.stdout is not None
        owner = other.stdout.readline().strip()
        assert owner != ledger.owner
        assert owner.split(":")[0] == ledger.owner.split(":")[0]
        assert ledger.take_back(11) == 0
        assert ledger.other_daemons(11) == [f"pid 1 on {socket.gethostname()}"]
        other.stdin.close()


@pytest.mark.parametrize(
    ("name", "back"), [("{host}/3d1219c7", 1), ("{host}/", 0), ("elsewhere/3d1219c7", 0)]
)
def test_a_machine_that_was_started_anew_takes_back_what_it_held_if_it_is_known_for_the_same(
    ledger: Ledger, opened: OpenLedger, monkeypatch: pytest.MonkeyPatch, name: str, back: int
) -> None:
    host = name.format(host=socket.gethostname())
    here = f"{socket.gethostname()}/{host.partition('/')[2]}"
    monkeypatch.setattr("glimpsed.ledger.hosts.this_host", lambda: here)
    offer(ledger)
    claim(opened(owner=f"{host}:{os.getpid()}:01234567.4026531836-1"), limit=1)
    assert ledger.take_back(11) == back


def test_an_older_copy_that_is_restored_under_a_daemon_is_noticed(opened: OpenLedger) -> None:
    """It knows nothing of the last heartbeat."""
    ledger = opened()
    ledger.heartbeat(10)
    ledger.heartbeat(20)
    ledger.leave()  # as in a copy from before its start
    with pytest.raises(LedgerReplaced):
        ledger.heartbeat(30)
    ledger.heartbeat(20 + 10 * ALIVE)  # after a long sleep the others have forgotten it


@pytest.mark.parametrize("left", [0, 4096, 20_000])
def test_a_file_that_is_cut_off_under_a_daemon_is_noticed_and_one_that_is_vacuumed_is_not(
    tmp_path: Path, left: int
) -> None:
    file = tmp_path / "ledger.sqlite"
    ledger = open_ledger(f"sqlite:///{file}")
    ledger.offer([Offer(FileKey("in", f"{n:0200}.png"), Version(1, 1)) for n in range(500)], 1)
    ledger.heartbeat(10)
    ledger._database.empty_log()
    ledger.heartbeat(20)
    ledger.forget_files([FileKey("in", f"{n:0200}.png") for n in range(500)])
    ledger.heartbeat(30)
    whole = file.stat().st_size
    with contextlib.closing(sqlite3.connect(file)) as administrator:
        administrator.execute("VACUUM")
        administrator.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    assert file.stat().st_size < whole
    ledger.heartbeat(40)
    os.truncate(file, left)
    with pytest.raises(LedgerReplaced, match="was cut off"):
        ledger.heartbeat(50)
    ledger.close()


def test_daemons_are_alive_while_they_beat(ledger: Ledger, opened: OpenLedger) -> None:
    other = opened(owner="elsewhere:1:1")
    other.heartbeat(10, {"folders": {"in": {"state": "watching"}}})
    other.heartbeat(20, {"folders": {}})
    [daemon] = ledger.daemons(21)
    assert (daemon.host, daemon.pid, daemon.since, daemon.beat, daemon.report) == (
        "elsewhere",
        1,
        10,
        20,
        {"folders": {}},
    )
    assert ledger.daemons(1000) == []
    other.leave()
    assert ledger.daemons(21) == []


def test_what_others_write_is_noticed_and_what_we_write_is_not(ledger: Ledger, opened: OpenLedger) -> None:
    before = ledger.changes()
    offer(ledger)
    job = one(ledger)
    ledger.failed(job, "r", "a", 11)
    assert ledger.changes() == before
    command = opened(owner="elsewhere:1:1")
    for write in (lambda: command.requeue([SCAN], now=12), lambda: command.redo([SCAN], now=12),
                  lambda: offer(command, version=V2), lambda: (command.hold("in", 1), command.approve())):  # fmt: skip
        write()
        deadline = time.monotonic() + 60  # PostgreSQL delivers soon after the commit, not with it
        while ledger.changes() == before:
            assert time.monotonic() < deadline
            time.sleep(0.01)
        before = ledger.changes()
    assert ledger.changes() == before


def test_threads_share_a_ledger_and_no_job_goes_to_two(ledger: Ledger, opened: OpenLedger) -> None:
    ledger.offer([Offer(FileKey("in", f"{n}"), V1) for n in range(200)], 1)
    other, taken, lock = opened(owner="elsewhere:1:1"), [], threading.Lock()

    def work(mine: Ledger) -> None:
        idle = 0
        while idle < 3:
            jobs = claim(mine, limit=3)
            idle = 0 if jobs else idle + 1
            for job in jobs:
                assert mine.answered(job, answer(), question="q", now=11)
                assert mine.done(job, SIDECARS, 11)
            with lock:
                taken.extend(job.key for job in jobs)

    threads = [threading.Thread(target=work, args=(each,)) for each in (ledger, ledger, other, other)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert len(taken) == len(set(taken)) == 200
    assert sum(spent.answers for spent in ledger.spend_today(11)) == 200


def test_what_a_lost_ledger_had_counted_is_counted_again_by_its_own_day(ledger: Ledger) -> None:
    """What was answered since this ledger began it has counted itself."""
    usage = Usage(input_tokens=10, output_tokens=2, cost=0.5, currency="EUR")
    began = ledger.clock.wall()
    yesterday, today = began - 86_400, began - 1

    def adopted(name: str, *paid: Paid) -> Adopted:
        return Adopted(FileKey("in", name), V1, (), "ab" * 32, paid=paid)

    one = adopted("a", Paid("gpt-4o", usage, yesterday, 1), Paid("ocr", usage, yesterday, 0))
    others = [adopted(name, Paid("gpt-4o", usage, today, 1)) for name in "bc"]
    later = adopted("d", Paid("gpt-4o", usage, began + 60, 1))
    assert ledger.adopt([one, *others, later], began + 120) == 4
    assert ledger.adopt([one, *others, later], began + 120) == 0
    sums = {(s.day, s.model): (s.answers, s.input_tokens, s.cost) for s in ledger.spend_between("0", "9")}
    assert sums[local_day(yesterday), "ocr"] == (0, 10, 0.5)
    assert sums[local_day(yesterday), "gpt-4o"] == (1, 10, 0.5)
    assert sums[local_day(today), "gpt-4o"] == (2, 20, 1.0)
