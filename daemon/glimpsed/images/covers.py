"""PDFs whose pages are not what they hold: portfolios, and forms that only Adobe's programs draw (pypdfium2)."""

from __future__ import annotations

import functools
from typing import Any

from pypdfium2 import raw

from glimpsed.errors import FileError

_LONGEST = 2000  # characters of a page that asks for another program
_NAMED = "Adobe"  # whatever the language of that page


@functools.cache
def unsupported() -> list[int]:
    """What PDFium says that it does not support of each document as it opens it: to be cleared before."""
    found: list[int] = []
    handler = raw.UNSUPPORT_INFO._fields_[1][1](lambda _, kind: found.append(kind))
    info = raw.UNSUPPORT_INFO(version=1, FSDK_UnSupport_Handler=handler)
    raw.FSDK_SetUnSpObjProcessHandler(info)
    _kept.append((handler, info))
    return found


_kept: list[Any] = []  # as long as PDFium may call it


def refuse(document: Any) -> None:
    """Raises `FileError` for a document that is only the cover of what it holds."""
    inside = raw.FPDFDoc_GetAttachmentCount(document.raw)
    if len(document) == 1 and inside > 0 and raw.FPDF_UNSP_DOC_PORTABLECOLLECTION in unsupported():
        raise FileError(
            f"The PDF is a portfolio: its page is the cover of the files that it holds ({inside}).",
            "Take them out with a PDF reader, and put them here.",
        )
    kind = raw.FPDF_GetFormType(document.raw)
    if kind == raw.FORMTYPE_XFA_FULL or (kind == raw.FORMTYPE_XFA_FOREGROUND and _asks_for_adobe(document)):
        raise FileError(
            "The PDF is a form (XFA) whose pages only Adobe's programs draw; what others show is a request to wait.",
            "Open it there, and print it into a PDF.",
        )


def _asks_for_adobe(document: Any) -> bool:
    """Whether all that it shows is one page without fields that names another program."""
    if len(document) != 1 or not min(document.get_page_size(0)) > 0:
        return False
    page = document[0]
    try:
        if raw.FPDFPage_GetAnnotCount(page.raw):
            return False
        textpage = page.get_textpage()
        try:
            return textpage.count_chars() < _LONGEST and _NAMED in textpage.get_text_range()
        finally:
            textpage.close()
    finally:
        page.close()
