"""A model's text on the words that an OCR engine saw: nothing lost, nothing added, everything where it stands."""

from __future__ import annotations

import random
import time
from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from glimpsed.searchable.align import align
from glimpsed.searchable.spread import spread
from glimpsed.searchable.words import PageWords, PlacedLine, PlacedWord, bounds, divided, upright

WIDTH, HEIGHT, SIZE = 1000, 1400, 20

words = st.text(st.characters(categories=("Lu", "Ll", "Lo", "Nd", "Po")), min_size=1, max_size=9)
texts = st.lists(st.lists(words, min_size=1, max_size=8).map(" ".join), max_size=12).map("\n".join)


def line(text: str, y: float, x: float = 100) -> PlacedLine:
    return divided(text, upright(x, y, x + 10 * len(text), y + SIZE))


def page(text: str, number: int = 1) -> PageWords:
    lines = [line(one, 100 + 40 * n) for n, one in enumerate(text.splitlines())]
    return PageWords(number, WIDTH, HEIGHT, tuple(one for one in lines if one))


def said(pages: list[PageWords]) -> list[str]:
    return [word.text for found in pages for one in found.lines for word in one]


def at(pages: list[PageWords], text: str) -> tuple[float, float, float, float]:
    return bounds([w for found in pages for one in found.lines for w in one if w.text == text][:1])


@settings(max_examples=40)
@given(texts, st.lists(texts, min_size=1, max_size=3))
def test_every_word_of_the_text_comes_out_once(text: str, seen: list[str]) -> None:
    pages = [page(one, number) for number, one in enumerate(seen, 1)]
    assert Counter(said(align(text, pages))) == Counter(text.split())


@settings(max_examples=40)
@given(texts)
def test_what_was_read_rightly_stands_where_it_was_seen(text: str) -> None:
    seen = page(text)
    found = align(text, [seen])
    assert [word.text for one in found[0].lines for word in one] == text.split()
    for word, there in zip(
        [w for one in found[0].lines for w in one], [w for one in seen.lines for w in one], strict=True
    ):
        if any(c.isalnum() for c in word.text):
            assert abs(word.quad[0][0] - there.quad[0][0]) < 1
            assert abs(word.quad[0][1] - there.quad[0][1]) < 1


@settings(max_examples=40)
@given(texts, texts)
def test_all_words_stand_on_the_page(text: str, seen: str) -> None:
    for one in align(text, [page(seen)])[0].lines:
        left, top, right, bottom = bounds(one)
        assert -1 <= left <= right
        assert right <= max(WIDTH, 100 + 10 * max(map(len, seen.splitlines() or [""]))) + 1
        assert top >= -1
        assert bottom <= HEIGHT + 1


def test_misread_words_have_the_place_of_what_was_seen_for_them() -> None:
    seen = page("Rechnunq Nr. 47II vom 3O.O6.2024\nGesarntbetrag 1.2OO,50 EUR")
    found = align("Rechnung Nr. 4711 vom 30.06.2024\nGesamtbetrag 1.200,50 EUR", [seen])
    for word, there in (("4711", "47II"), ("30.06.2024", "3O.O6.2024"), ("Gesamtbetrag", "Gesarntbetrag")):
        assert at(found, word) == pytest.approx(at([seen], there), abs=12)


def test_words_that_were_parted_or_joined_are_found() -> None:
    seen = page("Rechnungs Nummer:4711")
    found = align("Rechnungsnummer: 4711", [seen])
    left, _, right, _ = at(found, "Rechnungsnummer:")
    assert left == pytest.approx(100, abs=1)
    assert right < at(found, "4711")[0] + 5
    assert at(found, "4711")[2] == pytest.approx(310, abs=5)


def test_chinese_is_found_without_spaces() -> None:
    seen = page("发票号码四千七百\n购买方名称北京公司")
    found = align("发票号码 四千七百\n购买方名称：北京公司", [seen])
    assert at(found, "四千七百")[0] == pytest.approx(140, abs=2)
    assert at(found, "购买方名称：北京公司")[1] == pytest.approx(140)


def test_columns_that_were_read_in_another_order_are_found() -> None:
    left = ["alpha one house", "bravo two garden", "charlie three river", "delta four mountain"]
    right = ["echo five window", "foxtrot six ladder", "golf seven bridge", "hotel eight castle"]
    lines = [line(text, 100 + 40 * n) for n, text in enumerate(left)]
    lines += [line(text, 100 + 40 * n, 600) for n, text in enumerate(right)]
    seen = PageWords(1, WIDTH, HEIGHT, tuple(lines))
    across = "\n".join(f"{one} {other}" for one, other in zip(left, right, strict=True))
    found = align(across, [seen])
    for n, text in enumerate(right):
        for word in text.split():
            assert at(found, word)[0] >= 595, word
            assert at(found, word)[1] == pytest.approx(100 + 40 * n), word


