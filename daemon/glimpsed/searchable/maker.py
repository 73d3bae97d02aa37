"""What is known of a file's pages, gathered, and a process of its own asked to make the searchable PDF and the hOCR of it.

The words are the model's. Where they stand, a local model has told with them; for all others the embedded OCR looks at
the pages, for nothing. Where none is installed, the text's lines are spread over the page. Pages that have a text of their own
keep it, and are not looked at.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field

from glimpsed import extras
from glimpsed.children.child import Died, Late, Program, Unavailable
from glimpsed.children.pool import Pool
from glimpsed.children.program import Limits
from glimpsed.config.schema import TRANSCRIBE, Folder, ModelEntry
from glimpsed.errors import FileError, ShareTrouble, VisionError
from glimpsed.formats import pdf
from glimpsed.formats.sniff import sniff
from glimpsed.images import plan
from glimpsed.images.prepare import DECODED, Images
from glimpsed.journal import get_logger
from glimpsed.model import Answer, Content, Line, Request, shown
from glimpsed.searchable import KINDS, NO_OCR, installed_ocr, seen
from glimpsed.searchable.words import SearchableTask
from glimpsed.vision import Memory, Model, connect

log = get_logger()

LIMITS = Limits(seconds=600.0, clock=300.0, address_space=3_000_000_000)
LOOSE = "rapidocr"  # whose boxes are wider than the print
SIGNED = "it is signed, and any change would break that: its text stands beside it"


@dataclass(frozen=True, slots=True)
class Made:
    """What was made of a file, by kind of output."""

    files: Mapping[str, bytes] = field(default_factory=dict)
    without_pdf: str | None = None  # why there is none, though one is asked for


NOTHING = Made()
LOOK = Folder(path="/").model_copy(update={"bands": "none"})  # pages are looked at whole


class Maker:
    """Makes what a folder's `outputs` ask for beyond text."""

    def __init__(self, images: Images) -> None:
        program = Program(
            "PDF maker",
            "glimpsed.searchable.worker",
            LIMITS,
            settings={"decoded": DECODED},
            environment={"MALLOC_ARENA_MAX": "1"},
        )
        self._images = images
        self._pool = Pool(program)
        self._own: Model | None = None  # the OCR of folders that have no local model
        self._told = False

    def room(self, size: int) -> AbstractAsyncContextManager[None]:
        """For a file of so many bytes, of those that may be held at once."""
        return self._images.room.of(size)

    async def make(
        self,
        folder: Folder,
        answer: Answer,
        content: Content,
        name: str,
        chain: Sequence[Model] = (),
        lines: Sequence[Line] | None = None,
    ) -> Made:
        """The folder's `pdf` and `hocr` of this file, with the words of its answer.

        `chain`: models that may be asked; `lines`: where a local one has just seen them.

        Raises `FileError` where the file cannot be read, `ShareTrouble` where no process is to be had.
        """
        outputs = [kind for kind in KINDS if kind in folder.outputs]
        if not outputs:
            return NOTHING
        without: str | None = None
        if "pdf" in outputs and pdf.is_signed(content.data):
            outputs.remove("pdf")
            without = SIGNED
        made = await self._made(answer, content, name, chain, lines, outputs) if outputs else NOTHING
        without = without or made.without_pdf
        if without is not None:
            log.warning("no searchable PDF", folder=folder.name, file=shown(name), reason=without)
        return Made(made.files, without)

    async def close(self) -> None:
        """End the processes."""
        await self._pool.close()
        if self._own is not None:
            await self._own.aclose()

    async def _made(
        self,
        answer: Answer,
        content: Content,
        name: str,
        chain: Sequence[Model],
        lines: Sequence[Line] | None,
        outputs: Sequence[str],
    ) -> Made:
        kind = sniff(content.data[:1024])
        assert kind is not None
        document = await self._images.inspect(content)
        left_out = {*document.left_out, *(answer.source.left_out or ())}
        pages = [page for page in range(1, document.pages + 1) if page not in left_out]
        own = [page for page in pages if await self._images.own_text(content, page) is not None]
        local = answer.model.api == "local"
        own_lines = (answer.lines if lines is None else lines) if local else None
        if own_lines is not None:
            seen_lines = _told(answer, own_lines)
        else:
            seen_lines = await self._seen(content, [page for page in pages if page not in own], chain)
        told = {
            "name": name,
            "own": own,
            "lines": seen_lines,
            "texts": []
            if (local and answer.review is None) or answer.data is not None
            else _texts(answer, pages),
        }
        head = json.dumps(told).encode()
        task = SearchableTask(kind, outputs, len(head))
        try:
            answered, data = await self._pool.ask(
                task, head + content.data, lambda answer, data: (answer, data)
            )
        except Unavailable as e:
            raise ShareTrouble(str(e)) from None
        except FileError as e:  # the answer is there all the same, and is written beside it
            return Made({}, f"{e.reason} {e.advice}")
        except (Died, Late):
            return Made(
                {}, "making it took more time or memory than is allowed, or ended the program that makes it"
            )
        files, at = {}, 0
        for made, size in answered["sizes"].items():
            files[made] = data[at : at + size]
            at += size
        return Made(files, answered.get("without_pdf"))

    async def _seen(
        self, content: Content, pages: Sequence[int], chain: Sequence[Model]
    ) -> list[seen.ToldLine]:
        """What the embedded OCR sees on these pages; nothing where there is none, or it cannot be started."""
        engine = next((model for model in chain if model.entry.local), None) or self._engine()
        found: list[seen.ToldLine] = []
        if engine is None:
            return found
        target = plan.target(engine.entry, LOOK, pages=1)
        for page in pages:
            images = await self._images.prepare(content, page, target)
            try:
                reply = await engine.ask(Request(prompt=TRANSCRIBE, images=images, lines=True))
            except VisionError as e:
                # A script that it does not know, or no memory for it: the text is spread.
                log.info("page not looked at", page=page, reason=e.verdict.reason)
                continue
            loose = reply.answered.startswith(LOOSE)
            found += [seen.told(line, reply.turned.get(page, 0), loose=loose) for line in reply.lines or ()]
        return found

    def _engine(self) -> Model | None:
        """The OCR that is installed, rapidocr before tesseract."""
        if self._own is None:
            name = installed_ocr()
            if name is not None:
                self._own = connect(
                    ModelEntry(api="local", model=name).model_copy(update={"name": "ocr"}), Memory()
                )
            elif not self._told:
                self._told = True
                log.warning("searchable PDFs without OCR", reason=f"{NO_OCR}: {extras.command('ocr')}")
        return self._own


def _told(answer: Answer, lines: Sequence[Line]) -> list[seen.ToldLine]:
    """A local model's own lines."""
    turned = {sent.page: sent.turned or 0 for sent in answer.sent}
    loose = answer.model.answered.startswith(LOOSE)
    return [seen.told(line, turned.get(line.page, 0), loose=loose) for line in lines]


def _texts(answer: Answer, pages: Sequence[int]) -> list[tuple[str, Sequence[int]]]:
    """What was answered, and the pages that it is about."""
    if answer.pages is None:
        return [(answer.text, pages)]
    return [(page.text, [page.page]) for page in answer.pages]
