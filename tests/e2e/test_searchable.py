"""`outputs: [pdf, hocr]` through real runs: the model's words where the embedded OCR saw them, and the rules of sidecars."""

from __future__ import annotations

import io
import json
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pikepdf
import pytest
from reportlab.pdfgen.canvas import Canvas

from daemon import Daemon, glimpsed, wait_until
from gateway import Gateway, Scripted
from searchable_samples import (
    checked,
    drawn,
    encoded,
    near,
    needs_poppler,
    needs_qpdf,
    printed,
    text_of,
    words_of,
)

pytestmark = [needs_poppler, needs_qpdf]

LINES = ["Invoice number 4711 of May", "Total amount 1.200,50 EUR", "We thank you for your order"]
TEXT = "\n".join(LINES)
OUTPUTS = "[txt, json, pdf, hocr]"


def config(gateway: Gateway | None, outputs: str = OUTPUTS, more: str = "") -> str:
    model = f"{{api: chat, base_url: '{gateway.base_url}'}}" if gateway else "{api: local}"
    return (
        f"models: {{m: {model}}}\n"
        f"folders: {{bills: {{path: in, model: m, settle: 0, outputs: {outputs}, {more}}}}}\n"
    )


def once(tmp_path: Path, text: str) -> int:
    (tmp_path / "glimpsed.yaml").write_text(text)
    return glimpsed("once", "-q", "-c", str(tmp_path / "glimpsed.yaml"), home=tmp_path).returncode


@pytest.fixture
def inbox(tmp_path: Path) -> Path:
    (tmp_path / "in").mkdir()
    return tmp_path / "in"


def of_pages(count: int = 1, change: Callable[[pikepdf.Pdf], None] = lambda _: None) -> bytes:
    """A scan of so many pages, and then a page with text of its own."""
    file = io.BytesIO()
    canvas = Canvas(file, pagesize=(595, 842))
    for number in range(1, count + 1):
        image, _ = printed([f"Page {number} was scanned", "somewhere else altogether"])
        canvas.drawInlineImage(image, 0, 0, 595, 842)
        canvas.showPage()
    canvas.drawString(70, 700, "This page says by itself what stands on it")
    canvas.showPage()
    canvas.save()
    with pikepdf.open(io.BytesIO(file.getvalue())) as pdf:
        change(pdf)
        out = io.BytesIO()
        pdf.save(out)
    return out.getvalue()


def test_a_models_words_stand_where_the_embedded_ocr_saw_them(tmp_path: Path, inbox: Path) -> None:
    image, page = printed(LINES)
    (inbox / "scan.jpg").write_bytes(encoded(image, "JPEG"))
    with Gateway(default=Scripted(text=TEXT)) as gateway:
        assert once(tmp_path, config(gateway)) == 0
        assert once(tmp_path, config(gateway)) == 0  # no sidecar is a new image
        assert len(gateway.requests) == 1
    pdf = (inbox / "scan.jpg.pdf").read_bytes()
    checked(pdf)
    assert (inbox / "scan.jpg").read_bytes() in pdf
    near(pdf, page, points=5)
    assert text_of(pdf).split() == TEXT.split()
    hocr = (inbox / "scan.jpg.hocr").read_text()
    assert ">4711</span>" in hocr
    assert sorted(path.name for path in inbox.iterdir()) == [
        "scan.jpg", "scan.jpg.hocr", "scan.jpg.json", "scan.jpg.pdf", "scan.jpg.txt",
    ]  # fmt: skip


@pytest.mark.parametrize("pages", ["together", "each"])
def test_a_pdf_of_scans_and_of_text_keeps_the_one_and_gets_the_other(
    tmp_path: Path, inbox: Path, pages: str
) -> None:
    (inbox / "d.pdf").write_bytes(of_pages(2))
    own = "This page says by itself what stands on it"
    texts = [f"Page {n} was scanned\nsomewhere else altogether" for n in (1, 2)] + [own]
    with Gateway() as gateway:
        replies = texts if pages == "each" else ["\n\n".join(texts)]
        gateway.script(*(Scripted(text=text) for text in replies))
        assert once(tmp_path, config(gateway, more=f"pages: {pages}")) == 0
    pdf = (inbox / "d.pdf.pdf").read_bytes()
    checked(pdf)
    found = text_of(pdf).split("\f")
    assert [page.split() for page in found[:3]] == [text.split() for text in texts]
    assert drawn(pdf, 3).tobytes() == drawn((inbox / "d.pdf").read_bytes(), 3).tobytes()
    assert (inbox / "d.pdf.hocr").read_text().count("ocr_page'") == 3


def test_a_local_models_own_boxes_are_used(tmp_path: Path, inbox: Path) -> None:
    image, page = printed(LINES)
    side = image.rotate(90, expand=True)  # lies on its side: read when it is turned
    (inbox / "a.png").write_bytes(encoded(image, "PNG"))
    (inbox / "b.png").write_bytes(encoded(side, "PNG"))
    assert once(tmp_path, config(None)) == 0
    near((inbox / "a.png.pdf").read_bytes(), page, points=5)
    found = dict(words_of((inbox / "b.png.pdf").read_bytes()))
    height = side.height * 72 / 200
    [word] = [w for line in page.lines for w in line if w.text == "4711"]
    (left, top), (right, bottom) = ((x * 0.36, y * 0.36) for x, y in (word.quad[0], word.quad[2]))
    assert found["4711"] == pytest.approx((top, height - right, bottom, height - left), abs=5)
    assert "lines" not in json.loads((inbox / "a.png.json").read_text())


