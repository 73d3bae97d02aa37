"""Documents through `once` and a real gateway: which pages go, as what, and what the sidecar says of it."""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from reportlab.lib.utils import ImageReader
from reportlab.pdfgen.canvas import Canvas

import images_samples as samples
from gateway import Gateway
from glimpsed import cli
from pictures import page as printed

Once = Callable[..., int]
LINES = ["The corrected amount is 3,174.50,", "to be paid within thirty days."]


@pytest.fixture
def gateway() -> Iterator[Gateway]:
    with Gateway() as running:
        yield running
        assert not running.problems


@pytest.fixture
def once(tmp_path: Path, gateway: Gateway, monkeypatch: pytest.MonkeyPatch) -> Once:
    """Run `once` on ./in with these keys of the folder."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("GLIMPSED_CONFIG", raising=False)
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    (tmp_path / "in").mkdir()

    def run(keys: str = "", model: str = "m") -> int:
        (tmp_path / "glimpsed.yaml").write_text(
            f"models:\n  m: {{api: chat, base_url: '{gateway.base_url}'}}\n"
            f"  r: {{api: responses, base_url: '{gateway.base_url}'}}\n  local: {{api: local}}\n"
            f"folders: {{f: {{path: in, settle: 0, model: {model}, outputs: [txt, json], {keys}}}}}\n"
        )
        with pytest.raises(SystemExit) as e:
            cli.main(["once", "-q"])
        assert isinstance(e.value.code, int)
        return e.value.code

    return run


def sidecar(path: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(path.read_text())
    return found


def pdf(*pages: str) -> bytes:
    """Pages: `text` of their own, a `scan`, or a `blank` one."""
    file = io.BytesIO()
    canvas = Canvas(file)
    for kind in pages:
        if kind == "text":
            for number, line in enumerate(LINES):
                canvas.drawString(72, 700 - 20 * number, line)
        elif kind == "scan":
            image = Image.open(io.BytesIO(printed(["A scanned page."], (600, 850), "PNG")))
            canvas.drawImage(ImageReader(image), 0, 0, 595, 842)
        elif kind == "blank":
            canvas.drawImage(ImageReader(Image.new("L", (600, 850), 245)), 0, 0, 595, 842)
        canvas.showPage()
    canvas.save()
    return file.getvalue()


def text_parts(gateway: Gateway, request: int = 0) -> list[str]:
    body = gateway.requests[request].body
    parts = (body.get("input") or body["messages"])[-1]["content"]
    return [part["text"] for part in parts if part["type"] in ("text", "input_text")]


@pytest.mark.parametrize("model", ["m", "r"])
def test_a_remote_model_gets_the_picture_and_the_text(
    once: Once, gateway: Gateway, tmp_path: Path, model: str
) -> None:
    (tmp_path / "in/a.pdf").write_bytes(pdf("text"))
    assert once(model=model) == 0
    (request,) = gateway.requests
    assert len(request.images) == 1
    assert "\n".join(LINES) in text_parts(gateway)[0]
    picture, text = sidecar(tmp_path / "in/a.pdf.json")["sent"]
    assert (picture["page"], text["page"]) == (1, 1)
    assert (text["media_type"], text["characters"]) == ("text/plain", len("\n".join(LINES)))
    assert "width" not in text
    assert "characters" not in picture


def test_instead_sends_the_text_alone_but_a_scan_as_a_picture(
    once: Once, gateway: Gateway, tmp_path: Path
) -> None:
    (tmp_path / "in/a.pdf").write_bytes(pdf("text", "scan"))
    assert once("pdf_text: instead") == 0
    (request,) = gateway.requests
    assert len(request.images) == 1
    sent = sidecar(tmp_path / "in/a.pdf.json")["sent"]
    assert [(s["page"], s["media_type"] == "text/plain") for s in sent] == [(1, True), (2, False)]


def test_ignore_sends_pictures_alone(once: Once, gateway: Gateway, tmp_path: Path) -> None:
    (tmp_path / "in/a.pdf").write_bytes(pdf("text"))
    assert once("pdf_text: ignore") == 0
    assert len(text_parts(gateway)) == 1
    assert len(sidecar(tmp_path / "in/a.pdf.json")["sent"]) == 1


def test_a_local_model_reads_the_text_itself_exactly(once: Once, tmp_path: Path) -> None:
    (tmp_path / "in/a.pdf").write_bytes(pdf("text", "text"))
    assert once(model="local") == 0
    assert (tmp_path / "in/a.pdf.txt").read_text() == "\n".join(LINES) + "\n\n" + "\n".join(LINES) + "\n"
    assert {s["media_type"] for s in sidecar(tmp_path / "in/a.pdf.json")["sent"]} == {"text/plain"}


def test_only_the_pages_that_matter_are_sent_and_the_others_named(
    once: Once, gateway: Gateway, tmp_path: Path
) -> None:
    (tmp_path / "in/a.pdf").write_bytes(pdf(*["scan"] * 5))
    assert once("send_pages: '1-2,-1', max_pages: 3") == 0
    assert len(gateway.requests[0].images) == 3
    found = sidecar(tmp_path / "in/a.pdf.json")
    assert [s["page"] for s in found["sent"]] == [1, 2, 5]
    assert (found["source"]["pages"], found["source"]["left_out"]) == (5, [3, 4])


def test_blank_pages_are_skipped_and_named(once: Once, gateway: Gateway, tmp_path: Path) -> None:
    (tmp_path / "in/a.pdf").write_bytes(pdf("scan", "blank", "scan"))
    assert once("blank_pages: skip, pages: each") == 0
    assert len(gateway.requests) == 2
    found = sidecar(tmp_path / "in/a.pdf.json")
    assert [p["page"] for p in found["pages"]] == [1, 3]
    assert found["source"]["left_out"] == [2]


def test_pages_that_are_skipped_do_not_count_as_sent(once: Once, gateway: Gateway, tmp_path: Path) -> None:
    (tmp_path / "in/a.pdf").write_bytes(pdf("scan", "blank", "scan", "blank"))
    assert once("blank_pages: skip, max_pages: 2") == 0
    assert len(gateway.requests[0].images) == 2
    assert (
        once("blank_pages: skip, max_pages: 1, reuse: false, prompt: other") == 0
    )  # done, and not asked about again
    (tmp_path / "in/b.pdf").write_bytes(pdf("scan", "blank", "scan"))
    assert once("blank_pages: skip, max_pages: 1") == 1
    assert "at most 1" in (tmp_path / "in/b.pdf.error.txt").read_text()
    assert len(gateway.requests) == 1


def test_nothing_left_out_is_not_mentioned(once: Once, tmp_path: Path) -> None:
    (tmp_path / "in/a.pdf").write_bytes(pdf("scan"))
    assert once() == 0
    assert "left_out" not in sidecar(tmp_path / "in/a.pdf.json")["source"]


@pytest.mark.parametrize(
    ("pages", "keys", "reason"),
    [
        (["scan"] * 2, "send_pages: '7'", "send_pages is '7'"),
        (["blank"] * 2, "blank_pages: skip", "All of its pages are blank"),
        (["scan"] * 4, "max_pages: 3", "4 pages to be sent; at most 3"),
    ],
)
def test_a_document_of_which_nothing_or_too_much_is_left_fails_unasked(
    once: Once, gateway: Gateway, tmp_path: Path, pages: list[str], keys: str, reason: str
) -> None:
    (tmp_path / "in/a.pdf").write_bytes(pdf(*pages))
    assert once(keys) == 1
    assert gateway.requests == []
    assert reason in (tmp_path / "in/a.pdf.error.txt").read_text()


def pages_with(bad: int, harm: Callable[[bytearray, list[int]], None]) -> bytes:
    """A TIFF of three packed pages, of which one is harmed: where its directory's entries stand is told, by tag."""
    pages = [samples.corners(240, 160 + 20 * n) for n in range(3)]
    data = bytearray(
        samples.save(pages[0], "TIFF", save_all=True, append_images=pages[1:], compression="tiff_lzw")
    )
    at = int.from_bytes(data[4:8], "little")
    for _ in range(bad - 1):
        count = int.from_bytes(data[at : at + 2], "little")
        at = int.from_bytes(data[at + 2 + 12 * count :][:4], "little")
    harm(data, [at + 2 + 12 * n for n in range(int.from_bytes(data[at : at + 2], "little"))])
    return bytes(data)


