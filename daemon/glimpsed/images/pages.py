"""Which pages of a document are sent, and which with their own text, as its folder wants it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from glimpsed.config.schema import Folder
from glimpsed.config.units import PageRanges
from glimpsed.errors import FileError, TooMuch
from glimpsed.images.prepare import Document, Images, OwnText
from glimpsed.model import Content


async def pages_of(folder: Folder, content: Content, images: Images) -> tuple[Document, list[int]]:
    """What the file holds, and which of its pages are sent (`send_pages`, `blank_pages`).

    Raises `FileError` where that is none, or more than `max_pages`.
    """
    document = await images.inspect(content)
    found = [page for page in chosen(folder.send_pages, document.pages) if page not in document.left_out]
    if not found:
        raise FileError(
            f"None of its pages is sent: it has {document.pages}, and send_pages is '{folder.send_pages}'.",
            f"Change send_pages of the folder '{folder.name}', or move the file to another one.",
        )
    if folder.blank_pages == "skip" and document.pages > 1:
        found = await _written_on(content, found, images, folder.max_pages)
        if not found:
            raise FileError("All of its pages are blank.", "Nothing is to be done: there is nothing on them.")
    if len(found) > folder.max_pages:
        raise FileError(
            f"The document has {len(found)} pages to be sent; at most {folder.max_pages} are.",
            f"Split it, or raise max_pages of the folder '{folder.name}'.",
        )
    left_out = tuple(page for page in range(1, document.pages + 1) if page not in set(found))
    return replace(document, left_out=left_out), found


async def _written_on(content: Content, pages: Sequence[int], images: Images, enough: int) -> list[int]:
    """Those that are not blank; once there are more than `enough`, all others count as if they were not."""
    found: list[int] = []
    for number, page in enumerate(pages):
        if len(found) > enough:
            return [*found, *pages[number:]]
        if not await _is_blank(content, page, images):
            found.append(page)
    return found


async def _is_blank(content: Content, page: int, images: Images) -> bool:
    """Of a damaged one nobody can tell."""
    try:
        return await images.is_blank(content, page)
    except TooMuch:
        raise
    except FileError:
        return False


async def text_of(folder: Folder, content: Content, images: Images, page: int) -> OwnText | None:
    """The text of a page that goes to the model (DESIGN 7, 'A PDF's own text'); None: none does."""
    if folder.pdf_text == "ignore":
        return None
    own = await images.own_text(content, page)
    wanted = own is not None and (own.nature == "digital" or folder.pdf_text == "attach")
    return own if wanted else None


def chosen(ranges: PageRanges, count: int) -> list[int]:
    """The pages (from 1) of a document of so many, each once, in its order; what lies beyond its end is none."""
    if ranges == "all":
        return list(range(1, count + 1))
    found: set[int] = set()
    for part in ranges.split(","):
        if part.startswith("-"):
            found.add(count + 1 - int(part[1:]))
        else:
            first, _, last = part.partition("-")
            found.update(range(int(first), min(count, int(last or first)) + 1))
    return sorted(page for page in found if 1 <= page <= count)
