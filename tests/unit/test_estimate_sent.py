"""An estimate says what is then sent: pages that are left out, mixed sizes, pixels that are not square, own text."""

from __future__ import annotations

import asyncio
import functools
import io
import random
import threading
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from reportlab.lib.utils import ImageReader
from reportlab.pdfgen.canvas import Canvas

from glimpsed.config.schema import Folder, ModelEntry
from glimpsed.disk.files import Root, find_root
from glimpsed.errors import NotYet, ShareTrouble
from glimpsed.estimate import Group, Past, Sampled, estimate, survey
from glimpsed.images import plan
from glimpsed.images.pages import pages_of, text_of
from glimpsed.images.prepare import Images
from glimpsed.model import Content, PageText, Request, Version
from glimpsed.vision.families import family, text_tokens
from glimpsed.vision.wire import own_texts
from pdf_corpus import LETTER, put
from pictures import page as printed

A4, A3, SLIP = (595, 842), (1191, 842), (160, 595)


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
async def images() -> AsyncIterator[Images]:
    running = Images(1)
    yield running
    await running.close()


def scan(canvas: Canvas, size: tuple[int, int]) -> None:
    canvas.setPageSize(size)
    canvas.drawImage(
        ImageReader(Image.open(io.BytesIO(printed(["Paid in full", "on the first of May"])))), 0, 0, *size
    )
    canvas.showPage()


def blank(canvas: Canvas) -> None:
    canvas.setPageSize(A4)
    canvas.showPage()


def typed(canvas: Canvas) -> None:
    canvas.setPageSize(A4)
    put(canvas, LETTER * 8)
    canvas.showPage()


def pdf(*draw: Callable[[Canvas], None]) -> bytes:
    file = io.BytesIO()
    canvas = Canvas(file)
    for one in draw:
        one(canvas)
    canvas.save()
    return file.getvalue()


def fax() -> bytes:
    file = io.BytesIO()
    page = Image.open(io.BytesIO(printed(["Paid in full"]))).convert("1").resize((1728, 1100))
    page.save(file, "TIFF", compression="group4", dpi=(204, 98), save_all=True, append_images=[page, page])
    return file.getvalue()


def on_its_side() -> bytes:
    exif = Image.Exif()
    exif[0x0112] = 6
    file = io.BytesIO()
    Image.open(io.BytesIO(printed(["Paid in full"]))).convert("RGB").resize((2400, 1200)).save(
        file, "JPEG", exif=exif
    )
    return file.getvalue()


@functools.cache
def mixed() -> bytes:
    return pdf(
        lambda c: scan(c, A4),
        blank,
        lambda c: scan(c, A3),
        lambda c: scan(c, SLIP),
        blank,
        lambda c: scan(c, SLIP),
    )


CASES: dict[str, tuple[Callable[[], bytes], dict[str, Any]]] = {
    "all pages, of several sizes": (mixed, {}),
    "the last page": (mixed, {"send_pages": "-1"}),
    "some pages": (mixed, {"send_pages": "3-4"}),
    "without blank ones": (mixed, {"blank_pages": "skip"}),
    "each page by itself": (mixed, {"blank_pages": "skip", "pages": "each"}),
    "a fax": (fax, {}),
    "a picture on its side, in bands": (on_its_side, {"bands": 3}),
    "text and picture": (lambda: pdf(typed, typed, lambda c: scan(c, A4)), {}),
    "text instead": (lambda: pdf(typed, typed, typed), {"pdf_text": "instead"}),
    "pictures only": (lambda: pdf(typed, typed), {"pdf_text": "ignore"}),
}


async def sent(folder: Folder, entry: ModelEntry, content: Content, images: Images) -> int:
    """Tokens of what goes out, by the pictures themselves."""
    kind = family(entry.model)
    _, pages = await pages_of(folder, content, images)
    each = folder.pages == "each"
    target = plan.target(entry, folder, pages=1 if each else len(pages))
    tokens = 0
    for page in pages:
        own = await text_of(folder, content, images, page)
        if own is not None:
            [text] = own_texts(Request("", (), (PageText(page, own.text),)))
            tokens += text_tokens(text)
        if own is None or folder.pdf_text != "instead":
            pictures = await images.prepare(content, page, target)
            tokens += sum(kind.tokens((one.width, one.height), folder.detail) for one in pictures)
    return tokens + text_tokens(folder.prompt) * (len(pages) if each else 1)


