"""What operators do to files and models, whoever asks for it."""

from __future__ import annotations

import dataclasses
from typing import Literal

from glimpsed.config.schema import Folder
from glimpsed.desk.answers import kept
from glimpsed.desk.desk import Desk
from glimpsed.disk import files
from glimpsed.ledger import FileRow
from glimpsed.ledger.values import KeptAnswer
from glimpsed.pipeline import anew

NO_ANSWER = "neither the ledger nor a JSON sidecar has its answer"


def rewrite(desk: Desk, folder: Folder, row: FileRow, *, reviewed: bool = False) -> bool:
    """The sidecars of a done file anew; False where there is no answer to write. Raises as `sidecar.write`.

    `reviewed`: what somebody corrected is let go of, and the model's own answer written.
    """
    known = kept(desk, row)
    if reviewed and (own := desk.ledger.own_answer(row.key)) is not None:
        desk.ledger.forget_review(row, own)
        known = [KeptAnswer(row.key, own)]
    now = anew.write(files.find_root(folder.path), row, folder, known)
    if now is None:
        return False
    desk.ledger.rewritten(row, now)
    return True


Resumed = Literal["probed", "not paused", "not probed", "no daemon"]


def resume(desk: Desk, model: str) -> tuple[Resumed, str]:
    """Have a paused model probed now by the daemon; what came of it, and the pause's reason."""
    now = desk.ledger.clock()
    pause = desk.ledger.pauses().get(model)
    if pause is None:
        return "not paused", ""
    if pause.next_probe is None:  # a used-up budget
        return "not probed", pause.reason
    if not desk.ledger.daemons(now):
        return "no daemon", pause.reason
    desk.ledger.pause(dataclasses.replace(pause, until=now, next_probe=now))
    return "probed", pause.reason
