"""PDF pages, rendered at the size at which they are sent (pypdfium2, the `pdf` extra)."""

from __future__ import annotations

import contextlib
import ctypes
import re
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, BinaryIO, TypeAlias

from glimpsed.errors import FileError, MissingExtra
from glimpsed.images import userunit
from glimpsed.images.picture import ON_ITS_SIDE, Drawn, upright
from glimpsed.images.plan import PDF_DPI, Target, layout
from glimpsed.region import turned

if TYPE_CHECKING:
    from PIL import Image

Point: TypeAlias = tuple[float, float]
Quad: TypeAlias = tuple[Point, Point, Point, Point]
Masks: TypeAlias = dict[tuple[int, int], tuple[int, int]]  # px of a picture -> px of its finest mask

_POINTS = 72  # to the inch
_COARSEST = 72  # dpi: a page that holds but a coarse picture, or a few dots, is still the size of a page
_LARGE = 600  # units of a page: from there on it is sent as large as may be, whatever its unit
_FINER = 16  # parts of a pixel in which places are told
_OBJECT = re.compile(rb"\b(\d{1,9})\s+\d{1,5}\s+obj\b\s*<<")
_LONGEST = 4000  # bytes of a picture's dictionary
_MASK = re.compile(rb"/S?Mask\s+(\d{1,9})\s+\d{1,5}\s+R\b")
_WIDTH, _HEIGHT = re.compile(rb"/Width\s+(\d{1,6})\b"), re.compile(rb"/Height\s+(\d{1,6})\b")
_ENCRYPTED = re.compile(rb"/Encrypt\b")


def inspect(file: BinaryIO) -> tuple[int, int, int]:
    """Number of pages; width and height of the first one that can be drawn, in pixels at `PDF_DPI`."""
    with _document(file) as document:
        first = next((n for n in range(1, len(document) + 1) if _drawable(document, n)), None)
        if first is None:
            raise FileError(
                "None of its pages has a size.", "Save it again with the program that it comes from."
            )
        page = document[first - 1]
        try:
            return len(document), *_pixels(page, file, _masks(file))
        finally:
            page.close()


def undrawable(file: BinaryIO) -> list[int]:
    """The pages (from 1) that are not there, or have no size."""
    with _document(file) as document:
        return [number for number in range(1, len(document) + 1) if not _drawable(document, number)]


def own_text(file: BinaryIO, number: int) -> tuple[str, str | None]:
    """The text of page `number` (from 1), and what it is good for (`usable.nature`)."""
    from glimpsed.images import layers, overlay, pdftext  # noqa: PLC0415 - need the extra

    with _document(file) as document:
        page = _page(document, number)
        try:
            typed = overlay.filled_in(page, document.formenv)
            if overlay.stamp(page):
                page.close()
                page = _page(document, number)
            layers.hide(page, file)
            found = pdftext.read(page, typed)
        finally:
            page.close()
    return found.text, found.nature


def own_lines(file: BinaryIO, number: int, size: tuple[int, int]) -> list[tuple[str, Quad]]:
    """The lines that page `number` (from 1) has itself, each with its corners where it is seen on a page of that size.

    Clockwise from the top left of the text as it is read.
    """
    from pypdfium2 import raw  # noqa: PLC0415 - an optional extra

    from glimpsed.images import layers, overlay, pdftext  # noqa: PLC0415 - need the extra

    width, height = (side * _FINER for side in size)
    x, y = ctypes.c_int(), ctypes.c_int()
    with _document(file) as document:
        page = _page(document, number)

        def seen(point: tuple[float, float]) -> tuple[float, float]:
            raw.FPDF_PageToDevice(page.raw, 0, 0, width, height, 0, *point, x, y)
            return x.value / _FINER, y.value / _FINER

        try:
            lines = []
            layers.hide(page, file)
            for text, quad in pdftext.lines(page, overlay.filled_in(page, document.formenv)):
                one, two, three, four = map(seen, quad)
                lines.append((text, (one, two, three, four)))
            return lines
        finally:
            page.close()


def sizes(file: BinaryIO) -> list[tuple[int, int]]:
    """Width and height of each page as it is seen, px, at the resolution of its scan or `PDF_DPI`; 1 of one that is not there."""
    with _document(file) as document:
        masks, found = _masks(file), []
        for number in range(1, len(document) + 1):
            if not _drawable(document, number):
                found.append((1, 1))
                continue
            page = document[number - 1]
            found.append(_pixels(page, file, masks))
            page.close()
        return found


