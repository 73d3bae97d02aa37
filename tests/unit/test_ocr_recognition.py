from __future__ import annotations

import importlib
import itertools
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from PIL import Image, ImageDraw, ImageFont

np = pytest.importorskip("numpy")
rapidocr = pytest.importorskip("rapidocr")
recognition = importlib.import_module("glimpsed.ocr.recognition")
letters = importlib.import_module("glimpsed.ocr.letters")
cuts = importlib.import_module("glimpsed.ocr.cuts")
model_file = importlib.import_module("glimpsed.ocr.model_file")
MODEL = Path(rapidocr.__file__).parent / "models/PP-OCRv6_rec_small.onnx"


class Engine:
    """Reads a line's brightness; `sure` says how sure it is of a picture at this scale, and of this brightness."""

    def __init__(self, sure: Any) -> None:
        self.sure = sure
        self.scales: list[float] = []

    def __call__(self, picture: Any, *, scale: float = 1.0) -> list[Any]:
        value = int(picture[0, 0, 0])
        self.scales.append(scale)
        places = (n + 0.5 for n in range(len(str(value))))
        return [
            letters.Letter(c, at / 3, self.sure(scale, value))
            for c, at in zip(str(value), places, strict=True)
        ]


def lines(count: int, width: int = 1000) -> list[Any]:
    return [np.full((48, width, 3), 100 + n, np.uint8) for n in range(count)]


def said(pieces: list[Any]) -> list[str]:
    return [" ".join(word.text for word in piece.words) for piece in pieces]


NARROW = recognition.NARROW


def test_clean_lines_are_read_narrow_alone_and_in_their_order() -> None:
    engine = Engine(lambda scale, value: 0.999)
    assert said(recognition.read(engine, lines(20))) == [str(100 + n) for n in range(20)]
    assert engine.scales == [NARROW] * 20


def test_a_line_of_which_the_engine_is_not_sure_is_read_again_as_it_is() -> None:
    engine = Engine(lambda scale, value: 0.9 if value == 105 and scale < 1 else 0.999)
    found = recognition.read(engine, lines(20))
    assert found[5].confidence == pytest.approx(0.999)
    assert sorted(engine.scales) == [NARROW] * 20 + [1.0]


def test_on_a_page_that_is_not_clean_only_a_sample_is_read_twice() -> None:
    engine = Engine(lambda scale, value: 0.5 if scale < 1 else 0.95)
    found = recognition.read(engine, lines(80))
    assert {round(piece.confidence, 3) for piece in found} == {0.95}
    assert engine.scales.count(NARROW) <= recognition.SAMPLE + 1
    assert engine.scales.count(1.0) == 80


def test_short_lines_are_read_as_they_are_and_no_lines_are_none() -> None:
    engine = Engine(lambda scale, value: 0.5)
    assert len(recognition.read(engine, lines(12, 300))) == 12
    assert engine.scales == [1.0] * 12
    assert recognition.read(engine, []) == []


# -- the real model, taken apart


@pytest.fixture(scope="module")
def ocr() -> Any:
    return rapidocr.RapidOCR(params={"Global.log_level": "critical"})


@pytest.fixture(scope="module")
def parted(ocr: Any) -> Any:
    found = letters.recogniser(ocr)
    assert isinstance(found, letters.Parted)
    return found


