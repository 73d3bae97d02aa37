"""Models tried on files that the ledger knows, here and now: no sidecar is written, no file's state changes."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field

from glimpsed import eventloop
from glimpsed.config.schema import Folder
from glimpsed.desk.asking import ask_about_content, connected
from glimpsed.desk.desk import Desk
from glimpsed.disk.files import find_root, read_content
from glimpsed.errors import FileError, GlimpsedError
from glimpsed.images.prepare import Images
from glimpsed.ledger import FileRow
from glimpsed.ledger.spending import Bill
from glimpsed.model import Answer, Usage
from glimpsed.pipeline.anew import where
from glimpsed.pipeline.ask import Asked
from glimpsed.vision import Model


@dataclass(slots=True)
class Tried:
    """What a model made of a file, or why not, and what was paid for that."""

    answer: Answer | None = None
    problem: str = ""
    bills: list[Bill] = field(default_factory=list)


def read_all(
    desk: Desk, folder: Folder, models: Sequence[str], rows: Sequence[FileRow]
) -> list[tuple[FileRow, list[Tried]]]:
    """Every file by every model, as this folder asks; in an event loop of its own."""

    async def all_of_them() -> list[tuple[FileRow, list[Tried]]]:
        async with connected(desk.config, models) as (images, asked):
            return [
                (
                    row,
                    list(
                        await asyncio.gather(
                            *(_read(desk, folder, asked[name], row, images) for name in models)
                        )
                    ),
                )
                for row in rows
            ]

    return eventloop.run(all_of_them())


async def _read(desk: Desk, folder: Folder, model: Model, row: FileRow, images: Images) -> Tried:
    found = Tried()

    async def bill(entry: str, usage: Usage) -> None:
        found.bills.append(Bill(row.key.folder, entry, usage))

    async def answered(asked: Asked) -> None:
        found.bills.append(Bill(row.key.folder, asked.record.model.entry, asked.record.usage))

    try:
        root, path = where(find_root(desk.config.folders[row.key.folder].path), row.key.path)
        content = read_content(root, path, row.version)
        found.answer = await ask_about_content(
            content, row.key, folder, [model], images, bill=bill, answered=answered
        )
    except FileError as e:
        found.problem = f"{e.reason} {e.advice}"
    except GlimpsedError as e:
        found.problem = str(e)
    return found
