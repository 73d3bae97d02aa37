"""The searchable PDF: the pages as they are, under words that nobody sees (pikepdf, the `searchable` extra)."""

from __future__ import annotations

import io
from collections.abc import Mapping
from typing import Any, BinaryIO

import pikepdf
from pikepdf import Array, Dictionary, Page, Pdf

from glimpsed.formats.sniff import Kind
from glimpsed.searchable import MARK, archival, embed
from glimpsed.searchable.font import font
from glimpsed.searchable.geometry import UPRIGHT, Frame
from glimpsed.searchable.layer import FONT, Codes, layer
from glimpsed.searchable.words import PageWords as Words

_DEEPEST = 50  # of inherited attributes
_TURNED = frozenset({5, 6, 7, 8})


class Unreadable(Exception):
    """Its structure is beyond repair, or closed by a password."""


def of_pictures(file: BinaryIO, kind: Kind, words: Mapping[int, Words], memory: int) -> bytes:
    """A picture, or all pages of a TIFF, each as large as its resolution says, shown upright. Raises `FileError`."""
    pdf = Pdf.new()
    codes = Codes()
    lasting = True
    for number, found in enumerate(embed.pages(pdf, file, kind, memory), 1):
        lasting = lasting and all(archival.fits(strip) for strip, _ in found.strips)
        width, height = found.size
        if found.orientation in _TURNED:
            width, height = height, width
        pdf.add_blank_page(page_size=(round(width, 2), round(height, 2)))
        page = pdf.pages[-1]
        page.obj.Resources = Dictionary(
            XObject=Dictionary(
                {f"/P{n}": pdf.make_indirect(strip) for n, (strip, _) in enumerate(found.strips)}
            )
        )
        a, b, c, d, e, f = UPRIGHT[found.orientation]
        matrix = [a * width, b * height, c * width, d * height, e * width, f * height]
        parts = [f"q {' '.join(f'{value:.2f}' for value in matrix)} cm"]
        top = 0
        for n, (_, rows) in enumerate(found.strips):
            share, below = rows / found.height, 1 - (top + rows) / found.height
            inner = f"q 1 0 0 {share:.6f} 0 {below:.6f} cm " if len(found.strips) > 1 else ""
            parts.append(f"{inner}/P{n} Do{' Q' if inner else ''}")
            top += rows
        frame = Frame(0, 0, width, height)
        text = _layer(words.get(number), frame, codes)
        page.obj.Contents = pdf.make_stream("\n".join([*parts, "Q", ""]).encode() + text)
    shared = font(pdf, codes.used)
    for page in pdf.pages:
        page.obj.Resources.Font = Dictionary({f"/{FONT}": shared})
    if lasting:
        archival.claim(pdf)
    return _saved(pdf)


def of_pdf(file: BinaryIO, words: Mapping[int, Words]) -> bytes:
    """A PDF with words on those of its pages that have some here; everything else in it stays.

    Raises `Unreadable`.
    """
    with opened(file) as pdf:
        codes = Codes()
        layers: list[tuple[Page, bytes]] = []
        for number, page in enumerate(pdf.pages, 1):
            if number in words:
                layers.append((page, _layer(words[number], frame_of(page), codes)))
        layers = [(page, text) for page, text in layers if text]
        if layers:
            shared, before = font(pdf, codes.used), pdf.make_stream(b"q\n")
            for page, text in layers:
                _add(pdf, page, text, shared, before)
        return _saved(pdf)


def opened(file: BinaryIO) -> Pdf:
    """Raises `Unreadable`."""
    file.seek(0)
    try:
        return Pdf.open(file)
    except pikepdf.PasswordError:
        raise Unreadable("it is protected by a password") from None
    except (pikepdf.PdfError, ValueError, RuntimeError) as e:
        raise Unreadable(str(e).splitlines()[0][:200]) from None


def frame_of(page: Page) -> Frame:
    """What is seen of a page: its crop box, as far as there is paper."""
    media = _box(_inherited(page, "/MediaBox")) or (0.0, 0.0, 612.0, 792.0)
    crop = _box(_inherited(page, "/CropBox")) or media
    left, bottom, right, top = (
        max(media[0], crop[0]),
        max(media[1], crop[1]),
        min(media[2], crop[2]),
        min(media[3], crop[3]),
    )
    if right <= left or top <= bottom:
        left, bottom, right, top = media
    rotate = _inherited(page, "/Rotate")
    turned = int(rotate) % 360 if isinstance(rotate, int) else 0
    return Frame(left, bottom, right, top, turned if turned in (90, 180, 270) else 0)


def _box(found: Any) -> tuple[float, float, float, float] | None:
    try:
        x, y, right, top = (float(number) for number in found)
    except (TypeError, ValueError):
        return None
    return min(x, right), min(y, top), max(x, right), max(y, top)


def _inherited(page: Page, key: str) -> Any:
    node: Any = page.obj
    for _ in range(_DEEPEST):
        if key in node:
            return node[key]
        if "/Parent" not in node:
            break
        node = node.Parent
    return None


def _layer(words: Words | None, frame: Frame, codes: Codes) -> bytes:
    if words is None:
        return b""
    width, height = max(1e-6, words.width), max(1e-6, words.height)
    return layer(words.lines, lambda point: frame.inside(point[0] / width, point[1] / height), codes)


def _add(pdf: Pdf, page: Page, text: bytes, shared: Any, before: Any) -> None:
    """Behind what the page draws, whatever state that leaves the page in."""
    contents = page.obj.get("/Contents")
    own = list(contents) if isinstance(contents, Array) else [contents] if contents is not None else []
    behind = pdf.make_stream(b"\nQ\n" + text if own else text)
    page.obj.Contents = Array([before, *own, behind]) if own else behind
    resources = _inherited(page, "/Resources")
    resources = resources if isinstance(resources, Dictionary) else Dictionary()
    if "/Resources" not in page.obj:
        resources = Dictionary(dict(resources.items()))
        page.obj.Resources = resources
    fonts = resources.get("/Font")
    if not isinstance(fonts, Dictionary):
        resources.Font = Dictionary()
        fonts = resources.Font
    fonts[f"/{FONT}"] = shared


def _saved(pdf: Pdf) -> bytes:
    """The same words on the same pages always give the same bytes, but for what is encrypted."""
    pdf.trailer[f"/{MARK}"] = True
    out = io.BytesIO()
    options: dict[str, Any] = {"encryption": True} if pdf.is_encrypted else {"deterministic_id": True}
    pdf.save(out, fix_metadata_version=False, object_stream_mode=pikepdf.ObjectStreamMode.preserve, **options)
    return out.getvalue()
