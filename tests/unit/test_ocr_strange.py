"""A page in a script that the engine does not know is told from one that it knows, by what it read of it (measured)."""

from __future__ import annotations

import importlib
import random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

np = pytest.importorskip("numpy")
script = importlib.import_module("glimpsed.ocr.strange")

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
    "a line of Arabic": [(14.3, "", 0.63)],
    "two lines of Arabic": [(14.7, "", 0.0), (13.4, "", 0.0)],
    "three short lines of Arabic": [(5.1, "", 0.0), (4.4, "", 0.56), (4.8, "", 0.0)],
    "Persian on its head": [(29.5, "3505600 50 99999 1933639", 0.31), (28.5, "d ??d", 0.56)],
    "a line of Thai": [(13.3, "MqNLENOL 27 OLUMNUYUNLUELgISLUNUCBU1", 0.44)],
    "two lines of Thai": [
        (13.3, "24 24 1", 0.55),
        (15.9, "UMBLIOSILUMLEUMLENULSUNMOUIOMEBLNESSLEUG", 0.63),
    ],
    "three lines of Thai": [
        (15.9, "UMBLIOSILUMLEUMLENULSUNMOUIOMEBLNESSLEUG", 0.63),
        (1.1, "a", 0.45),
        (10.1, "iyNyU UMgUnTn", 0.31),
    ],
    "bold Thai": [(14.1, "Z NUN 4 UNOSICNBDICLLUNLAUN", 0.5), (9.8, "NULSUNNCYIUNNAULNELELNUCIN", 0.57)],
    "faint Thai": [(14.2, "n ab b aa 14 2024", 0.73), (12, "a a aurina 27 n aa", 0.55)],
    "a line of Khmer": [(26.7, "JLUHNILYH PAOA LSAGIPG ghsnmiuAsuymgg", 0.54)],
    "Khmer": [(12.3, "JLUHNMILYH PAOA LSBEI DG", 0.65), (15.3, "DSnmuAsymg", 0.36), (1, "2", 0.96)],
    "a line of Devanagari": [(27, "222 2", 0.31)],
    "Devanagari": [(15, "", 0.0), (18.4, "", 0.0)],
    "a line of Bengali": [(17.1, "う", 0.59)],
    "Telugu": [(15.3, "14 20245 5 27", 0.84), (16.6, "meuweuucmuo uoooo", 0.55)],
    "Lao": [(28.3, "agnusatajuuwanS?uu 14 2024 nuu", 0.65)],
    "Hebrew on its head": [
        (13.4, "U4It tLia ULLL ita tarLa IU 4", 0.61),
        (12.9, "LUttU CLUIC ULRIb LZ' A4IAU UAtO AAL", 0.72),
        (16, "UALL uU4 ct 41 t-t cULd 202 ttl AcLu", 0.61),
    ],
    "Vietnamese": [
        (33.6, "Không đ không gian cho đa chi cm mng. Không h tr y nhim thông qua kt ni", 0.98),
        (31.9, "không phi TCP. Mc có nên nhn thêm không gian b sung khi nhóm phóng to hay", 0.99),
        (33.5, "không. Không th là danh sách ca lưc đồ hoc đưng dn. Widget có nên hin th ng", 0.95),
    ],
    "Vietnamese in another face": [
        (
            41.4,
            "Tlt c mli ngOi sinh ra đu đc t do và bình đng v nhân phm và quyn. Mi con ngi đu đc to hóa ban",
            0.93,
        ),
        (
            41.4,
            "cho lý trí và lng tâm và cn phi đi x vi nhau trong tình bng hu. Mi ngi đu đc h0ng tt c nhng",
            0.98,
        ),
    ],
    "a page half English, half Thai": [
        *[(16, "Three of the twelve windows on the", 0.99)] * 5,
        (13.3, "24 24 1", 0.55),
        (15.9, "UMBLIOSILUMLEUMLENULSUNMOUIOMEBLNESSLEUG", 0.63),
        (10.1, "iyNyU UMgUnTn", 0.31),
        (13.3, "MqNLENOL 27 OLUMNUYUNLUELgISLUNUCBU1", 0.44),
    ],
    "a page half English, half Arabic": [
        *[(16, "Three of the twelve windows on the", 0.99)] * 5,
        *[(14.3, "", 0.0)] * 5,
    ],
    "a page half English, half Russian": [
        *[(16, "Three of the twelve windows on the", 0.99)] * 5,
        (13.7, "14 2024", 0.96),
        (13.4, ",", 0.98),
        (15.1, "27. 3", 0.86),
    ],
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
    "Croatian": [
        (35.6, "Ako se prijelom redaka ne izvrši, između riječi ili između znakova. Mogućnosti koje", 1.0),
        (
            33.2,
            "određuju krajnje točke povezivanja. Ukoliko je omogućeno, skočni prozor će se pojaviti",
            0.99,
        ),
    ],
    "an address in Croatian": [
        (9, "Đorđe Đurđević", 0.99),
        (8, "Trg mrtvih 3", 0.99),
        (12, "HR-48350 Đurđevac", 0.99),
    ],
    "Sami": [
        (35.6, "Buot olbmot leat riegádan friddjan ja olmmošárvvu ja olmmošvuoigatvuođaid dáfus. Sii", 0.99),
        (35.6, "Juohkehaččas galgá leat vuoigatvuohta buot daidda vuoigatvuođaide ja friddjavuođaide", 1.0),
    ],
    "Filipino": [
        (36.5, "Kaharian ng Cambodia. Hilagang Korea. Republika ng Finland. Republika ng Gabon.", 0.99)
    ]
    * 3,
    "Vietnamese, blurred": [
        (11.7, "Vǎn phòng càng đã viét cho chúng", 0.89),
        (9.7, "vé vic thuê mt bång ti ső", 0.9),
    ],
    "Vietnamese, tiny": [
        (14, "Vän phong càng đa viét cho chúng tôl ngày 14", 0.9),
        (14, "thang 3 nåm 2024 vé vic thue måt bång tal só", 0.91),
    ],
    "Chinese, so blurred that every third character is wrong": [
        (16, "通务局于2024 年3月14日束信谈明头街27号房", 0.87),
        (16, "量的租约，底量十二点童户中有三点关不上程家室", 0.75),
        (16, "上方的屋集认一月起一直漏水，我们请化方水材公", 0.8),
    ],
    "a letter with a signature": [
        (5, "Dear Anna,", 1.0),
        (21, "thank you for the books, of which I like two.", 0.99),
        (6, "ll", 0.55),
    ],
    "a letter with a line of Russian": [
        *[(16, "Three of the twelve windows on the", 0.99)] * 5,
        (13.7, "14 2024", 0.96),
    ],
    "texture of a photo": [(5, "n", 0.6), (6, "", 0.2)],
    "nothing": [],
}


