"""Beginnings that very many answers have: found in the texts of those kept last, and the same as by the index."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from hypothesis import given, settings
from hypothesis import strategies as st

from glimpsed.ledger import Ledger, open_ledger, search
from glimpsed.ledger.values import Among
from glimpsed.model import FileKey, Offer, Version
from ledger_fixtures import kept_answer

SYLLABLES = ("an", "ber", "inv", "oice", "xi", "東", "京", "1", "42")
ALL = Among(folders=["in"], states=["done"])
PLACES = [[SYLLABLES[0], SYLLABLES[1]], [SYLLABLES[2], SYLLABLES[3]], list(SYLLABLES)]


def fill(ledger: Ledger, texts: list[str]) -> None:
    offers = [Offer(FileKey("in", f"{n:04}.png"), Version(1, n + 1)) for n in range(len(texts))]
    ledger.offer(offers, 1)
    jobs = {j.key: j for j in ledger.claim(folders=["in"], limit=len(texts), now=ledger.clock())}
    held = [jobs[offer.key] for offer in offers]
    answers = [kept_answer(text, f"{n:064x}") for n, text in enumerate(texts)]
    ledger.all_answered([(job, answer, "q") for job, answer in zip(held, answers, strict=True)], 2)
    ledger.all_done([(job, ()) for job in held], 3)


def texts(seed: int, count: int) -> list[str]:
    """What is frequent changes on the way."""
    dice = random.Random(seed)
    return [
        " ".join("".join(dice.choices(PLACES[n * 3 // count], k=dice.randint(1, 3))) for _ in range(4))
        for n in range(count)
    ]


@pytest.fixture(scope="module")
def many(tmp_path_factory: pytest.TempPathFactory) -> Ledger:
    ledger = open_ledger(f"sqlite:///{tmp_path_factory.mktemp('begun')}/ledger.sqlite")
    fill(ledger, texts(1, 150))
    return ledger


def everything(ledger: Ledger, query: str, limit: int) -> list[str]:
    names: list[str] = []
    after = None
    while True:
        page = ledger.found(query, ALL, after=after, limit=limit)
        names += [hit.key.path for hit in page.hits]
        if (after := page.on) is None:
            return names


words = st.builds("".join, st.lists(st.sampled_from(SYLLABLES), min_size=1, max_size=2))
queries = st.lists(st.builds(str.__add__, words, st.sampled_from(["*", "*", ""])), min_size=1, max_size=3)


@settings(max_examples=30)
@given(
    query=st.builds(" ".join, queries), read=st.sampled_from([7, 60, 1000]), limit=st.sampled_from([25, 300])
)
def test_the_texts_and_the_index_find_the_same(many: Ledger, query: str, read: int, limit: int) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(search, "OFTEN", 2)
        by_index = many.search(query, limit=1000), everything(many, query, limit)
        patch.setattr(search, "OFTEN", 0.1)
        patch.setattr(search, "READ", read)
        assert (many.search(query, limit=1000), everything(many, query, limit)) == by_index


def asked(ledger: Ledger) -> list[str]:
    """What the index is asked, from now on."""
    seen: list[str] = []

    def note(*execution: object) -> None:
        sql: Any = execution[2]
        values: Any = execution[3]
        if "MATCH" in str(sql) or "tsquery" in str(sql):
            given = values.values() if isinstance(values, dict) else values
            seen.extend(value for value in given if isinstance(value, str))

    sa.event.listen(ledger._database._reader, "before_cursor_execute", note)
    return seen


def test_the_index_is_not_asked_for_a_beginning_that_most_have(ledger: Ledger) -> None:
    fill(ledger, [f"invoice {n} of an oak, {'pine' if n % 50 == 0 else 'elm'}" for n in range(300)])
    seen = asked(ledger)
    for query in ("in*", "inv* o*", "e*"):
        assert len(ledger.search(query, limit=20)) == 20
        assert len(ledger.found(query, ALL, limit=20).hits) == 20
    assert seen == []
    assert (
        len(ledger.search("in* pine", limit=20)) == 6
    )  # of a whole word it tells at once which answers have it
    assert all("pine" in one and "in" not in one.replace("pine", "") for one in seen)
    seen.clear()
    assert len(ledger.search("pin*")) == 6  # that few have: all of them, however old
    assert seen
    ledger.close()


def test_what_only_old_answers_have_is_found_as_well(ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(search, "READ", 20)
    fill(
        ledger,
        [f"invoice {n}" for n in range(100)] + [f"{'inventory' if n % 2 else 'oak'} {n}" for n in range(150)],
    )
    assert len(ledger.search("inv*", limit=1000)) == 175
    assert ledger.found("inv*", ALL, limit=1000).count == 175
    ledger.close()


def test_an_answer_that_no_search_is_to_find_is_not_found_in_the_texts_either(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/ledger.sqlite"
    silent = open_ledger(url, search=False)
    fill(silent, [f"invoice {n}" for n in range(150)])
    silent.close()
    ledger = open_ledger(url)
    assert ledger.search("in*") == []
    ledger.close()
