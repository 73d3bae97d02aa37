"""Which folders are watched while the config changes."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, cast

import pytest

from glimpsed.config.schema import Config, Folder
from glimpsed.ledger import Books, open_ledger
from glimpsed.searchable.maker import Maker
from glimpsed.service.backlog import Backlogs
from glimpsed.service.folders import Folders

pytestmark = pytest.mark.anyio


class NoBacklogs:
    """Nothing is ever held, nothing failed."""

    async def ask_failed_again(self, *_: object) -> None:
        pass

    async def after_listing(self, *_: object, **__: object) -> None:
        pass

    async def see_to_bursts(self, *_: object) -> None:
        pass


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
def woken() -> asyncio.Event:
    """Whether the dispatcher was told to look."""
    return asyncio.Event()


@pytest.fixture
async def folders(tmp_path: Path, woken: asyncio.Event) -> AsyncIterator[Folders]:
    books = Books(open_ledger(f"sqlite:///{tmp_path}/ledger.sqlite"))
    backlogs = cast("Backlogs", NoBacklogs())
    yield Folders(books, backlogs, cast("Maker", None), once=True, wake=woken.set, changed=lambda: None)
    await books.close()


def config(path: Path, **folder: Any) -> Config:
    names = ("a", "b")
    return Config(folders={n: Folder(name=n, path=path, model="m").model_copy(update=folder) for n in names})


async def test_a_folder_that_is_there_now_has_what_is_due_in_it_looked_at_without_anything_new(
    folders: Folders, tmp_path: Path, woken: asyncio.Event
) -> None:
    async with asyncio.TaskGroup() as group:
        await folders.apply(config(tmp_path), group)
        while not all(watch.root for watch in folders):
            woken.clear()
            await asyncio.wait_for(woken.wait(), 30)
        folders.cancel()


async def test_no_folder_of_the_old_config_is_served_while_its_watch_comes_to_its_end(
    folders: Folders, tmp_path: Path
) -> None:
    async with asyncio.TaskGroup() as group:
        await folders.apply(config(tmp_path), group)
        reload = group.create_task(folders.apply(config(tmp_path, model="other"), group))
        seen = set[str]()
        while not reload.done():
            await asyncio.sleep(0)
            seen |= {watch.folder.model for watch in folders}
        assert seen == {"other"}
        assert folders.names == ["a", "b"]
        folders.cancel()
