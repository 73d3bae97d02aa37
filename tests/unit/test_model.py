"""Names as they are shown: nothing that forges a line, and nothing else escaped."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from glimpsed.model import shown


@pytest.mark.parametrize(
    "name",
    [
        "scan 1.jpg",
        "スキャン\u30001.jpg",  # the wide space of Japanese input
        "Screenshot 2026-11-22 at 9.41.00\u202fAM.png",  # macOS
        "Facture\u00a0n°\u00a07.pdf",
        "👩\u200d👧.jpg",
        "نمی\u200cخواهم.jpg",
        "\ue000 \U0001fae8.png",  # private use; newer than some Unicode tables
    ],
)
def test_a_name_is_shown_as_it_is(name: str) -> None:
    assert shown(name) == name


@pytest.mark.parametrize(
    ("name", "escaped"),
    [
        ("a\nb\u3000.jpg", "a\\nb\u3000.jpg"),
        ("a\x1b[2J.jpg", "a\\x1b[2J.jpg"),
        ("a\x85.jpg", "a\\x85.jpg"),
        ("a\u2028b\u2029.jpg", "a\\u2028b\\u2029.jpg"),
        ("a\u202egpj.exe", "a\\u202egpj.exe"),
        ("a\u2066b\u2069.jpg", "a\\u2066b\\u2069.jpg"),
        ("\udcff\u3000.png", "\\xff\u3000.png"),
    ],
)
def test_what_would_forge_a_line_is_escaped(name: str, escaped: str) -> None:
    assert shown(name) == escaped


@given(st.binary(max_size=60))
def test_any_name_is_one_line_of_utf8(name: bytes) -> None:
    text = shown(name.decode("utf-8", "surrogateescape"))
    assert len(text.encode("utf-8").splitlines()) <= 1
    assert not any(unicodedata.category(c) in ("Cc", "Zl", "Zp", "Cs") for c in text)