def test_what_was_not_seen_of_a_line_stands_in_its_gap() -> None:
    one = (*line("Total:", 100), *line("EUR", 100, 500))
    found = align("Total: 1234 EUR", [PageWords(1, WIDTH, HEIGHT, (one,))])
    left, top, right, _ = at(found, "1234")
    assert 160 <= left < right <= 500
    assert top == pytest.approx(100)


def test_a_line_that_was_not_seen_stands_between_its_neighbours() -> None:
    seen = PageWords(1, WIDTH, HEIGHT, (line("first line here", 100), line("third line here", 300)))
    found = align("first line here\nhandwritten remark\nthird line here", [seen])
    assert [" ".join(w.text for w in one) for one in found[0].lines][1] == "handwritten remark"
    _, top, _, bottom = at(found, "remark")
    assert 120 <= top < bottom <= 300


def test_the_text_of_several_pages_is_told_apart() -> None:
    pages = [page("the first page speaks of cats", 1), page("the second page speaks of dogs", 2)]
    found = align("the first page speaks of cats\nthe second page speaks of dogs", pages)
    assert said(found[:1]) == ["the", "first", "page", "speaks", "of", "cats"]
    assert said(found[1:]) == ["the", "second", "page", "speaks", "of", "dogs"]


def test_pages_of_which_nothing_was_seen_get_what_lies_between() -> None:
    pages = [page("alpha bravo charlie", 1), page("", 2), page("xray yankee zulu", 3)]
    found = align("alpha bravo charlie\nwritten by hand\nxray yankee zulu", pages)
    assert said(found[1:2]) == ["written", "by", "hand"]


def test_noise_that_the_text_does_not_have_falls_away() -> None:
    seen = page("Dear customer we thank you\nfor your order of\n|||l;;'x\nthe thirtieth of June")
    text = "Dear customer we thank you\nfor your order of\nthe thirtieth of June"
    assert said(align(text, [seen])) == text.split()


@pytest.mark.parametrize("text", ["A letter", "It is about an order of the thirtieth of June.", "42", ""])
def test_an_answer_about_the_page_is_all_that_is_set_on_it(text: str) -> None:
    seen = page("Dear customer we thank you\nfor your order of\nthe thirtieth of June\nYours the company")
    assert Counter(said(align(text, [seen]))) == Counter(text.split())


@settings(max_examples=40)
@given(st.lists(texts, min_size=1, max_size=4))
def test_without_any_ocr_lines_are_spread_over_all_pages_in_order(parts: list[str]) -> None:
    lines = [one for part in parts for one in part.splitlines() if one.split()]
    pages = spread(lines, [None] * len(lines), [PageWords(n, WIDTH, HEIGHT) for n in range(1, 4)])
    assert said(pages) == " ".join(lines).split()
    for found in pages:
        tops = [bounds(one)[1] for one in found.lines]
        assert tops == sorted(tops)
        assert all(0 <= top < HEIGHT for top in tops)


def test_fifty_dense_pages_are_aligned_within_seconds() -> None:
    dice = random.Random(7)
    letters = "abcdefghijklmnopqrstuvwxyz"
    vocabulary = ["".join(dice.choices(letters, k=dice.randint(2, 9))) for _ in range(3000)]
    lines = [[" ".join(dice.choices(vocabulary, k=9)) for _ in range(50)] for _ in range(50)]
    pages = [page("\n".join(some), number) for number, some in enumerate(lines, 1)]
    text = "\n".join(one for some in lines for one in some)
    began = time.process_time()
    found = align(text, pages)
    assert time.process_time() - began < 30
    assert said(found) == text.split()
    assert said(found[24:25]) == " ".join(lines[24]).split()


def test_words_are_divided_as_they_are_read() -> None:
    latin, arabic = (divided(text, upright(0, 0, 100, 10)) for text in ("one three", "مرحبا بكم"))
    assert [w.text for w in latin] == ["one", "three"]
    assert latin[0].quad[0][0] < latin[1].quad[0][0]
    assert [w.text for w in arabic] == ["مرحبا", "بكم"]
    assert arabic[0].quad[0][0] > arabic[1].quad[0][0]
    assert divided("  ", upright(0, 0, 1, 1)) == ()


def test_part_of_a_word_is_on_its_slant() -> None:
    word = PlacedWord("ab", ((0.0, 0.0), (10.0, 10.0), (5.0, 15.0), (-5.0, 5.0)))
    assert word.part(0.5, 1.0)[0] == (5.0, 5.0)
