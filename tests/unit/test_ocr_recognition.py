from __future__ import annotations

import importlib
from types import SimpleNamespace
from typing import Any

import pytest

np = pytest.importorskip("numpy")
pytest.importorskip("rapidocr")
recognition = importlib.import_module("glimpsed.ocr.recognition")


class Engine:
    """Reads a line's brightness; `sure` says how sure it is of a picture of this width and brightness."""

    def __init__(self, sure: Any) -> None:
        self.sure = sure
        self.widths: list[int] = []

    def _load_rec_model(self) -> Any:
        return self._recognise

    def _recognise(self, asked: Any) -> Any:
        [picture] = asked.img
        width, value = picture.shape[1], int(picture[0, 0, 0])
        self.widths.append(width)
        found = SimpleNamespace(
            word_cols=[[n for n, _ in enumerate(str(value))]], line_txt_len=len(str(value))
        )
        return SimpleNamespace(txts=[str(value)], word_results=[found], scores=[self.sure(width, value)])


def lines(count: int, width: int = 1000) -> list[Any]:
    return [np.full((48, width, 3), 100 + n, np.uint8) for n in range(count)]


def said(pieces: list[Any]) -> list[str]:
    return [" ".join(word.text for word in piece.words) for piece in pieces]


def test_clean_lines_are_read_narrow_alone_and_in_their_order() -> None:
    engine = Engine(lambda width, value: 0.99)
    assert said(recognition.read(engine, lines(20))) == [str(100 + n) for n in range(20)]
    assert engine.widths == [800] * 20


def test_a_line_of_which_the_engine_is_not_sure_is_read_again_as_it_is() -> None:
    engine = Engine(lambda width, value: 0.9 if value == 105 and width == 800 else 0.99)
    found = recognition.read(engine, lines(20))
    assert found[5].confidence == 0.99
    assert sorted(engine.widths) == [800] * 20 + [1000]


def test_on_a_page_that_is_not_clean_only_a_sample_is_read_twice() -> None:
    engine = Engine(lambda width, value: 0.5 if width == 800 else 0.95)
    found = recognition.read(engine, lines(80))
    assert {piece.confidence for piece in found} == {0.95}
    assert engine.widths.count(800) <= recognition.SAMPLE + 1
    assert engine.widths.count(1000) == 80


def test_short_lines_are_read_as_they_are_and_no_lines_are_none() -> None:
    engine = Engine(lambda width, value: 0.5)
    assert len(recognition.read(engine, lines(12, 300))) == 12
    assert engine.widths == [300] * 12
    assert recognition.read(engine, []) == []
