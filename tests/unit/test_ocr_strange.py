"""A page in a script that the engine does not know is told from one that it knows, by what it read of it (measured)."""

from __future__ import annotations

import importlib
from typing import Any

import pytest

np = pytest.importorskip("numpy")
reader = importlib.import_module("glimpsed.ocr.reader")

Read = tuple[float, str, float]  # length of a line in heights, what was read of it, how surely

STRANGE: dict[str, list[Read]] = {
    "two lines of Russian": [(17, "14 2024", 0.93), (9, ", 2.", 0.98)],
    "one line of Russian": [(17, "14 2024", 0.83)],
    "Greek": [(26, "γρ καφ αλετ πηδ πνω απ τν τλ σλ", 0.8), (22, "τιλγι εε σν να την τρτ", 0.83)],
    "a line of Greek": [(26, "κα αλε π πν α τν τλ σλ", 0.85)],
    "Greek capitals": [
        (30, "TO TIMOΛO IO EKΔOHKE ∑THN AOHNA THN TPITH", 0.92),
        (26, "EYXAPIΣTOYME TIA ΣAΣ", 0.89),
    ],
    "lines of which nothing was read": [(20, "", 0.3)] * 5,
}
KNOWN: dict[str, list[Read]] = {
    "figures": [(8, "4711 0815 1234", 1.0), (9, "12.50 99.10 7.00", 0.99), (6, "2024-11-26", 1.0)],
    "a number plate": [(3, "2024", 1.0)],
    "text with formulas": [
        (22, "The sum α + β + γ ≤ δ holds for all ε > 0", 0.97),
        (25, "and so Σ x = Ω by the lemma", 0.99),
    ],
    "formulas": [(5, "α+β=γ", 0.99), (4, "∑λ=Ω", 0.99)],
    "blanks to fill in": [(14, "Name:", 1.0), (14, "Date:", 1.0)],
    "a letter": [(5, "Dear Anna,", 1.0), (12, "thanks for the 2 books.", 0.99)],
    "Chinese": [(12, "发票号码二〇二四年十一月", 0.98)] * 5,
    "texture of a photo": [(5, "n", 0.6), (6, "", 0.2)],
    "nothing": [],
}


def strange(page: list[Read]) -> bool:
    quads = [
        [[0.0, 60.0 * n], [30 * length, 60.0 * n], [30 * length, 60.0 * n + 30], [0.0, 60.0 * n + 30]]
        for n, (length, _, _) in enumerate(page)
    ]
    lines = [reader.Line(quad, text, sure, []) for quad, (_, text, sure) in zip(quads, page, strict=True)]
    found: Any = reader.is_strange(np.array(quads, np.float32).reshape(-1, 4, 2), lines)
    return bool(found)


@pytest.mark.parametrize("what", STRANGE)
def test_a_script_that_the_engine_does_not_know_is_told(what: str) -> None:
    assert strange(STRANGE[what])


@pytest.mark.parametrize("what", KNOWN)
def test_what_it_knows_is_not_taken_for_one(what: str) -> None:
    assert not strange(KNOWN[what])
