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
    "a line of Hebrew": [(13.6, "2024 γ 14-", 0.86)],
    "two lines of Hebrew": [(13.6, "2024 γ 14- 7", 0.81), (16.5, ".2", 0.82)],
    "bold Hebrew": [(14.8, "2024 ュ 14-", 0.9), (17.9, ".2", 0.8)],
    "a line of Armenian": [(24.5, "hqh ujmn q g 2024", 0.78)],
    "two lines of Armenian": [(26.7, "hq qujmn 2024", 0.83), (27.6, "14-h unwnwputnh h : hmh", 0.76)],
    "a line of Georgian": [(17.8, "moa 3g 2024 14", 0.82)],
    "two lines of Georgian": [(19.3, "3 moa ∂m3g 2024 14", 0.79), (25.3, "gmgo oz gbgò.", 0.67)],
    "three lines of Georgian": [
        (20.9, "∂m83g 2024 o 14 a", 0.87),
        (27.7, "agmgo ozo agbobgò. 3", 0.73),
        (20.5, ",", 0.83),
    ],
    "three lines of Tamil": [(19.1, "14 2024 G", 0.81), (16.2, "27 TT 4", 0.68), (24.3, "TT]. L", 0.66)],
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
    "letters apart": [(20, "P A S S P O R T", 0.99)],
    "a formula": [(7.9, "f(x) = 3x² + 2x - 7", 0.99), (10.6, "∫ f dx = x³ + x² - 7x + C", 0.94)],
    "Chinese of two lines": [
        (12.9, "港口办公室于二〇二四年三月十四日", 0.98),
        (10.8, "来信谈及码头街二十七号", 1.0),
    ],
    "handwriting, tiny": [(3.4, "Deas Martha.", 0.82), (8.7, "the boxes came on Taesday. all four", 0.85)],
    "serial numbers": [(7.2, "SN: X7K-99Q-0Z1", 0.98), (11.7, "MAC 00:1B:44:11:3A:B7", 1.0)],
    "Vietnamese, blurred": [
        (11.7, "Vǎn phòng càng đã viét cho chúng", 0.89),
        (9.7, "vé vic thuê mt bång ti ső", 0.9),
    ],
    "texture of a photo": [(5, "n", 0.6), (6, "", 0.2)],
    "nothing": [],
}


def strange(page: list[Read]) -> bool:
    quads = [
        [[0.0, 60.0 * n], [30 * length, 60.0 * n], [30 * length, 60.0 * n + 30], [0.0, 60.0 * n + 30]]
        for n, (length, _, _) in enumerate(page)
    ]
    lines = [reader.ReadLine(quad, text, sure, []) for quad, (_, text, sure) in zip(quads, page, strict=True)]
    found: Any = reader.is_strange(np.array(quads, np.float32).reshape(-1, 4, 2), lines)
    return bool(found)


@pytest.mark.parametrize("what", STRANGE)
def test_a_script_that_the_engine_does_not_know_is_told(what: str) -> None:
    assert strange(STRANGE[what])


@pytest.mark.parametrize("what", KNOWN)
def test_what_it_knows_is_not_taken_for_one(what: str) -> None:
    assert not strange(KNOWN[what])