def entry_of(data: bytearray, entries: list[int], tag: int) -> int:
    return next(at for at in entries if int.from_bytes(data[at : at + 2], "little") == tag)


def torn(data: bytearray, entries: list[int]) -> None:
    field = entry_of(data, entries, 273) + 8
    at = int.from_bytes(data[field : field + 4], "little")
    if int.from_bytes(data[field - 4 : field], "little") > 1:
        at = int.from_bytes(data[at : at + 4], "little")
    data[at : at + 40] = b"\xff" * 40


def unknown(data: bytearray, entries: list[int]) -> None:
    at = entry_of(data, entries, 259) + 8
    data[at : at + 2] = (50002).to_bytes(2, "little")


def flat(data: bytearray, entries: list[int]) -> None:
    at = entry_of(data, entries, 257) + 8
    data[at : at + 4] = bytes(4)


@pytest.mark.parametrize("together", ["together", "each"])
@pytest.mark.parametrize("harm", [torn, unknown, flat])
@pytest.mark.parametrize("bad", [1, 2])
def test_a_damaged_page_of_a_tiff_is_left_out_and_said(
    once: Once,
    gateway: Gateway,
    tmp_path: Path,
    harm: Callable[[bytearray, list[int]], None],
    together: str,
    bad: int,
) -> None:
    (tmp_path / "in/a.tif").write_bytes(pages_with(bad, harm))
    assert once(f"pages: {together}, blank_pages: skip") == 0
    source = sidecar(tmp_path / "in/a.tif.json")["source"]
    assert (source["pages"], source["left_out"]) == (3, [bad])
    sizes = [
        Image.open(io.BytesIO(image.data)).size for request in gateway.requests for image in request.images
    ]
    assert sizes == [(240, 160 + 20 * n) for n in range(3) if n != bad - 1]


def test_where_every_page_is_damaged_the_first_is_named(once: Once, tmp_path: Path) -> None:
    data = bytearray(pages_with(1, torn))
    for page in (2, 3):
        harmed = pages_with(page, torn)
        data = bytearray(
            b if b != a else c for a, b, c in zip(pages_with(1, lambda *_: None), data, harmed, strict=True)
        )
    (tmp_path / "in/a.tif").write_bytes(data)
    assert once() == 1
    assert "Page 1: " in (tmp_path / "in/a.tif.error.txt").read_text()
