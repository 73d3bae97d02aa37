"""What tesseract and its detection say of a page tells whether it reads the page's script."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from glimpsed.ocr import scripts
from glimpsed.ocr.scripts import Osd
from glimpsed.ocr.tsv import Sureness, TsvWord

DETECTED = """Page number: 0
Orientation in degrees: 270
Rotate: 90
Orientation confidence: 16.02
Script: Latin
Script confidence: 8.75
"""

# How sure it was, the share that it was certain of, the script that its detection named and how sure that was which way
# up; all measured with tesseract 5.3, each a page of text.
STRANGE = {
    "Russian": (0.34, 0.07, "Cyrillic", 26.14),
    "Russian, a photo": (0.32, 0.09, "", 0.0),
    "Russian by three languages": (0.52, 0.10, "Cyrillic", 26.14),
    "Greek, a fax": (0.30, 0.06, "Greek", 19.48),
    "Arabic": (0.21, 0.00, "Arabic", 32.10),
    "Hebrew": (0.30, 0.01, "Thai", 18.10),
    "Chinese": (0.19, 0.03, "Han", 3.14),
    "Korean": (0.40, 0.19, "Korean", 9.82),
    "Armenian": (0.18, 0.00, "Latin", 4.46),
}
KNOWN = {
    "a typewriter": (0.87, 0.85, "Latin", 10.45),
    "Yoruba, a fax": (0.65, 0.37, "Latin", 6.95),
    "Russian, blurred": (0.42, 0.18, "Latin", 0.07),
    "Russian at 100 dpi": (0.37, 0.03, "", 0.0),
    "handwriting": (0.41, 0.08, "Arabic", 5.22),
    "handwriting that is taken for Japanese": (0.62, 0.36, "Japanese", 14.61),
    "small handwriting": (0.58, 0.14, "Arabic", 5.81),
    "a form, filled in by hand": (0.52, 0.38, "Latin", 10.10),
    "a form, most of it handwriting": (0.61, 0.28, "Cyrillic", 14.76),
    "a map": (0.53, 0.49, "Cyrillic", 3.63),
}


def is_strange(mean: float, certain: float, script: str, certainty: float) -> bool:
    return scripts.is_strange(Sureness(1000, mean, certain), Osd(script, 0, certainty))


@pytest.mark.parametrize("page", STRANGE)
def test_a_page_in_another_script_is_told(page: str) -> None:
    assert is_strange(*STRANGE[page])


@pytest.mark.parametrize("page", KNOWN)
def test_a_page_that_is_only_hard_to_read_is_not_taken_for_one_in_another_script(page: str) -> None:
    assert not is_strange(*KNOWN[page])


def test_a_few_letters_tell_nothing() -> None:
    assert not scripts.is_strange(Sureness(scripts.FEW - 1, 0.1, 0.0), Osd("Arabic", 0, 30.0))


def test_the_detection_tells_script_and_turn() -> None:
    assert Osd.of(DETECTED) == Osd("Latin", 90, 16.02)
    assert Osd.of("Too few characters. Skipping this page\n") == Osd()


@given(
    st.text() | st.lists(st.sampled_from([*DETECTED.splitlines(), "Rotate: x", "Rotate: 45"])).map("\n".join)
)
def test_whatever_the_detection_says_is_taken_or_left(written: str) -> None:
    seen = Osd.of(written)
    assert seen.script in {"", *scripts.LANGUAGES}
    assert seen.turn in {0, 90, 180, 270}


def test_scripts_that_share_their_letters_are_known_to_each_others_languages() -> None:
    assert scripts.is_known("Fraktur", ["deu"])
    assert scripts.is_known("Japanese", ["chi_sim"])
    assert not scripts.is_known("Cyrillic", ["eng", "deu"])
    assert scripts.is_known("Cyrillic", ["eng", "my_own_data"])


WORD = st.builds(
    TsvWord, st.text(min_size=1), st.just((0.0, 0.0, 1.0, 1.0)), st.floats(min_value=0, max_value=1)
)


@given(st.lists(st.lists(WORD, min_size=1)))
def test_how_sure_it_is_lies_between_its_least_and_its_most_certain_word(lines: list[list[TsvWord]]) -> None:
    sure = Sureness.of(lines)
    confidences = [word.confidence for line in lines for word in line] or [0.0]
    assert min(confidences) - 1e-9 <= sure.mean <= max(confidences) + 1e-9
    assert 0 <= sure.certain <= 1 + 1e-9
