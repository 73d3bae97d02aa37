"""PDF pages, rendered at the size at which they are sent (pypdfium2, the `pdf` extra)."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, BinaryIO

from glimpsed.errors import FileError, MissingExtra
from glimpsed.images.plan import PDF_DPI, Layout, Target, layout

if TYPE_CHECKING:
    from PIL import Image

_POINT = 1 / 72  # inch


def inspect(file: BinaryIO) -> tuple[int, int, int]:
    """Number of pages; width and height of the first one, in pixels at `PDF_DPI`."""
    with _document(file) as document:
        page = document[0]
        try:
            return len(document), *_pixels(page)
        finally:
            page.close()


def render(file: BinaryIO, number: int, to: Target) -> tuple[Image.Image, Layout]:
    """Page `number` (from 1) in RGB, of the layout's size."""
    with _document(file) as document:
        if number > len(document):
            raise FileError(f"there is no page {number}: the document has {len(document)}")
        page = document[number - 1]
        try:
            plan = layout(*_pixels(page), to)
            scale = max(plan.width / page.get_width(), plan.height / page.get_height())
            image = page.render(scale=scale, rev_byteorder=True, fill_color=(255, 255, 255, 255)).to_pil()
        finally:
            page.close()
        image = image.convert("RGB")
        # Rendering rounds up: at most one pixel off.
        return image if image.size == (plan.width, plan.height) else image.resize(
            (plan.width, plan.height)
        ), plan


def _pixels(page: Any) -> tuple[int, int]:
    width, height = (max(1, round(points * _POINT * PDF_DPI)) for points in page.get_size())
    return width, height


@contextlib.contextmanager
def _document(file: BinaryIO) -> Iterator[Any]:
    """The open document; its errors as `FileError`."""
    try:
        import pypdfium2  # noqa: PLC0415 - an optional extra
    except ImportError:
        raise MissingExtra("a PDF file", "pdf") from None
    try:
        document = pypdfium2.PdfDocument(file)
    except pypdfium2.PdfiumError as e:
        raise _reason(str(e)) from None
    try:
        if not len(document):
            raise FileError("the PDF has no pages", "Save it again with the program that it comes from.")
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
    return FileError(f"the PDF is damaged ({message})", "Save or scan it again.")
