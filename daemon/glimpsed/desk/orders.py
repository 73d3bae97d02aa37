"""What is to be asked again: which files, what that will cost, and the deed."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from glimpsed import eventloop, sidecar
from glimpsed.config.schema import Folder, ModelEntry
from glimpsed.desk.desk import Desk, files
from glimpsed.desk.forecast import forecast, in_words
from glimpsed.disk.files import find_root
from glimpsed.errors import ShareTrouble, Vanished
from glimpsed.estimate import Past, survey
from glimpsed.language import Language, told, translator
from glimpsed.ledger import FileRow
from glimpsed.model import Answer, FileKey
from glimpsed.pipeline.question import fingerprint, fits
from glimpsed.schemas.checker import Checker

SAMPLE = 200  # rows that the estimate rests on


@dataclass(frozen=True, slots=True)
class Order:
    """What is to be asked again in one folder: how many, some of them, and the deed."""

    folder: Folder
    files: int
    some: list[FileRow]
    do: Callable[[float], int]
    note: str | None = None  # what could not be looked at, or is left out
    past: Past | None = None  # what such answers took so far; None: as those of the whole folder


def by_folder(desk: Desk, keys: Sequence[FileKey], *, reviewed: bool = False) -> list[Order]:
    """These files, an order for each folder. `reviewed`: also those that somebody corrected or confirmed."""
    found: dict[str, list[FileKey]] = {}
    for key in keys:
        found.setdefault(key.folder, []).append(key)
    return [
        these(desk, desk.config.folders[folder], some, reviewed=reviewed) for folder, some in found.items()
    ]


def these(desk: Desk, folder: Folder, keys: Sequence[FileKey], *, reviewed: bool = False) -> Order:
    """These files of one folder."""
    left = 0
    if not reviewed:
        asked = [key for key in keys if not desk.ledger.reviewed(key)]
        left, keys = len(keys) - len(asked), asked
    some = [row for key in keys[:SAMPLE] if (row := desk.ledger.find(key)) is not None]

    def do(now: float) -> int:
        return desk.ledger.redo(keys, now=now, reviewed=reviewed)

    return Order(folder, len(keys), some, do, _left(folder, left))


def _left(folder: Folder, count: int) -> str | None:
    if not count:
        return None
    return f"{folder.name}: not asked, as somebody reviewed them: {files(count)}; --reviewed asks about them, too"


def whole(desk: Desk, folder: Folder, *, reviewed: bool = False) -> Order:
    """All files of a folder."""
    counts = desk.ledger.counts([folder.name])[folder.name]
    left = 0 if reviewed else desk.ledger.count_reviewed(folder.name)
    many = sum(counts.values()) - counts["gone"] - left
    # What was asked about before, rather than what failed, or waits for its first time.
    samples = (
        desk.ledger.browse([folder.name], [state], limit=SAMPLE) for state in ("done", "failed", "queued")
    )
    some = next((rows for rows in samples if rows), [])

    def do(now: float) -> int:
        return desk.ledger.redo(folder=folder.name, now=now, reviewed=reviewed)

    return Order(folder, many, some, do, _left(folder, left))


def stale(desk: Desk, folder: Folder, *, reviewed: bool = False) -> Order:
    """Answers to none of the questions that the config asks now, of the model or one of its fallbacks."""
    entries = [desk.config.models[model] for model in (folder.model, *folder.fallbacks)]
    now_asked = {fingerprint(folder, entry) for entry in entries}
    known, unknown = desk.ledger.stale(folder.name, now_asked, reviewed=reviewed)
    some = desk.ledger.stale_files(folder.name, now_asked, limit=SAMPLE) if known else []
    adopted, note = _stale_adopted(desk, folder, entries) if unknown else ([], None)
    some += [row for key in adopted[: SAMPLE - len(some)] if (row := desk.ledger.find(key)) is not None]

    def do(now: float) -> int:
        count = desk.ledger.redo_stale(folder.name, now_asked, now, reviewed=reviewed)
        return count + desk.ledger.redo(adopted, now=now, reviewed=reviewed)

    return Order(folder, known + len(adopted), some, do, note)


def _stale_adopted(
    desk: Desk, folder: Folder, entries: Sequence[ModelEntry]
) -> tuple[list[FileKey], str | None]:
    """Of the answers that were adopted, whose question the ledger does not know, those that tell of another one.

    Or why the folder could not be looked at.
    """
    try:
        root = find_root(folder.path)
    except (ShareTrouble, Vanished) as e:
        return [], f"{folder.name}: answers that were adopted are not looked at: {e}"

    async def others() -> list[FileKey]:
        checker = Checker()
        try:
            return [
                key
                for key in desk.ledger.adopted(folder.name)
                if (found := sidecar.load(root, key.path, folder))
                and not (
                    any(fits(found, folder, entry) for entry in entries)
                    and await _meets_schema(found, folder, checker)
                )
            ]
        finally:
            await checker.aclose()

    return eventloop.run(others()), None


async def _meets_schema(found: Answer, folder: Folder, checker: Checker) -> bool:
    """A sidecar does not name its schema; but data that does not meet the one of now was asked for by another."""
    if folder.schema_ is None:
        return True
    misfits = [await checker.check(part.data, folder.schema_) for part in found.pages or (found,)]
    return all(misfit is None or misfit.final for misfit in misfits)


def price(desk: Desk, order: Order, language: Language = "en") -> str:
    """How many, and at what price: from some of the files, scaled to all of them; with the folder's name."""
    return f"{order.folder.name}: {price_alone(desk, order, language)}"


def price_of_trial(
    desk: Desk, folder: Folder, model: str, rows: Sequence[FileRow], language: Language = "en"
) -> str:
    """What this model will cost on these files alone: what is only tried, no second reader reads."""
    asked = folder.model_copy(update={"model": model, "verify_with": None})
    return f"{model}: {price_alone(desk, Order(asked, len(rows), list(rows), lambda _now: 0), language)}"


def price_alone(desk: Desk, order: Order, language: Language = "en") -> str:
    """`price` without the folder's name."""
    expected = forecast(
        desk, order.folder, lambda _root: survey.of_rows(order.some, order.files), so_far=order.past
    )
    if not expected.problem and expected.looked_at:
        return in_words(dataclasses.replace(expected.estimate, files=order.files), language)
    found = translator(language)
    _ = found.gettext
    many = found.ngettext("{:,} file", "{:,} files", order.files).format(order.files)
    why = told(expected.problem, language) if expected.problem else _("none of the files is there now")
    return _("{0}; what they cost cannot be told: {1}").format(many, why)
