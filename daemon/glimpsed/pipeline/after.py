"""What the folder's ``on_done`` asks for, between the sidecars and the end of the job.

Before the row says done, so that a crash does not lose it: what was not finished is done again at the
next start. An image that was moved by then is gone from here, with its sidecars, and nothing is left to do.
"""

from __future__ import annotations

import os
from collections.abc import Callable

from glimpsed import sidecar
from glimpsed.errors import FileError
from glimpsed.journal import events, get_logger
from glimpsed.ledger import Adopted, Books, Ledger
from glimpsed.model import Answer, FileKey, Job, Written, shown
from glimpsed.pipeline.place import Place

log = get_logger()

# The watched folder that a path lies in, and the path in it; None when it lies in none.
Locate = Callable[[str], FileKey | None]


async def after(
    job: Job,
    place: Place,
    answer: Answer,
    written: tuple[Written, ...],
    *,
    books: Books,
    locate: Locate,
    question: str,
    now: float,
) -> None:
    """Move the image and its sidecars, then run the command. Raises as `sidecar.move` when it must wait."""
    on_done = place.folder.on_done
    path = os.path.join(place.root.path, job.key.path)
    if on_done.move_to is not None:
        try:
            moved = await place.do_with(
                job.version, sidecar.move, place.root, job.key.path, place.folder, written, job.version
            )
        except FileError as e:  # the answer stands; only the move cannot be
            log.warning(
                events.SIDECAR_BLOCKED,
                folder=job.key.folder,
                file=shown(job.key.path),
                reason=f"{e.reason} {e.advice}",
            )
            moved = None
        if moved is not None:
            path, written = moved.path, moved.written
            if (key := locate(path)) is not None:  # not new there, although it just arrived
                known = Adopted(key, moved.version, written, answer.source.sha256, question, (answer.text,))
                await books.patient(Ledger.adopt, [known], now)
    if on_done.command is not None:
        await sidecar.run_command(place.folder, path, job.key.path, written)