def test_with_a_schema_the_words_are_the_ocrs(tmp_path: Path, inbox: Path) -> None:
    (inbox / "scan.jpg").write_bytes(encoded(printed(LINES)[0], "JPEG"))
    schema = "schema: {type: object, properties: {total: {type: number}}, required: [total]}"
    with Gateway(default=Scripted(text='{"total": 1200.5}')) as gateway:
        assert once(tmp_path, config(gateway, more=schema)) == 0
    assert text_of((inbox / "scan.jpg.pdf").read_bytes()).split() == TEXT.split()


def test_a_signed_pdf_is_left_as_it_is_and_its_text_stands_beside_it(tmp_path: Path, inbox: Path) -> None:
    def sign(pdf: pikepdf.Pdf) -> None:
        signature = pikepdf.Dictionary(
            Type=pikepdf.Name.Sig, ByteRange=pikepdf.Array([0, 10, 20, 30]), Contents=b"\0" * 64
        )
        field = pikepdf.Dictionary(FT=pikepdf.Name.Sig, T="Signature", V=pdf.make_indirect(signature))
        pdf.Root.AcroForm = pikepdf.Dictionary(Fields=pikepdf.Array([pdf.make_indirect(field)]), SigFlags=3)

    data = of_pages(1, sign)
    (inbox / "s.pdf").write_bytes(data)
    with Gateway(default=Scripted(text="Page 1 was scanned")) as gateway:
        assert once(tmp_path, config(gateway, "[pdf]")) == 0
        assert [p.name for p in sorted(inbox.iterdir())] == ["s.pdf", "s.pdf.txt"]
        (tmp_path / "glimpsed.yaml").write_text(config(gateway))
        done = glimpsed("rewrite", "--all", "-c", str(tmp_path / "glimpsed.yaml"), home=tmp_path)
        assert done.returncode == 0, done.stderr
        for ledger in (tmp_path / "state").rglob("*"):
            if ledger.is_file():
                ledger.unlink()
        assert once(tmp_path, config(gateway)) == 0  # a lost ledger costs nothing
        assert len(gateway.requests) == 1
    assert (inbox / "s.pdf").read_bytes() == data
    assert not (inbox / "s.pdf.pdf").exists()
    assert json.loads((inbox / "s.pdf.json").read_text())["source"]["signed"] is True


def test_sidecars_that_are_asked_for_later_come_by_themselves_and_by_rewrite(
    tmp_path: Path, inbox: Path
) -> None:
    image, page = printed(LINES)
    (inbox / "scan.jpg").write_bytes(encoded(image, "JPEG"))
    pdf = inbox / "scan.jpg.pdf"
    with Gateway(default=Scripted(text=TEXT)) as gateway:
        with Daemon(config(gateway, "[txt, json]"), tmp_path) as daemon:
            daemon.wait_event("file.done", seconds=240)
            daemon.config.write_text(config(gateway))
            daemon.process.send_signal(signal.SIGHUP)
            wait_until(pdf.exists, "no pdf after the reload", 240)
            daemon.wait_event("sidecars completed", seconds=240)
        first = pdf.read_bytes()
        near(first, page, points=5)
        pdf.unlink()
        done = glimpsed("rewrite", str(inbox / "scan.jpg"), "-c", str(daemon.config), home=tmp_path)
        assert done.returncode == 0, done.stderr
        assert pdf.read_bytes() == first
        pdf.write_bytes(b"%PDF-1.4 somebody's own edit")
        done = glimpsed("rewrite", str(inbox / "scan.jpg"), "-c", str(daemon.config), home=tmp_path)
        assert pdf.read_bytes() == first
        assert (inbox / "scan.jpg.pdf~").read_bytes() == b"%PDF-1.4 somebody's own edit"
        with Daemon(
            config(gateway, "[txt, json]"), tmp_path
        ) as daemon:  # not asked for any more: still no image
            wait_until(lambda: bool(daemon.seen("scan.finished")), "no listing", 240)
            (inbox / "other.png").write_bytes(encoded(printed(["Other"])[0], "PNG"))
            daemon.wait_event("file.done", seconds=240)
        assert len(gateway.requests) == 2


def test_somebody_elses_pdf_of_that_name_is_not_overwritten(tmp_path: Path, inbox: Path) -> None:
    (inbox / "scan.jpg").write_bytes(encoded(printed(LINES)[0], "JPEG"))
    (inbox / "scan.jpg.pdf").write_bytes(b"%PDF-1.4 mine")
    with Gateway() as gateway:
        assert once(tmp_path, config(gateway, "[json, pdf]")) == 1
        assert not gateway.requests
    assert (inbox / "scan.jpg.pdf").read_bytes() == b"%PDF-1.4 mine"


@pytest.mark.parametrize("sidecar", ["{stem}.{ext}", "{name}"])
def test_a_pdf_that_would_take_its_own_images_place_is_a_config_error(
    tmp_path: Path, inbox: Path, sidecar: str
) -> None:
    text = (
        "models: {m: {api: local}}\n"
        f"folders: {{bills: {{path: in, model: m, outputs: [pdf], sidecar: '{sidecar}'}}}}\n"
    )
    (tmp_path / "glimpsed.yaml").write_text(text)
    done: Any = glimpsed("check", "-c", str(tmp_path / "glimpsed.yaml"), home=tmp_path)
    assert done.returncode == 78
    assert "image itself" in done.stderr
