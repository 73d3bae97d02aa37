"""Files found by a part of their path, however many others there are."""

from __future__ import annotations

import pytest

from glimpsed.ledger import Ledger
from glimpsed.ledger.browse import folded
from glimpsed.model import FileKey, Offer, Version

PATHS = ["Straße/Größe.png", "2026/Invoice 1.PDF", "2026/invoice 2.pdf", "ガス/領収書.png", "e\u0301te\u0301.png", "z\udcff.png"]  # fmt: skip


@pytest.fixture
def filled(ledger: Ledger) -> Ledger:
    for folder in ("one", "other"):
        ledger.offer([Offer(FileKey(folder, path), Version(1, 1)) for path in PATHS], 1)
    return ledger


@pytest.mark.parametrize("most", [1, 3, 1000])
@pytest.mark.parametrize("limit", [1, 2, 50])
@pytest.mark.parametrize("text", ["invoice", "26/INV", "STRASSE", "größe", "ｶﾞｽ", "été", "g", "%", "_", ""])
def test_pages_one_after_the_other_have_all_of_a_name_once(
    filled: Ledger, text: str, limit: int, most: int
) -> None:
    found: list[str] = []
    before, pages = None, 0
    while True:
        rows, before = filled.named(text, ["one"], ["queued"], before=before, limit=limit, most=most)
        assert len(rows) <= min(limit, most)
        found += [row.key.path for row in rows]
        pages += 1
        if before is None:
            break
    assert sorted(found) == sorted(path for path in PATHS if folded(text) in folded(path))
    assert pages <= 2 * len(PATHS)
    assert filled.named(text, ["one"], ["done"]) == ([], None)
    assert filled.named(text, ["one"], ["queued"], since=2) == ([], None)


def test_names_that_people_take_for_the_same_are() -> None:
    assert "straße" not in PATHS[0]
    assert folded("STRASSE") in folded(PATHS[0])
    assert folded("ｶﾞｽ") in folded(PATHS[3])
    assert folded("É") in folded(PATHS[4])