def line(text: str, font: str | None = None, size: int = 40) -> Any:
    face = ImageFont.truetype(font, size) if font else ImageFont.load_default(size=size)
    sheet = Image.new("RGB", (round(face.getlength(text)) + 20, round(1.4 * size)), "white")
    ImageDraw.Draw(sheet).text((10, size // 8), text, font=face, fill="black")
    return np.asarray(sheet)[:, :, ::-1].copy()


def text(found: list[Any]) -> str:
    return "".join(letter.text for letter in found)


def test_the_model_taken_apart_says_at_each_step_what_it_says_whole() -> None:
    import onnxruntime

    parts = model_file.parted(MODEL.read_bytes())
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    one, whole = (
        onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
        for model in (parts.model, str(MODEL))
    )
    seen, _ = letters._seen(line("Twelve oak planks, 1,284.50"), 1.0)
    [[features]] = one.run(None, {"x": seen})
    weights = np.exp(features @ parts.weights + parts.bias)
    [[shares]] = whole.run(None, {"x": seen})
    assert np.abs(weights / weights.sum(axis=1, keepdims=True) - shares).max() < 1e-3


EQUAL = [
    "All will call the hall until 11.11.2011",
    "illegally fulfilled, 1000",
    "A bill of 1,111.11 will fill all",
    "pillow fillet, little bottle, hill 2211",
]


@pytest.mark.parametrize("said_", EQUAL)
def test_equal_letters_stay_two_in_a_line_that_is_seen_narrow_or_the_engine_is_not_sure(
    parted: Any, said_: str
) -> None:
    picture = cuts._trimmed(line(said_))
    found = parted(picture, scale=NARROW)
    assert text(found) == said_ or np.mean([letter.confidence for letter in found]) < recognition.SURE
    assert all(a.at <= b.at for a, b in itertools.pairwise(found))
    assert 0 < found[0].at < 0.1
    assert 0.9 < found[-1].at < 1
    assert said(recognition.read(parted, [picture])) == [said_]


def test_a_line_with_a_character_that_is_seldom_is_weighed_against_all_of_them(parted: Any) -> None:
    """What is left out for Latin text comes back where a step may be something else; the rest of the line too."""
    usual, everything = parted._few.shape[1], parted._weights.shape[1]
    assert usual < everything / 10
    seldom = next(n for n, c in enumerate(parted._characters) if c == "港")
    latin = next(n for n, c in enumerate(parted._characters) if c == "a")
    direction = parted._weights / np.square(np.linalg.norm(parted._weights, axis=0))
    features = np.stack([40 * direction[:, n] for n in (latin, seldom, latin)])
    best, share = parted._best(features.astype(np.float32))
    full = features @ parted._weights + parted._bias
    assert list(best) == list(full.argmax(axis=1))
    assert parted._characters[best[1]] == "港"
    shares = np.exp(full - full.max(axis=1, keepdims=True))
    assert np.allclose(share, 1 / shares.sum(axis=1), atol=1e-3)


def test_a_model_of_another_shape_is_left_to_rapidocr(ocr: Any, tmp_path: Path) -> None:
    """One with its last layer elsewhere, one for another engine, one that is not there yet."""
    with pytest.raises(ValueError, match="usual shape"):
        model_file.parted((MODEL.parent / "ch_ppocr_mobile_v2.0_cls_mobile.onnx").read_bytes())
    with pytest.raises(ValueError):
        model_file.parted(b"no model at all")
    recognise = SimpleNamespace(
        txts=("ab c",),
        scores=(0.9,),
        word_results=(SimpleNamespace(word_cols=[[0, 4], [9]], line_txt_len=10),),
    )
    found = letters.Whole(lambda asked: recognise)(line("ab c"))
    assert text(found) == "ab c"
    assert [letter.at for letter in found] == [0.05, 0.45, 0.45, 0.95]
    absent = rapidocr.RapidOCR(
        params={"Global.log_level": "critical", "Rec.model_path": str(tmp_path / "absent.onnx")}
    )
    with pytest.raises(FileNotFoundError):  # rapidocr's own word for it
        letters.recogniser(absent)


def test_another_models_file_is_read_where_the_configuration_names_it(tmp_path: Path) -> None:
    """The same model under another name and with its letters renamed: what it says comes from that file."""
    other = MODEL.read_bytes().replace(b"\na\nb\nc\n", b"\nA\nB\nC\n", 1)
    (tmp_path / "other.onnx").write_bytes(other)
    named = {"Global.log_level": "critical", "Rec.model_path": str(tmp_path / "other.onnx")}
    assert text(letters.recogniser(rapidocr.RapidOCR(params=named))(line("a cab"))) == "A CAB"