def render(file: BinaryIO, number: int, to: Target) -> Drawn:
    """Page `number` (from 1), of the layout's size."""
    with _document(file) as document:
        page = _page(document, number)
        try:
            stored = _pixels(page, file, _masks(file))
            orientation = turned(1, to.turn)
            on_its_side = orientation in ON_ITS_SIDE
            plan = layout(*(stored[::-1] if on_its_side else stored), to)
            size = (plan.height, plan.width) if on_its_side else (plan.width, plan.height)
            scale = max(size[0] / page.get_width(), size[1] / page.get_height())
            image: Image.Image = page.render(scale=scale, rev_byteorder=True).to_pil()
        finally:
            page.close()
    # Rendering rounds up: one pixel is cut off at most.
    image = image if image.size == size else image.crop((0, 0, *size))
    return Drawn(upright(image, orientation), plan.rows, stored, orientation)


def _drawable(document: Any, number: int) -> bool:
    """Whether the page is there, and has a size."""
    import pypdfium2  # noqa: PLC0415 - an optional extra

    try:
        return bool(min(document.get_page_size(number - 1)) > 0)
    except pypdfium2.PdfiumError:
        return False


def _page(document: Any, number: int) -> Any:
    if number > len(document):
        raise FileError(f"There is no page {number}: the document has {len(document)}.")
    if not _drawable(document, number):
        advice = "Save it again with the program that it comes from."
        raise FileError(f"Page {number} has no size: 0 by 0 points.", advice)
    return document[number - 1]


def _pixels(page: Any, file: BinaryIO, masks: Masks) -> tuple[int, int]:
    """The page's size at `PDF_DPI`, or at the resolution of the scan if it holds nothing else."""
    size = page.get_size()
    unit = _unit(page, file) if max(size) < _LARGE else 1.0
    scan = (_scan_dpi(page, masks) or 0.0) / unit
    dpi = min(PDF_DPI, max(_COARSEST, scan or PDF_DPI))
    width, height = (max(1, round(points * unit / _POINTS * dpi)) for points in size)
    return width, height


def _unit(page: Any, file: BinaryIO) -> float:
    file.seek(0)
    return userunit.unit(file.read(), page.get_mediabox())


def _scan_dpi(page: Any, masks: Masks) -> float | None:
    """The finest resolution of the pictures on a page without any visible text or drawing; else None."""
    from pypdfium2 import raw  # noqa: PLC0415 - an optional extra

    found = None
    for item in page.get_objects(max_depth=3):
        if item.type == raw.FPDF_PAGEOBJ_IMAGE:
            left, bottom, right, top = item.get_bounds()
            size = item.get_px_size()
            width, height = masks.get(size, size)
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


def _masks(file: BinaryIO) -> Masks:
    """The size of each picture that has a finer mask, and that of its finest.

    'Compact' scans are a coarse picture under a fine mask, which holds the print. PDFium does not tell of masks, but a
    picture is a stream of its own, and those begin with a dictionary that can be read.
    """
    file.seek(0)
    data = file.read()
    if not _MASK.search(data):
        return {}
    sizes: dict[bytes, tuple[int, int]] = {}
    masked: list[tuple[tuple[int, int], bytes]] = []
    for found in _OBJECT.finditer(data):
        dictionary, stream, _ = data[found.end() : found.end() + _LONGEST].partition(b"stream")
        across, down = _WIDTH.search(dictionary), _HEIGHT.search(dictionary)
        if stream and across and down and b"endobj" not in dictionary:
            sizes[found[1]] = int(across[1]), int(down[1])
            masked += [(sizes[found[1]], mask[1]) for mask in _MASK.finditer(dictionary)]
    finest: Masks = {}
    for size, mask in masked:
        finest[size] = max(finest.get(size, size), sizes.get(mask, size))
    return finest


@contextlib.contextmanager
def _document(file: BinaryIO) -> Iterator[Any]:
    """The open document; its errors as `FileError`."""
    try:
        import pypdfium2  # noqa: PLC0415 - an optional extra

        from glimpsed.images import covers  # noqa: PLC0415 - needs the extra
    except ImportError:
        raise MissingExtra("A PDF file", "pdf") from None
    file.seek(0)
    covers.unsupported().clear()
    try:
        document = pypdfium2.PdfDocument(file)
    except pypdfium2.PdfiumError as e:
        raise _reason(str(e), file) from None
    try:
        if not len(document):
            raise FileError("The PDF has no pages.", "Save it again with the program that it comes from.")
        covers.refuse(document)
        document.init_forms()  # so that what somebody filled in is drawn
        yield document
    except pypdfium2.PdfiumError as e:
        raise _reason(str(e), file) from None
    finally:
        document.close()


def _reason(message: str, file: BinaryIO) -> FileError:
    file.seek(0)
    # PDFium may still name the last document's reason.
    if "assword" in message and _ENCRYPTED.search(file.read()):
        return FileError(
            "the PDF is protected by a password", "Save it without a password, beside or over this one."
        )
    if "assword" in message:
        message = "it is damaged"
    return FileError(f"The PDF cannot be read: {message.rstrip('.')}.", "Save or scan it again.")