@pytest.mark.anyio
@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("model", ["gpt-4o", "gemini-2.5-flash", "qwen2.5-vl-72b-instruct"])
async def test_an_estimate_is_within_a_tenth_of_what_is_sent(images: Images, name: str, model: str) -> None:
    made, keys = CASES[name]
    data = made()
    content = Content(data, "0" * 64, Version(len(data), 0))
    folder = Folder(path="/in").model_copy(update={"name": "f", "model": "m", **keys})
    entry = ModelEntry(base_url="https://example.org/v1", model=model).model_copy(update={"name": "m"})
    seen = await survey._seen(folder, images, content)
    told = estimate([Group(1, (seen,))], folder, entry, Past())
    assert told.input_tokens == pytest.approx(await sent(folder, entry, content, images), rel=0.1)
    _, pages = await pages_of(folder, content, images)
    assert told.pages == len(pages)


@pytest.mark.anyio
@pytest.mark.parametrize(("spread", "most"), [(0, 25), (40, 200)])
async def test_as_many_are_looked_at_as_tell_how_large_the_others_are(
    spread: int, most: int, images: Images, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Scans of a page are all alike; of documents with 1 to 40 pages, 25 may be half of what all are, or twice as much."""
    dice = random.Random(4)
    pages = {f"{n}.pdf": 1 + int(spread * dice.random() ** 6) for n in range(200)}
    for name in pages:
        (tmp_path / name).write_bytes(name.encode())

    async def seen(_folder: Folder, _images: Images, content: Content) -> Sampled:
        return Sampled(pages[content.data.decode()], 2480, 3508)

    monkeypatch.setattr(survey, "_seen", seen)
    folder = Folder(path=str(tmp_path)).model_copy(update={"name": "f", "model": "m"})
    found = survey._by_kind((name, _version(tmp_path / name)) for name in pages)
    [group] = await survey.measured(folder, found.values(), find_root(folder.path), images)
    assert len(group.sample) <= most
    entry = ModelEntry(base_url="https://example.org/v1", model="gpt-4o")
    told = estimate([group], folder, entry, Past())
    assert told.pages == pytest.approx(sum(pages.values()), rel=0.1)


def _version(path: Path) -> Version:
    found = path.stat()
    return Version(found.st_size, found.st_mtime_ns)


def kind(name: str) -> survey.Kind:
    return survey.Kind(1, [(name, Version(1, 1))])


@pytest.mark.anyio
async def test_a_share_that_hangs_holds_up_its_own_estimate_and_no_other(
    images: Images, monkeypatch: pytest.MonkeyPatch
) -> None:
    released = threading.Event()
    monkeypatch.setattr(survey, "PATIENCE", 0.2)
    monkeypatch.setattr(
        survey, "_read", lambda _root, path, _version: released.wait() if path == "hung" else None
    )
    folders = [Folder(path="/").model_copy(update={"name": name}) for name in ("hung", "fine")]
    try:
        hung, fine = await asyncio.gather(
            *(survey.measured(f, [kind(f.name)], Root("/", (1, 1)), images) for f in folders),
            return_exceptions=True,
        )
    finally:
        released.set()
    assert isinstance(hung, ShareTrouble)
    assert fine == [Group(1, (None,))]


@pytest.mark.anyio
async def test_a_file_that_may_not_be_read_does_not_end_the_estimate_of_its_folder(
    images: Images, monkeypatch: pytest.MonkeyPatch
) -> None:
    def read(_root: Root, path: str, _version: Version) -> Content:
        raise NotYet(f"{path}: Permission denied")

    monkeypatch.setattr(survey, "read_content", read)
    found = await survey.measured(Folder(path="/"), [kind("closed.png")], Root("/", (1, 1)), images)
    assert found == [Group(1, (None,))]
