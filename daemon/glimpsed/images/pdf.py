"""PDF pages, rendered at the size at which they are sent (pypdfium2, the `pdf` extra)."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, BinaryIO

from glimpsed.errors import FileError, MissingExtra
from glimpsed.images.plan import PDF_DPI, Layout, Target, layout

if TYPE_CHECKING:
    from PIL import Image

_POINTS = 72  # to the inch


def inspect(file: BinaryIO) -> tuple[int, int, int]:
    """Number of pages; width and height of the first one, in pixels at `PDF_DPI`."""
    with _document(file) as document:
        page = document[0]
        try:
            return len(document), *_pixels(page)
        finally:
            page.close()


def own_text(file: BinaryIO, number: int) -> tuple[str, str | None]:
    """The text of page `number` (from 1), and what it is good for (`usable.nature`)."""
    from glimpsed.images import pdftext  # noqa: PLC0415 - needs the extra

    with _document(file) as document:
        page = _page(document, number)
        try:
            found = pdftext.read(page, document.formenv)
        finally:
            page.close()
    return found.text, found.nature


def render(file: BinaryIO, number: int, to: Target) -> tuple[Image.Image, Layout]:
    """Page `number` (from 1), of the layout's size."""
    with _document(file) as document:
        page = _page(document, number)
        try:
            plan = layout(*_pixels(page), to)
            size = plan.width, plan.height
            scale = max(plan.width / page.get_width(), plan.height / page.get_height())
            image: Image.Image = page.render(scale=scale, rev_byteorder=True).to_pil()
        finally:
            page.close()
    # Rendering rounds up: one pixel is cut off at most.
    return (image if image.size == size else image.crop((0, 0, *size))), plan


def _page(document: Any, number: int) -> Any:
    if number > len(document):
        raise FileError(f"There is no page {number}: the document has {len(document)}.")
    return document[number - 1]


def _pixels(page: Any) -> tuple[int, int]:
    """The page's size at `PDF_DPI`, or at the resolution of the scan if it holds nothing else."""
    dpi = min(PDF_DPI, _scan_dpi(page) or PDF_DPI)
    width, height = (max(1, round(points / _POINTS * dpi)) for points in page.get_size())
    return width, height


def _scan_dpi(page: Any) -> float | None:
    """The finest resolution of the pictures on a page without any visible text or drawing; else None."""
    from pypdfium2 import raw  # noqa: PLC0415 - an optional extra

    found = None
    for item in page.get_objects(max_depth=3):
        if item.type == raw.FPDF_PAGEOBJ_IMAGE:
            left, bottom, right, top = item.get_bounds()
            width, height = item.get_px_size()
            if right - left < 1 or top - bottom < 1:
                continue
            # The longer sides belong together, also when the picture is turned on the page.
            dpi = max(width, height) / max(right - left, top - bottom) * _POINTS
            found = max(found or 0.0, dpi)
        elif item.type == raw.FPDF_PAGEOBJ_TEXT:
            if raw.FPDFTextObj_GetTextRenderMode(item.raw) != raw.FPDF_TEXTRENDERMODE_INVISIBLE:
                return None  # the text layer of an OCR program is invisible
        elif item.type != raw.FPDF_PAGEOBJ_FORM:
            return None
    return found


@contextlib.contextmanager
def _document(file: BinaryIO) -> Iterator[Any]:
    """The open document; its errors as `FileError`."""
    try:
        import pypdfium2  # noqa: PLC0415 - an optional extra
    except ImportError:
        raise MissingExtra("A PDF file", "pdf") from None
    try:
        document = pypdfium2.PdfDocument(file)
    except pypdfium2.PdfiumError as e:
        raise _reason(str(e)) from None
    try:
        if not len(document):
            raise FileError("The PDF has no pages.", "Save it again with the program that it comes from.")
        document.init_forms()  # so that what somebody filled in is drawn
        yield document
    except pypdfium2.PdfiumError as e:
        raise _reason(str(e)) from None
    finally:
        document.close()


def _reason(message: str) -> FileError:
    if "assword" in message:
        return FileError(
            "the PDF is protected by a password", "Save it without a password, beside or over this one."
        )
    return FileError(f"The PDF cannot be read: {message.rstrip('.')}.", "Save or scan it again.")
