"""Layers of a PDF page that are switched off, so that the text on them is not read (pypdfium2).

PDFium draws a page without them, but its text with them, and tells of no layer whether it is on. So a layer is what changes the
picture of the page when it is taken away.
"""

from __future__ import annotations

import ctypes
import itertools
from collections import defaultdict
from collections.abc import Iterator
from typing import Any, BinaryIO

from pypdfium2 import raw

# In plain, or in a stream of objects that is not looked into.
_MAY_HAVE_LAYERS = b"/OCProperties", b"/ObjStm"
_FORM_ON_LAYER = b"/OC ", b"/OC<<"  # a form is a stream, and so its dictionary is plain
_MOST_OBJECTS = 20_000
_MOST = 30  # layers of a page that are looked at
_DEEPEST = 3  # forms within forms
_NAME = 400  # bytes of a layer's that tell it from others
_MARK = "OC\0".encode("utf-16-le")
_LENGTH, _BUFFER = ctypes.c_ulong(), ctypes.create_string_buffer(_NAME)  # PDFium has one thread at a time
_TEXT = ctypes.cast(_BUFFER, ctypes.POINTER(ctypes.c_ushort))


def hide(page: Any, file: BinaryIO) -> None:
    """Takes what nobody sees, as its layer is off, out of the page that is open."""
    file.seek(0)
    data = file.read()
    if not any(mark in data for mark in _MAY_HAVE_LAYERS):
        return
    found = _layers(page, forms=any(mark in data for mark in _FORM_ON_LAYER))
    layers = [objects for objects in found if any(map(_has_text, objects))]
    if not layers:
        return
    seen = _look(page)
    for objects in layers[:_MOST]:
        _switch(objects, on=False)
        if _look(page) != seen:
            _switch(objects, on=True)


def _layers(page: Any, *, forms: bool) -> list[list[Any]]:
    """The objects of each layer. One of the `forms` may be on a layer by itself, of which PDFium does not tell."""
    found: dict[object, list[Any]] = defaultdict(list)
    objects = _objects(page.raw, raw.FPDFPage_CountObjects, raw.FPDFPage_GetObject)
    for number, item in enumerate(itertools.islice(objects, _MOST_OBJECTS)):
        if (name := _layer(item)) is not None:
            found[name or number].append(item)
        elif forms and raw.FPDFPageObj_GetType(item) == raw.FPDF_PAGEOBJ_FORM:
            found[number].append(item)
    return list(found.values())


def _objects(within: Any, count: Any, get: Any, depth: int = _DEEPEST) -> Iterator[Any]:
    """What is drawn, each form before what is in it: handles alone, for there are thousands on a page."""
    for number in range(count(within)):
        item = get(within, number)
        yield item
        if depth > 1 and raw.FPDFPageObj_GetType(item) == raw.FPDF_PAGEOBJ_FORM:
            yield from _objects(item, raw.FPDFFormObj_CountObjects, raw.FPDFFormObj_GetObject, depth - 1)


def _layer(item: Any) -> str | None:
    """The name of the layer that an object is on; empty when it has none; None when it is on no layer."""
    for number in range(raw.FPDFPageObj_CountMarks(item)):
        mark = raw.FPDFPageObj_GetMark(item, number)
        raw.FPDFPageObjMark_GetName(mark, _TEXT, _NAME, _LENGTH)
        if _BUFFER.raw[: _LENGTH.value] == _MARK:
            _LENGTH.value = 0
            raw.FPDFPageObjMark_GetParamStringValue(mark, b"Name", _TEXT, _NAME, _LENGTH)
            return _BUFFER.raw[: min(_LENGTH.value, _NAME)].decode("utf-16-le", "replace").rstrip("\0")
    return None


def _has_text(item: Any) -> bool:
    """Whether there is text in it that would be seen: an OCR program's never is."""
    kind = raw.FPDFPageObj_GetType(item)
    if kind == raw.FPDF_PAGEOBJ_FORM:
        return any(map(_has_text, _objects(item, raw.FPDFFormObj_CountObjects, raw.FPDFFormObj_GetObject, 1)))
    return bool(
        kind == raw.FPDF_PAGEOBJ_TEXT
        and raw.FPDFTextObj_GetTextRenderMode(item) != raw.FPDF_TEXTRENDERMODE_INVISIBLE
    )


def _look(page: Any) -> bytes:
    bitmap = page.render(scale=1, grayscale=True, may_draw_forms=False)
    try:
        return bytes(bitmap.buffer)
    finally:
        bitmap.close()


def _switch(objects: list[Any], *, on: bool) -> None:
    for item in objects:
        raw.FPDFPageObj_SetIsActive(item, on)
