"""``lines: true``: what the embedded OCR saw, and where in the file's own pixels."""

from __future__ import annotations

import io
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeAlias

import pytest
from PIL import Image, ImageOps
from reportlab.lib.utils import ImageReader
from reportlab.pdfgen.canvas import Canvas

from glimpsed import cli
from pictures import LETTER, page

Once: TypeAlias = Callable[..., None]
Box: TypeAlias = tuple[int, int, int, int]
UNDO = {  # what turns an upright page so that EXIF's orientation turns it back
    3: Image.Transpose.ROTATE_180,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_90,
    8: Image.Transpose.ROTATE_270,
}


@pytest.fixture
def once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Once:
    """Run `once` on ./in with these keys of the folder."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("GLIMPSED_CONFIG", raising=False)
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    (tmp_path / "in").mkdir()

    def run(keys: str, engine: str = "rapidocr") -> None:
        (tmp_path / "glimpsed.yaml").write_text(
            f"models: {{ocr: {{api: local, model: {engine}}}}}\n"
            f"folders: {{f: {{path: in, settle: 0, model: ocr, {keys}}}}}\n"
        )
        with pytest.raises(SystemExit) as e:
            cli.main(["once", "-q"])
        assert e.value.code == 0

    return run


def typed(lines: list[str] = LETTER) -> Image.Image:
    with Image.open(io.BytesIO(page(lines))) as image:
        return image.convert("L")


def save(image: Image.Image, path: Path, orientation: int = 1) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    image.save(path, quality=92, **({"exif": exif} if orientation > 1 else {}))


def found(path: Path) -> dict[str, Any]:
    answer: dict[str, Any] = json.loads(path.read_text())
    return answer


def ink(image: Image.Image) -> Box:
    box = ImageOps.invert(image).getbbox()
    assert box is not None
    return box


def alike(one: Box, other: Box) -> float:
    """What two boxes share, of what either covers."""
    width = max(0, min(one[2], other[2]) - max(one[0], other[0]))
    height = max(0, min(one[3], other[3]) - max(one[1], other[1]))
    areas = [(box[2] - box[0]) * (box[3] - box[1]) for box in (one, other)]
    return width * height / (sum(areas) - width * height)


def assert_lines(
    answer: dict[str, Any], where: Callable[[Image.Image], Image.Image], number: int = 1
) -> None:
    """The letter's lines are told in order, each where its ink is, in the pixels that `source` counts."""
    lines = [line for line in answer["lines"] if line["page"] == number]
    assert [line["text"] for line in lines] == LETTER
    for at, line in enumerate(lines):
        assert set(line) == {"page", "text", "box", "confidence"}
        assert 0.5 < line["confidence"] <= 1
        alone = where(typed([""] * at + LETTER[at : at + 1]))
        if number == 1:
            assert alone.size == (answer["source"]["width"], answer["source"]["height"])
        assert alike(tuple(line["box"]), ink(alone)) > 0.5, (line, ink(alone))


def test_lines_are_told_in_the_files_own_pixels_however_the_page_was_turned_and_scaled(
    once: Once, tmp_path: Path
) -> None:
    large = (2480, 3508)
    transforms: dict[str, Callable[[Image.Image], Image.Image]] = {
        "plain.png": lambda i: i,
        "head.png": lambda i: i.transpose(Image.Transpose.ROTATE_180),
        "side.png": lambda i: i.transpose(Image.Transpose.ROTATE_90),
        "large.jpg": lambda i: i.resize(large),
    }
    for name, transform in transforms.items():
        save(transform(typed()), tmp_path / "in" / name)
    for orientation, undo in UNDO.items():
        save(typed().transpose(undo), tmp_path / f"in/exif{orientation}.jpg", orientation)
    once("lines: true")
    for name, transform in transforms.items():
        assert_lines(found(tmp_path / f"in/{name}.json"), transform)
    for orientation, undo in UNDO.items():
        assert_lines(
            found(tmp_path / f"in/exif{orientation}.jpg.json"), lambda i, undo=undo: i.transpose(undo)
        )


def test_lines_of_bands_are_told_once_and_as_the_whole_page_has_them(once: Once, tmp_path: Path) -> None:
    save(typed(), tmp_path / "in/plain.png")
    save(typed().transpose(UNDO[6]), tmp_path / "in/exif.jpg", 6)
    once("lines: true, bands: 3")
    assert_lines(found(tmp_path / "in/plain.png.json"), lambda i: i)
    assert_lines(found(tmp_path / "in/exif.jpg.json"), lambda i: i.transpose(UNDO[6]))


@pytest.mark.parametrize("pages", ["together", "each"])
def test_lines_say_which_page_they_are_on(once: Once, tmp_path: Path, pages: str) -> None:
    second = typed().resize((900, 1273))
    typed().save(tmp_path / "in/a.tif", save_all=True, append_images=[second])
    file = io.BytesIO()
    canvas = Canvas(file)
    for _ in range(2):
        canvas.drawImage(ImageReader(typed()), 0, 0, 595, 842)
        canvas.showPage()
    canvas.save()
    (tmp_path / "in/a.pdf").write_bytes(file.getvalue())
    once(f"lines: true, pages: {pages}")
    tiff, pdf = found(tmp_path / "in/a.tif.json"), found(tmp_path / "in/a.pdf.json")
    assert_lines(tiff, lambda i: i)
    assert_lines(tiff, lambda i: i.resize(second.size), 2)
    size = pdf["source"]["width"], pdf["source"]["height"]
    for number in (1, 2):
        assert_lines(pdf, lambda i: i.resize(size), number)


def test_lines_are_absent_where_nobody_wants_them_and_empty_where_there_are_none(
    once: Once, tmp_path: Path
) -> None:
    save(typed(), tmp_path / "in/a.png")
    once("lines: false")
    assert "lines" not in found(tmp_path / "in/a.png.json")
    save(typed([]), tmp_path / "in/blank.png")
    save(typed(), tmp_path / "in/copy.png")  # whose answer without lines is none to this question
    once("lines: true")
    assert found(tmp_path / "in/blank.png.json")["lines"] == []
    assert_lines(found(tmp_path / "in/copy.png.json"), lambda i: i)


@pytest.mark.skipif(shutil.which("tesseract") is None, reason="tesseract is not installed")
def test_tesseract_tells_its_lines_too(once: Once, tmp_path: Path) -> None:
    save(typed(), tmp_path / "in/a.png")
    save(typed().transpose(UNDO[6]), tmp_path / "in/exif.jpg", 6)
    turned = {"head": Image.Transpose.ROTATE_180, "side": Image.Transpose.ROTATE_90}
    for name, turn in turned.items():
        save(typed().transpose(turn), tmp_path / f"in/{name}.png")
    once("lines: true", "tesseract")
    assert_lines(found(tmp_path / "in/a.png.json"), lambda i: i)
    for name, turn in turned.items():
        assert_lines(found(tmp_path / f"in/{name}.png.json"), lambda i, turn=turn: i.transpose(turn))
    assert [x for x in found(tmp_path / "in/a.png.json")["text"].split("\n") if x] == LETTER
    assert_lines(found(tmp_path / "in/exif.jpg.json"), lambda i: i.transpose(UNDO[6]))