def strange(page: list[Read]) -> bool:
    quads = [
        [[0.0, 60.0 * n], [30 * length, 60.0 * n], [30 * length, 60.0 * n + 30], [0.0, 60.0 * n + 30]]
        for n, (length, _, _) in enumerate(page)
    ]
    lines = [script.ReadLine(quad, text, sure, []) for quad, (_, text, sure) in zip(quads, page, strict=True)]
    found: Any = script.is_strange(np.array(quads, np.float32).reshape(-1, 4, 2), lines)
    return bool(found)


@pytest.mark.parametrize("what", STRANGE)
def test_a_script_that_the_engine_does_not_know_is_told(what: str) -> None:
    assert strange(STRANGE[what])


@pytest.mark.parametrize("what", KNOWN)
def test_what_it_knows_is_not_taken_for_one(what: str) -> None:
    assert not strange(KNOWN[what])


WELL = st.tuples(st.floats(0.5, 40), st.just(1.2), st.floats(0.91, 1))
BADLY = st.tuples(st.floats(4.5, 40), st.floats(0.1, 2.5), st.floats(0, 0.74))


def text(lines: list[tuple[float, float, float]]) -> list[Read]:
    """Lines of so many heights, with as many letters for each height, read so surely."""
    return [(length, "e" * max(1, round(letters * length)), sure) for length, letters, sure in lines]


@given(st.lists(WELL, max_size=30))
def test_what_is_read_surely_is_not_strange_however_long_its_lines_are(
    lines: list[tuple[float, float, float]],
) -> None:
    assert not strange(text(lines))


@given(st.lists(BADLY, min_size=3, max_size=12), st.lists(WELL, max_size=30), st.integers(0, 2**32))
def test_a_page_is_strange_where_more_than_a_third_of_its_print_was_not_read_well(
    badly: list[tuple[float, float, float]], well: list[tuple[float, float, float]], seed: int
) -> None:
    page = text(badly + well)
    amiss, good = (sum(length for length, *_ in lines if length > 4) for lines in (badly, well))
    random.Random(seed).shuffle(page)
    if abs(amiss - good / 2) > 0.01:
        assert strange(page) is (amiss > good / 2)
