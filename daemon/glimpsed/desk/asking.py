"""A question to a model here and now, about a file anywhere: nothing is written, nothing is remembered."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

from glimpsed.clock import Clock
from glimpsed.config.schema import Config, Folder, ModelEntry
from glimpsed.disk import files
from glimpsed.images.prepare import Images
from glimpsed.model import Answer, Content, FileKey, Job, Usage
from glimpsed.pipeline.ask import Asked, Bill
from glimpsed.pipeline.document import ask_about
from glimpsed.vision import Memory, Model, connect, preview


@contextlib.asynccontextmanager
async def connected(config: Config, names: Iterable[str]) -> AsyncIterator[tuple[Images, dict[str, Model]]]:
    """Image processes, and a way to each of these models that remembers nothing of earlier ones."""
    models = {name: connect(config.models[name], Memory()) for name in names}
    images = Images(config.workers)
    try:
        yield images, models
    finally:
        await images.close()
        for model in models.values():
            await model.aclose()


async def ask_now(
    path: Path,
    folder: Folder,
    chain: Sequence[Model],
    images: Images,
    *,
    sent: list[dict[str, Any]] | None = None,
    passed_over: Callable[[ModelEntry, str], None] | None = None,
) -> Answer:
    """What the first of the models says that can be reached, about all of the file, as the folder asks.

    `sent` gets the requests as they may be shown, `passed_over` who could not be reached, and why. Raises `VisionError`, `FileError`, or as `content_of`.
    """
    key = FileKey(folder.name, path.resolve().name)  # noqa: ASYNC240 - one command, nothing else in this loop
    return await ask_about_content(
        content_of(path), key, folder, chain, images, sent=sent, passed_over=passed_over
    )


async def ask_about_content(
    content: Content,
    key: FileKey,
    folder: Folder,
    chain: Sequence[Model],
    images: Images,
    *,
    sent: list[dict[str, Any]] | None = None,
    passed_over: Callable[[ModelEntry, str], None] | None = None,
    bill: Bill | None = None,
    answered: Callable[[Asked], Awaitable[None]] | None = None,
) -> Answer:
    """`ask_now`, about what was read already. `bill`, `answered`: as `ask_about` has them."""
    job = Job(
        0,
        key,
        content.version,
        attempts=0,
        retries=0,
        cut_off=0,
        fresh=True,
    )

    async def forget(_entry: str, _usage: Usage) -> None:
        """Nothing is remembered."""

    async def show(asked: Asked) -> None:
        if sent is not None:
            sent.append(preview(asked.model.entry, asked.request))

    return await ask_about(
        job,
        folder,
        content,
        chain,
        images=images,
        clock=Clock(),
        bill=bill or forget,
        answered=answered or show,
        passed_over=passed_over,
    )


def content_of(path: Path) -> Content:
    """An image that a command was given. Raises `Vanished` or `ShareTrouble` when it cannot be read."""
    real = path.resolve()
    root = files.find_root(real.parent)
    with files.opened_file(root, real.name) as (_, status):
        version = files.version_of(status)
    return files.read_content(root, real.name, version)
