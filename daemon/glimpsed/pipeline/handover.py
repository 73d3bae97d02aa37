"""The hand-over, between the sidecars and the end: command, webhook, then the new name and place (DESIGN 8).

Each step that is done is in the ledger before the next begins, so that a crash repeats at most one. While a command runs,
the ledger knows that the image may be written to by our own doing: what it has become when the command has ended is the
version that is done. What fails is tried again as a request is.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from dataclasses import dataclass, replace

from glimpsed import sidecar
from glimpsed.clock import elapsed
from glimpsed.disk import files
from glimpsed.errors import FileError, LeaseLost, NotHandedOver, ShareTrouble, Vanished, Verdict
from glimpsed.ledger import Books, Ledger
from glimpsed.model import Answer, FileKey, Version, Written, shown, utc_ns
from glimpsed.pipeline import webhook as webhooks
from glimpsed.pipeline.place import Story
from glimpsed.searchable import KINDS
from glimpsed.searchable.maker import Made, Maker

STEPS = ("command", "webhook")  # before the new name and place
UNDER_WAY = 330.0  # seconds that a hand-over under an old name is waited for: a command's own, and some
LOOK = 0.5  # seconds between two looks at it

# The watched folder that a path lies in, and the path in it; None when it lies in none.
Locate = Callable[[str], FileKey | None]


@dataclass(frozen=True, slots=True)
class Handed:
    """A file on its way: what it is by now, and what was done."""

    key: FileKey
    version: Version
    answer: Answer
    written: tuple[Written, ...]
    steps: tuple[str, ...] = ()
    taken: bool = False  # the command took the image away


class HandOver:
    """Does what the folder's `on_done` asks for."""

    def __init__(self, books: Books, locate: Locate, maker: Maker) -> None:
        self._books = books
        self._maker = maker
        self._locate = locate
        self._clock = books.clock

    async def told(self, story: Story, answer: Answer) -> tuple[str, ...]:
        """The steps that are done with this file under other names in its folder: somebody, or its command, renamed it since.

        A copy stands beside the other, and a scan that comes again has another time: with those, none are. What is under
        way under an old name is waited for: what fails there is done under the new one.
        """
        job, place, until = story.job, story.place, elapsed() + UNDER_WAY
        while True:
            before = await self._books.patient(Ledger.handed, job, answer.source.sha256)
            for one in before:
                if await place.do(files.version_at, place.root, one.path) == job.version:
                    return ()
            if not any(one.in_hand for one in before) or elapsed() > until:
                return tuple({step for one in before for step in (STEPS if one.done else one.steps)})
            await asyncio.sleep(LOOK)

    async def run(
        self, story: Story, answer: Answer, written: tuple[Written, ...], *, told: tuple[str, ...] = ()
    ) -> Handed:
        """Where the file is in the end, and what it has become there. `told`: steps that are done with it.

        Raises `NotHandedOver`, `LeaseLost`, `Vanished`, `SidecarBlocked` or `ShareTrouble`: then it is gone on with later.
        """
        job, on_done = story.job, story.place.folder.on_done
        handed = Handed(job.key, job.version, answer, written, told)
        if job.handing is None:
            await self._note(story, handed)
        else:
            handed = await self._where_it_was(story, replace(handed, steps=job.handing.steps))
        if handed.key != job.key:
            return handed
        if on_done.command is not None and "command" not in handed.steps:
            handed = await self._command(story, handed)
        if on_done.webhook is not None and "webhook" not in handed.steps:
            handed = await self._webhook(story, handed)
        if (on_done.move_to is not None or on_done.rename_to is not None) and not handed.taken:
            handed = await self._move(story, handed)
        return handed

    async def _note(self, story: Story, handed: Handed, *, in_command: bool = False) -> None:
        job = story.job
        kept = await self._books.patient(
            Ledger.handing,
            job,
            handed.written,
            handed.version,
            self._clock.wall(),
            answer=handed.answer,
            steps=handed.steps,
            in_command=in_command,
            retries=job.retries if job.handing is not None else 0,
        )
        if not kept:
            raise LeaseLost

    async def _where_it_was(self, story: Story, handed: Handed) -> Handed:
        """An attempt before came to some point: it may have moved the image, or have been in the command."""
        job, place = story.job, story.place
        assert job.handing is not None
        there = await place.do(files.version_at, place.root, job.key.path)
        if there is None:
            await self._refuse_unmounted(story, handed)
            moved = await place.do(
                sidecar.find_moved,
                place.root,
                job.key.path,
                place.folder,
                job.version,
                handed.answer,
                job.stem,
                now=self._clock.wall(),
            )
            if moved is None:
                raise Vanished(f"{shown(job.key.path)} was taken away before it was handed over")
            return await self._arrived(story, handed, moved)
        if job.handing.in_command:
            handed = await self._became(story, handed)
        elif there != job.version:
            raise Vanished(f"{shown(job.key.path)} changed before it was handed over")
        await place.do(sidecar.remove_error, place.root, job.key.path)
        return handed

    async def _command(self, story: Story, handed: Handed) -> Handed:
        place, key = story.place, story.job.key
        await self._note(story, handed, in_command=True)
        path = os.path.join(place.root.path, key.path)
        failure = await sidecar.run_command(place.folder, path, key.path, handed.written)
        handed = await self._became(story, handed)
        if failure is None:
            handed = replace(handed, steps=(*handed.steps, "command"))
        await self._note(story, handed)
        if failure is not None:
            raise NotHandedOver(Verdict("retry", failure))
        return handed

    async def _became(self, story: Story, handed: Handed) -> Handed:
        """What a command did to the image is no news: this is the version that is done."""
        place, path = story.place, story.job.key.path
        version = await place.do(files.version_at, place.root, path)
        if version is None:
            return replace(handed, taken=True)
        if version == handed.version:
            return handed
        try:
            content = await place.do_with(version, files.read_content, place.root, path, version)
        except Vanished as e:
            raise ShareTrouble(f"{shown(path)} is still written to after its command has ended") from e
        about = {"bytes": version.size, "modified": utc_ns(version.mtime_ns), "sha256": content.sha256}
        source = handed.answer.source.model_copy(update=about)
        answer = handed.answer.model_copy(update={"source": source})
        written = await place.do(sidecar.refresh, place.root, path, place.folder, answer, handed.written)
        return replace(handed, version=version, answer=answer, written=written)

    async def _webhook(self, story: Story, handed: Handed) -> Handed:
        webhook = story.place.folder.on_done.webhook
        assert webhook is not None
        body = sidecar.render(handed.answer, "json", story.job.key.name)
        verdict = await webhooks.deliver(webhook, body, webhooks.delivery_key(story.job, handed.answer))
        if verdict is not None:
            raise NotHandedOver(verdict)
        handed = replace(handed, steps=(*handed.steps, "webhook"))
        await self._note(story, handed)
        return handed

    async def _move(self, story: Story, handed: Handed) -> Handed:
        place, path = story.place, story.job.key.path
        root, folder = place.root, place.folder
        await self._refuse_unmounted(story, handed)
        if story.job.handing is not None:  # a crash may have come in the middle of it
            made = await self._made_again(story, handed)
            written = await place.do(
                sidecar.complete, root, path, folder, handed.answer, handed.written, made.files
            )
            handed = replace(handed, written=written)
        try:
            moved = await place.do_with(
                handed.version,
                sidecar.move,
                root,
                path,
                folder,
                handed.written,
                handed.version,
                handed.answer.data,
                story.job.stem,
            )
        except FileError as e:
            raise NotHandedOver(Verdict("fail", f"{e.reason} {e.advice}")) from e
        return handed if moved is None else await self._arrived(story, handed, moved)

    async def _refuse_unmounted(self, story: Story, handed: Handed) -> None:
        place, job = story.place, story.job
        mounted = await self._books.patient(Ledger.target_mount, place.folder.name)
        await place.do(
            sidecar.refuse_unmounted,
            place.root,
            job.key.path,
            place.folder,
            job.version,
            handed.answer.data,
            mounted,
        )

    async def _made_again(self, story: Story, handed: Handed) -> Made:
        """What may be missing of it, for those outputs that take the image to be made."""
        place, path = story.place, story.job.key.path
        if not set(place.folder.outputs) & set(KINDS):
            return Made()
        content = await place.do_with(handed.version, files.read_content, place.root, path, handed.version)
        return await self._maker.make(place.folder, handed.answer, content, story.job.key.name, place.chain)

    async def _arrived(self, story: Story, handed: Handed, moved: sidecar.Moved) -> Handed:
        """The sidecars are called after the image, and so is what they say of it."""
        place, folder = story.place, story.place.folder.name
        mount = await place.do(sidecar.target_mount, moved)
        if mount != await self._books.patient(Ledger.target_mount, folder):
            await self._books.patient(Ledger.set_target_mount, folder, mount)
        directory, name = os.path.split(moved.path)
        answer, written = handed.answer, moved.written
        if answer.source.name != shown(name):
            source = answer.source.model_copy(update={"name": shown(name)})
            answer = answer.model_copy(update={"source": source})
            written = await place.do(sidecar.refresh_at, directory, name, place.folder, answer, written)
        there = os.path.relpath(moved.path, place.root.path)  # noqa: ASYNC240 - both are absolute: no file is asked
        key = self._locate(moved.path) or FileKey(place.folder.name, there)
        return replace(handed, key=key, version=moved.version, answer=answer, written=written)
