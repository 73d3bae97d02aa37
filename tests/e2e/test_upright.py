"""``upright: true``: a page that lies on its side or its head is turned for models elsewhere, too."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeAlias

import pytest
from PIL import Image, ImageChops, ImageStat
from reportlab.lib.utils import ImageReader
from reportlab.pdfgen.canvas import Canvas

from gateway import Gateway
from glimpsed import cli
from pictures import LETTER, page
from pictures import picture as photo

Once: TypeAlias = Callable[..., None]


@pytest.fixture
def once(tmp_path: Path, gateway: Gateway, monkeypatch: pytest.MonkeyPatch) -> Once:
    """Run `once` on ./in with these keys of the folder."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("GLIMPSED_CONFIG", raising=False)
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    (tmp_path / "in").mkdir()

    def run(keys: str) -> None:
        (tmp_path / "glimpsed.yaml").write_text(
            f"models:\n  m: {{api: chat, base_url: '{gateway.base_url}', concurrency: 1}}\n"
            f"folders: {{f: {{path: in, settle: 0, outputs: [json], {keys}}}}}\n"
        )
        with pytest.raises(SystemExit) as e:
            cli.main(["once", "-q"])
        assert e.value.code == 0

    return run


def typed() -> Image.Image:
    with Image.open(io.BytesIO(page([*LETTER, *LETTER[1:]]))) as image:
        return image.convert("L")


def sent(path: Path) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(path.read_text())["sent"]
    return found


def assert_upright(data: bytes) -> None:
    with Image.open(io.BytesIO(data)) as image:
        seen = image.convert("L")
    off = {
        angle: ImageStat.Stat(
            ImageChops.difference(seen, typed().rotate(angle, expand=True).resize(seen.size))
        ).mean[0]
        for angle in (0, 90, 180, 270)
    }
    assert off[0] < min(off[angle] for angle in (90, 180, 270)) / 2


def test_a_page_is_turned_before_it_is_sent_and_it_is_said(
    once: Once, gateway: Gateway, tmp_path: Path
) -> None:
    turns = {
        "plain.png": (typed(), 0, 1),
        "head.png": (typed().rotate(180), 180, 1),
        "left.png": (typed().rotate(90, expand=True), 90, 1),
        "right.png": (typed().rotate(270, expand=True), 270, 1),
        "exif.jpg": (typed(), 270, 6),  # the camera says that it lies on its side, and is wrong
    }
    for name, (image, _, orientation) in turns.items():
        exif = Image.Exif()
        exif[0x0112] = orientation
        image.save(tmp_path / "in" / name, **({"exif": exif, "quality": 95} if orientation > 1 else {}))
    once("upright: true")
    for name, (_, turned, _) in turns.items():
        (one,) = sent(tmp_path / f"in/{name}.json")
        assert one.get("turned", 0) == turned, name
        assert one["width"] < one["height"]
    assert len(gateway.requests) == len(turns)
    for request in gateway.requests:
        assert_upright(request.images[0].data)


def test_each_page_of_a_document_is_turned_by_itself(once: Once, gateway: Gateway, tmp_path: Path) -> None:
    file = io.BytesIO()
    canvas = Canvas(file)
    for angle in (0, 180, 90):
        image = typed().rotate(angle, expand=True)
        canvas.setPageSize((842, 595) if angle == 90 else (595, 842))
        canvas.drawImage(ImageReader(image), 0, 0, *((842, 595) if angle == 90 else (595, 842)))
        canvas.showPage()
    canvas.save()
    (tmp_path / "in/a.pdf").write_bytes(file.getvalue())
    once("upright: true")
    assert [one.get("turned", 0) for one in sent(tmp_path / "in/a.pdf.json")] == [0, 180, 90]
    for image in gateway.requests[0].images:
        assert_upright(image.data)


def test_a_picture_without_text_and_a_page_that_nobody_wants_turned_stay_as_they_are(
    once: Once, gateway: Gateway, tmp_path: Path
) -> None:
    (tmp_path / "in/photo.png").write_bytes(photo(size=(640, 480)))
    once("upright: true")
    assert "turned" not in sent(tmp_path / "in/photo.png.json")[0]
    typed().rotate(180).save(tmp_path / "in/head.png")
    once("upright: false")
    assert "turned" not in sent(tmp_path / "in/head.png.json")[0]
    with Image.open(io.BytesIO(gateway.requests[-1].images[0].data)) as image:
        assert ImageStat.Stat(ImageChops.difference(image.convert("L"), typed().rotate(180))).mean[0] < 1
