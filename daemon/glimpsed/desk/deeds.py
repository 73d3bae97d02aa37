"""What operators do to files and models, whoever asks for it."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
from typing import Literal, Self

from glimpsed import eventloop
from glimpsed.config.schema import Config, Folder
from glimpsed.desk.desk import Desk
from glimpsed.disk import files
from glimpsed.images.prepare import Images
from glimpsed.ledger import FileRow
from glimpsed.ledger.values import KeptAnswer
from glimpsed.model import Answer, Content
from glimpsed.pipeline import anew
from glimpsed.searchable import KINDS
from glimpsed.searchable.maker import Made, Maker
from glimpsed.vision import Memory, Model, connect

NO_ANSWER = "neither the ledger nor a JSON sidecar has its answer"


def rewrite(
    desk: Desk, folder: Folder, row: FileRow, making: Making | None = None, *, reviewed: bool = False
) -> bool:
    """The sidecars of a done file anew; False where there is no answer to write. Raises as `sidecar.write`.

    `making`: kept for several files, as the processes that see and make take seconds to start. `reviewed`: what somebody
    corrected is let go of, and the model's own answer written.
    """
    kept = desk.ledger.kept_for(row)
    if reviewed and (own := desk.ledger.own_answer(row.key)) is not None:
        desk.ledger.forget_review(row, own)
        kept = KeptAnswer(row.key, own, row.question)
    known = anew.find(files.find_root(folder.path), row, folder, kept)
    if known is None:
        return False
    with contextlib.nullcontext(making) if making else Making(desk.config) as make:
        made = make(folder, known.answer, known.content, known.name)
    written = desk.ledger.rewritten(row, anew.write(known, row, folder, made))
    # What a second reader found meanwhile is in the ledger alone, where no sidecar stood.
    if written and (reviewed or desk.ledger.kept_for(row) == kept):
        return True
    now = desk.ledger.find(row.key)  # corrected, or answered anew, meanwhile: that is what is to be written
    return now is not None and now.state == "done" and rewrite(desk, folder, now, making)


class Making:
    """A `Maker` for those who have no event loop. Starts nothing before it is needed."""

    def __init__(self, config: Config) -> None:
        self._config = config
        self._open = contextlib.ExitStack()
        self._runner: asyncio.Runner | None = None
        self._maker: Maker | None = None
        self._models: dict[str, Model] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._runner is not None:
            self._runner.run(self._close())
        self._open.close()

    def __call__(self, folder: Folder, answer: Answer, content: Content, name: str) -> Made:
        """As `Maker.make`."""
        if not set(folder.outputs) & set(KINDS):
            return Made()
        if self._runner is None:
            self._runner = self._open.enter_context(asyncio.Runner(loop_factory=eventloop.Loop))
        return self._runner.run(self._make(folder, answer, content, name))

    async def _make(self, folder: Folder, answer: Answer, content: Content, name: str) -> Made:
        if self._maker is None:
            self._images = Images(self._config.workers)
            self._maker = Maker(self._images)
        entry = self._config.models.get(folder.model)
        if entry is not None and entry.local and folder.model not in self._models:
            self._models[folder.model] = connect(entry, Memory())
        chain = [self._models[folder.model]] if folder.model in self._models else []
        return await self._maker.make(folder, answer, content, name, chain)

    async def _close(self) -> None:
        if self._maker is not None:
            await self._maker.close()
            await self._images.close()
        for model in self._models.values():
            await model.aclose()


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
