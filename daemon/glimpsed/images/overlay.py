"""What lies over a PDF page: filled in fields, notes and stamps, as far as they are seen (pypdfium2)."""

from __future__ import annotations

import ctypes
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, TypeAlias

from pypdfium2 import raw

# A text, and its (left, bottom, right, top) in the page's points.
Filled: TypeAlias = tuple[str, tuple[float, float, float, float]]

_MOST = 1000  # of a page that are looked at
_TYPED = raw.FPDF_ANNOT_FREETEXT, raw.FPDF_ANNOT_WIDGET
_UNDRAWN = raw.FPDF_ANNOT_LINK, raw.FPDF_ANNOT_POPUP
_UNSEEN = raw.FPDF_ANNOT_FLAG_HIDDEN | raw.FPDF_ANNOT_FLAG_NOVIEW


def filled_in(page: Any, form: Any) -> list[Filled]:
    """What somebody typed into fields and notes: no part of the page's own text."""
    found = []
    for number in range(_count(page)):
        with _annotation(page, number) as annotation:
            rect = raw.FS_RECTF()
            if not _is_seen(annotation) or not raw.FPDFAnnot_GetRect(annotation, rect):
                continue
            if text := _typed(annotation, form):
                found.append((text, (rect.left, rect.bottom, rect.right, rect.top)))
    return found


def stamp(page: Any) -> bool:
    """Makes stamps, and what else is drawn over it, a part of their page; whether there are stamps: then it is to be loaded anew.

    PDFium tells of the text of a page alone. What `filled_in` tells of is gone then.
    """
    stamps, told = 0, []
    for number in range(int(raw.FPDFPage_GetAnnotCount(page.raw))):
        with _annotation(page, number) as annotation:
            kind = raw.FPDFAnnot_GetSubtype(annotation) if annotation else None
            if number >= _MOST or not _is_seen(annotation) or kind in _TYPED:
                told.append(number)
            stamps += number not in told and kind == raw.FPDF_ANNOT_STAMP
    if not stamps:
        return False
    for number in reversed(told):
        raw.FPDFPage_RemoveAnnot(page.raw, number)
    return bool(raw.FPDFPage_Flatten(page.raw, raw.FLAT_NORMALDISPLAY) == raw.FLATTEN_SUCCESS)


def covers(page: Any) -> Iterator[tuple[float, float, float, float]]:
    """The sides (left, bottom, right, top) of what may lie over a page: bars and notes, but not links, which are not drawn."""
    for number in range(_count(page)):
        with _annotation(page, number) as annotation:
            rect = raw.FS_RECTF()
            if (
                _is_seen(annotation)
                and raw.FPDFAnnot_GetSubtype(annotation) not in _UNDRAWN
                and raw.FPDFAnnot_GetRect(annotation, rect)
            ):
                yield rect.left, rect.bottom, rect.right, rect.top


def _count(page: Any) -> int:
    return min(int(raw.FPDFPage_GetAnnotCount(page.raw)), _MOST)


@contextmanager
def _annotation(page: Any, number: int) -> Iterator[Any]:
    annotation = raw.FPDFPage_GetAnnot(page.raw, number)
    try:
        yield annotation
    finally:
        if annotation:
            raw.FPDFPage_CloseAnnot(annotation)


def _is_seen(annotation: Any) -> bool:
    return bool(annotation) and not raw.FPDFAnnot_GetFlags(annotation) & _UNSEEN


def _typed(annotation: Any, form: Any) -> str:
    kind = raw.FPDFAnnot_GetSubtype(annotation)
    if kind == raw.FPDF_ANNOT_FREETEXT:
        return _string(
            lambda buffer, size: raw.FPDFAnnot_GetStringValue(annotation, b"Contents", buffer, size)
        )
    if kind != raw.FPDF_ANNOT_WIDGET or form is None:
        return ""
    field = raw.FPDFAnnot_GetFormFieldType(form.raw, annotation)
    if field in (raw.FPDF_FORMFIELD_TEXTFIELD, raw.FPDF_FORMFIELD_COMBOBOX, raw.FPDF_FORMFIELD_LISTBOX):
        return _string(
            lambda buffer, size: raw.FPDFAnnot_GetFormFieldValue(form.raw, annotation, buffer, size)
        )
    if field in (raw.FPDF_FORMFIELD_CHECKBOX, raw.FPDF_FORMFIELD_RADIOBUTTON):
        return "[x]" if raw.FPDFAnnot_IsChecked(form.raw, annotation) else "[ ]"
    return ""


def _string(get: Any) -> str:
    size = min(get(None, 0), 200_000)
    if size <= 2:
        return ""
    buffer = ctypes.create_string_buffer(size)
    get(ctypes.cast(buffer, ctypes.POINTER(ctypes.c_ushort)), size)
    return buffer.raw[: size - 2].decode("utf-16-le", "replace").rstrip("\0")
