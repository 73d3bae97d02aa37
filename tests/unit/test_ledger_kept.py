"""Answers outlive files: kept by content and question, for as long as the config says, and forgotten for good."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clocks import Hand
from glimpsed.ledger import Adopted, Ledger, open_ledger
from glimpsed.ledger.finish import failure
from glimpsed.ledger.packed import facts_of, lettered, pack, pages_of, unpack
from glimpsed.model import Answer, FileKey, Job, Offer, Version, Written
from ledger_fixtures import OpenLedger
from ledger_fixtures import kept_answer as answer

A, B = FileKey("in", "a.png"), FileKey("in", "sub/b.png")
ONE, TWO = "aa" * 32, "bb" * 32
DAY = 86400.0


def claimed(ledger: Ledger, key: FileKey, version: int = 1) -> Job:
    ledger.offer([Offer(key, Version(version, version))], 1)
    (job,) = ledger.claim(folders=["in"], limit=1, now=ledger.clock())
    assert job.key == key
    return job


def finished(ledger: Ledger, key: FileKey, given: Answer, *, question: str = "q", version: int = 1) -> None:
    job = claimed(ledger, key, version)
    assert ledger.answered(job, given, question=question, now=2)
    assert ledger.done(job, (), 3)


def kept(ledger: Ledger, *wanted: tuple[str, str]) -> list[tuple[FileKey, str] | None]:
    found = ledger.all_kept(wanted or [(ONE, "q")])
    return [None if one is None else (one.origin, one.answer.text) for one in found]


@given(st.text(max_size=3000), st.text(max_size=50))
def test_an_answer_is_kept_as_it_was_in_less_room(text: str, other: str) -> None:
    whole, facts = answer(text), facts_of(answer(other, TWO))
    assert unpack(pack(whole, facts), ONE, facts) == whole
    assert pages_of(pack(whole, facts), facts) == [lettered(text)]
    assert len(pack(whole, facts)) < 100 + 1.2 * len(text.encode())


@given(st.text(st.characters(exclude_categories=("Cs", "Cc", "Zl", "Zp")), max_size=50), st.booleans())
def test_json_is_found_by_what_its_escapes_stand_for_and_is_json_still(text: str, fenced: bool) -> None:
    said = json.dumps({text: [text, 1]})
    around = "```json\n{}\n```" if fenced else "{}"
    letters = json.dumps({text: [text, 1]}, ensure_ascii=False)
    assert lettered(around.format(said)) == around.format(letters)
    assert lettered(around.format(letters)) == around.format(letters)


@pytest.mark.parametrize(
    ("written", "read"),
    [
        (r'{"a": "one\nNumber\ttwo \u0000 three \/"}', '{"a": "one Number two   three /"}'),
        (r'{"a": "\ud83d\ude00 \ud83d"}', '{"a": "😀 \\ud83d"}'),
        (r'{"a": "C:\\users\\new \\u4e2d \"x\""}', r'{"a": "C:\\users\\new \\u4e2d \"x\""}'),
        (r"C:\new\u4e2d", r"C:\new\u4e2d"),
        ('["cut off \\u4e', '["cut off \\u4e'),
        ('{"a": "\\', '{"a": "\\'),
    ],
)
def test_only_what_json_says_is_read_as_json(written: str, read: str) -> None:
    assert lettered(written) == read


def test_an_answer_in_escapes_is_found_in_letters_until_it_is_given_anew(ledger: Ledger) -> None:
    finished(ledger, A, answer(json.dumps({"供应商": "北京机械", "note": "first\nNummer"})))
    for query in ("北京", "供应商", "nummer", "müll"):
        assert [hit.key for hit in ledger.search(query)] == ([A] if query != "müll" else []), query
    finished(ledger, A, answer(json.dumps("Müll")), version=2)
    assert [bool(ledger.search(query)) for query in ("北京", "nummer", "müll")] == [False, False, True]


def test_a_text_that_names_its_own_hash_is_kept_as_it_is() -> None:
    whole = answer(f'"sha256":"" "sha256":"{ONE}"')
    assert unpack(pack(whole), ONE) == whole


def test_what_answers_have_in_common_is_nothing_that_one_of_them_says() -> None:
    facts = facts_of(answer("Zauberwort", reused_from="in/geheim.png").model_copy(update={"data": {"a": 1}}))
    assert not any(word in facts for word in (b"Zauberwort", b"geheim", b"a.png", ONE.encode(), b'"a"'))


@pytest.mark.parametrize("body", [b"", b"\3abc", b"\1", b"\2\xff\xff\xff"])
def test_what_another_program_kept_is_no_answer(body: bytes) -> None:
    with pytest.raises(ValueError, match=r"newer|incomplete|[Ii]nvalid"):
        unpack(body, ONE)
    assert pages_of(body, b"") == []


def test_an_answer_is_found_by_content_and_question_until_it_is_given_anew(ledger: Ledger) -> None:
    finished(ledger, A, answer("first"))
    assert kept(ledger, (ONE, "q"), (ONE, "other"), (TWO, "q")) == [(A, "first"), None, None]
    finished(ledger, A, answer("second"), version=2)
    assert kept(ledger) == [(A, "second")]


def test_it_outlives_its_file_and_another_content_in_its_place(ledger: Ledger) -> None:
    finished(ledger, A, answer("first"))
    ledger.vanished([A], 4)
    finished(ledger, A, answer("another", TWO), version=2)
    assert kept(ledger, (ONE, "q"), (TWO, "q")) == [(A, "first"), (A, "another")]


def test_one_that_is_used_again_stays_what_was_paid_for_and_is_known_by_its_new_file(ledger: Ledger) -> None:
    finished(ledger, A, answer("first"))
    finished(ledger, B, answer("first", reused_from="in/a.png"))
    (one,) = ledger.all_kept([(ONE, "q")])
    assert one is not None
    assert (one.origin, one.answer.reused_from) == (B, None)


def test_one_that_never_is_to_be_kept_stays_until_it_is_written(opened: OpenLedger) -> None:
    ledger = opened(keep=0)
    job = claimed(ledger, A)
    ledger.answered(job, answer("secret word"), question="q", now=2)
    assert kept(ledger) == [(A, "secret word")]  # a copy of the image is not paid for meanwhile
    ledger.done(job, (), 3)
    assert kept(ledger) == [None]
    assert ledger.search("secret") == []


def test_answers_go_when_they_are_as_old_as_the_config_says_by_elapsed_time(opened: OpenLedger) -> None:
    clock = Hand()
    ledger = opened(keep=90 * DAY, clock=clock)
    finished(ledger, A, answer("old"))
    clock.now += 89 * DAY
    finished(ledger, B, answer("young", TWO))
    assert ledger.let_go(clock()) == 0
    clock.now += 2 * DAY
    assert ledger.let_go(clock()) == 1
    assert kept(ledger, (ONE, "q"), (TWO, "q")) == [None, (B, "young")]
    assert ledger.search("old") == []
    assert [hit.key for hit in ledger.search("young")] == [B]


def test_what_was_kept_goes_when_the_config_says_never(opened: OpenLedger) -> None:
    first = opened()
    finished(first, A, answer("first"))
    job = claimed(first, B)
    first.answered(job, answer("not written yet", TWO), question="q", now=2)
    ledger = opened(keep=0)
    while ledger.let_go(ledger.clock(), 1):
        pass
    assert kept(ledger, (ONE, "q"), (TWO, "q")) == [None, (B, "not written yet")]
    assert ledger.search("first") == []


def forgotten(ledger: Ledger, keys: Sequence[FileKey]) -> None:
    assert ledger.forget_files(keys) == len(keys)
    for key in keys:
        assert ledger.find(key) is None


def test_what_is_forgotten_is_not_in_the_databases_file(tmp_path: Path) -> None:
    path = tmp_path / "ledger.db"
    ledger = open_ledger(f"sqlite:///{path}")
    other = open_ledger(f"sqlite:///{path}", owner="here:1:1")  # a daemon beside the command
    for number in range(30):
        finished(other, FileKey("in", f"{number}.png"), answer(f"word{number} " * 50, f"{number:064x}"))
    secret = FileKey("in", "geheim.png")
    finished(other, secret, answer("Zauberwort " * 300, ONE))
    other.failed(claimed(other, FileKey("in", "kaputt.png"), 5), "Zauberwort is no reason", "x", 3)
    forgotten(ledger, [secret, FileKey("in", "kaputt.png")])
    assert kept(ledger) == [None]
    assert ledger.search("zauberwort") == []
    for file in tmp_path.iterdir():
        content = file.read_bytes().lower()
        assert b"zauberwort" not in content, file
        assert b"geheim.png" not in content, file
    assert [hit.key.path for hit in ledger.search("word7")] == ["7.png"]
    ledger.close()
    other.close()


def test_an_answer_that_another_file_has_as_well_stays_that_files(ledger: Ledger) -> None:
    finished(ledger, A, answer("both"))
    finished(ledger, B, answer("both", reused_from="in/a.png"))
    forgotten(ledger, [B])
    assert kept(ledger) == [(A, "both")]
    forgotten(ledger, [A])
    assert kept(ledger) == [None]


def test_earlier_answers_of_a_file_are_forgotten_with_it(ledger: Ledger) -> None:
    finished(ledger, A, answer("first"))
    finished(ledger, A, answer("second", TWO), version=2)
    forgotten(ledger, [A])
    assert kept(ledger, (ONE, "q"), (TWO, "q")) == [None, None]


def test_those_that_are_gone_are_forgotten_with_their_answers(ledger: Ledger) -> None:
    finished(ledger, A, answer("gone"))
    finished(ledger, B, answer("here", TWO))
    ledger.vanished([A], 4)
    assert ledger.forget_gone("in") == 1
    assert ledger.find(A) is None
    assert kept(ledger, (ONE, "q"), (TWO, "q")) == [None, (B, "here")]
    ledger.set_fingerprints("in", {"": b"1", "sub": b"2"})
    forgotten(ledger, [B])
    assert ledger.fingerprints("in") == {"": b"1"}  # what still stands there is news to the next listing


def test_the_gist_of_every_done_file_is_told_in_their_order_with_what_is_not_kept(ledger: Ledger) -> None:
    several = [FileKey("in", f"{n // 200}/{n:04}.png") for n in range(600)]
    ledger.offer([Offer(key, Version(1, 1)) for key in several], 1)
    jobs = {job.key: job for job in ledger.claim(folders=["in"], limit=600, now=ledger.clock())}
    held = [jobs[key] for key in several]
    ledger.all_answered([(job, answer(f"text {n}", f"{n:064x}"), "q") for n, job in enumerate(held)], 2)
    ledger.all_done([(job, ()) for job in held], 3)
    ledger.vanished([several[7]], 4)
    with ledger._database.write() as c:
        c.exec_driver_sql(
            "UPDATE kept SET body = '\\x03'::bytea WHERE file = 3"
            if ledger._database.postgresql
            else "UPDATE kept SET body = x'03' WHERE file = 3"
        )  # by a newer program
    assert ledger.forget_files([several[8]]) == 1
    told = [(key, gist and (gist.text, gist.usage.cost)) for key, gist in ledger.gists("in")]
    whole = [(key, answer(f"text {n}", f"{n:064x}")) for n, key in enumerate(several) if n not in (7, 8)]
    assert told == [(key, None if key == several[2] else (one.text, one.usage.cost)) for key, one in whole]
    assert list(ledger.gists("other")) == []


def test_what_waits_and_is_known_is_claimed_whether_it_is_due_or_not(
    ledger: Ledger, opened: OpenLedger
) -> None:
    finished(ledger, A, answer("first"))
    copies = [FileKey("in", f"{n}.png") for n in range(3)]
    ledger.offer([Offer(key, Version(1, 10 + n)) for n, key in enumerate(copies)], 5)
    ledger.offer(
        [Offer(FileKey("in", "longer.png"), Version(9, 9))], 5
    )  # no file that was read is of its size
    rows, last = ledger.waiting_alike("in", (0.0, 0), 2)
    rest, end = ledger.waiting_alike("in", last or (0.0, 0), 2)
    assert [row.key for row in (*rows, *rest)] == copies
    assert end is not None
    assert ledger.waiting_alike("in", end, 2) == ([], None)
    assert ledger.redo([copies[0]], now=6) == 1  # asked anew whatever is known
    other = opened()
    ids = [row.id for row in (*rows, *rest)]
    taken = other.claim(folders=["elsewhere"], limit=5, now=ledger.clock(), known=ids)
    assert {job.key for job in taken} == set(copies[1:])
    assert (
        ledger.claim(folders=["elsewhere"], limit=5, now=ledger.clock(), known=ids) == []
    )  # another's by now


def test_a_failure_is_found_under_another_name_by_version_content_and_question(ledger: Ledger) -> None:
    asked = failure("q", ONE)
    for key, version in ((A, 1), (B, 2)):
        job = claimed(ledger, key, version)
        assert ledger.failed(job, f"refused {key.path}", "", 2, question="q", content=ONE)
    ledger.vanished([A], 3)
    new, first = FileKey("in", "new.png"), Version(1, 1)
    wanted = [
        (new, first, asked),
        (new, Version(2, 2), asked),
        (A, first, asked),  # itself
        (new, Version(2, 1), asked),
        (new, first, failure("other", ONE)),
        (new, first, failure("q", TWO)),
        (FileKey("elsewhere", "new.png"), first, asked),
    ]
    found = [[row.reason for row in rows] for rows in ledger.all_unanswered(wanted)]
    assert found == [["refused a.png"], ["refused sub/b.png"], [], [], [], [], []]


def test_an_adopted_answer_that_was_used_again_is_not_that_of_the_content_elsewhere(ledger: Ledger) -> None:
    """What was asked an adopted answer does not say: in another folder, it may have been something else."""
    other, copy = FileKey("other", "a.png"), FileKey("in", "z.png")
    for key, its in (
        (other, answer("said of the other", ONE)),
        (copy, answer("said of this one", ONE, "in/a.png")),
    ):
        ledger.adopt([Adopted(key, Version(1, 1), (Written("x.json", 1, 1),), ONE, answer=its)], 10)
        row = ledger.find(key)
        assert row is not None
        found = ledger.kept_for(row)
        assert found is not None
        assert found.answer.text == its.text
