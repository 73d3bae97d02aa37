"""Words and their boxes as hOCR, the XHTML that OCR programs exchange (kba.github.io/hocr-spec). Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from xml.sax.saxutils import escape, quoteattr

from glimpsed import __version__
from glimpsed.searchable.words import PageWords, PlacedLine, PlacedWord, bounds, is_right_to_left

_ILLEGAL = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_HEAD = """<?xml version="1.0" encoding="UTF-8"?>
<!DOCTYPE html PUBLIC "-//W3C//DTD XHTML 1.0 Transitional//EN" "http://www.w3.org/TR/xhtml1/DTD/xhtml1-transitional.dtd">
<html xmlns="http://www.w3.org/1999/xhtml">
 <head>
  <title>{title}</title>
  <meta http-equiv="Content-Type" content="text/html;charset=utf-8"/>
  <meta name="ocr-system" content="glimpsed {version}"/>
  <meta name="ocr-capabilities" content="ocr_page ocr_line ocrx_word"/>
 </head>
 <body>
"""
_TAIL = " </body>\n</html>\n"


def render(name: str, pages: Sequence[PageWords]) -> bytes:
    """The whole file; the pages' measure is px. `name`: of the image."""
    shown = _ILLEGAL.sub("", name.encode("utf-8", "surrogateescape").decode("utf-8", "replace"))
    head = _HEAD.replace("{title}", escape(shown)).replace("{version}", __version__)
    return "".join([head, *(part for page in pages for part in _page(shown, page)), _TAIL]).encode()


def _page(name: str, page: PageWords) -> Iterator[str]:
    box = f"0 0 {round(page.width)} {round(page.height)}"
    image = name.replace('"', "'")  # as the format has it, a name in quotes
    title = quoteattr(f'image "{image}"; bbox {box}; ppageno {page.number - 1}')
    yield f"  <div class='ocr_page' id='page_{page.number}' title={title}>\n"
    for number, line in enumerate(page.lines, 1):
        yield from _line(f"{page.number}_{number}", line, page)
    yield "  </div>\n"


def _line(number: str, line: PlacedLine, page: PageWords) -> Iterator[str]:
    direction = " dir='rtl'" if any(is_right_to_left(word.text) for word in line) else ""
    yield f"   <span class='ocr_line' id='line_{number}'{direction} title='{_box(line, page)}'>\n"
    for at, word in enumerate(line, 1):
        yield f"    <span class='ocrx_word' id='word_{number}_{at}' title='{_box([word], page)}'>{_xml(word.text)}</span>\n"
    yield "   </span>\n"


def _box(words: Sequence[PlacedWord], page: PageWords) -> str:
    left, top, right, bottom = bounds(words)
    limits = (page.width, page.height, page.width, page.height)
    return "bbox " + " ".join(
        str(round(min(max(0.0, value), most)))
        for value, most in zip((left, top, right, bottom), limits, strict=True)
    )


def _xml(text: str) -> str:
    return escape(_ILLEGAL.sub("", text))
