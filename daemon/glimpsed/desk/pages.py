"""One page of a document asked anew, where each is asked about by itself: the others keep their answers."""

from __future__ import annotations

from glimpsed.desk.answers import answer_of
from glimpsed.desk.desk import Desk
from glimpsed.desk.orders import Order
from glimpsed.disk.files import find_root
from glimpsed.errors import ShareTrouble, UsageError, Vanished
from glimpsed.estimate import ENOUGH, Past
from glimpsed.ledger import FileRow
from glimpsed.model import Answer, FileKey, PageRecord, Usage, shown
from glimpsed.pipeline.question import fingerprint


def page(desk: Desk, key: FileKey, number: int, *, reviewed: bool = False) -> Order:
    """One page of a file. Raises `UsageError` where it cannot be asked about by itself.

    `reviewed`: also where somebody corrected or confirmed the answer.
    """
    folder, name = desk.config.folders[key.folder], shown(key.path)
    if folder.pages != "each":
        raise UsageError(
            f"{name}: the folder '{folder.name}' asks about all pages together (pages: {folder.pages}), "
            f"so there is no answer to one page; without --page all of it is asked again"
        )
    row = desk.ledger.find(key)
    if row is None or row.state != "done":
        raise UsageError(f"{name} is not done: there are no other pages' answers to keep")
    if desk.ledger.reviewed(key) and not reviewed:
        raise UsageError(f"{name}: somebody corrected or confirmed its answer; --reviewed asks all the same")
    asked = {fingerprint(folder, desk.config.models[model]) for model in (folder.model, *folder.fallbacks)}
    if row.question is not None and row.question.partition(":")[0] not in asked:
        raise UsageError(
            f"{name}: its other pages answer another question, since prompt, model or schema changed; "
            f"without --page all of it is asked again"
        )
    found = _answer(desk, row)
    if found is None or found.pages is None:
        raise UsageError(f"{name}: neither the ledger nor a JSON sidecar has the answers to its other pages")
    numbers = [one.page for one in found.pages]
    if number not in numbers:
        raise UsageError(
            f"{name} has no answer to a page {number}: it has pages {min(numbers)} to {max(numbers)}"
        )
    others = [record for record in _records(found) if record.answer.page != number]
    return Order(
        folder.model_copy(update={"send_pages": str(number)}),
        1,
        [row],
        lambda now: desk.ledger.redo_page(key, others, now=now),
        past=Past(ENOUGH, round(ENOUGH * found.usage.output_tokens / len(numbers))) if _paid(found) else None,
    )


def _answer(desk: Desk, row: FileRow) -> Answer | None:
    folder = desk.config.folders[row.key.folder]
    try:
        return answer_of(desk, find_root(folder.path), folder, row)
    except (ShareTrouble, Vanished):
        return answer_of(desk, None, folder, row)


def _paid(answer: Answer) -> bool:
    return answer.usage.output_tokens > 0


def _records(answer: Answer) -> list[PageRecord]:
    """As if each page had been asked about just now; an answer tells what all of them took, so each has its share."""
    pages = answer.pages or ()
    usage = answer.usage
    share = Usage(
        input_tokens=usage.input_tokens // len(pages),
        output_tokens=usage.output_tokens // len(pages),
        cost=None if usage.cost is None else usage.cost / len(pages),
        currency=usage.currency,
        estimated=usage.estimated,
    )
    return [
        PageRecord(
            answer=one,
            sent=tuple(sent for sent in answer.sent if sent.page == one.page),
            model=answer.model,
            usage=share,
            finish=answer.finish,
            request_id=answer.request_id,
            source=answer.source,
        )
        for one in pages
    ]
