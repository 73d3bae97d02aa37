"""Pictures of pages: how much of files is held for them at a time."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from glimpsed.images.room import AT_ONCE, Room
from glimpsed.model import Content
from glimpsed.web.pictures import Cache, Pictures
from webpage import history

pytestmark = pytest.mark.anyio


async def test_files_for_pictures_are_held_within_their_bound_however_many_ask(tmp_path: Path) -> None:
    made = history(tmp_path)
    for number in range(12):
        made.queued("invoices", f"{number}.png")
    rows = made.ledger.browse(["invoices"], ["queued"])
    folder, size = made.config.folders["invoices"], rows[0].version.size
    pictures = Pictures(Cache(tmp_path / "cache"))
    assert pictures._images.room._most == AT_ONCE == 512 << 20
    pictures._images.room = Room(2 * size + size // 2)
    read, prepare = pictures._read, pictures._images.prepare
    held = most = 0

    async def counted(*arguments: Any) -> Content:
        nonlocal held, most
        held += 1
        most = max(most, held)
        return await read(*arguments)

    async def prepared(*arguments: Any) -> Any:
        nonlocal held
        try:
            return await prepare(*arguments)
        finally:
            held -= 1

    pictures._read, pictures._images.prepare = counted, prepared  # type: ignore[method-assign, assignment]
    try:
        made_ = await asyncio.gather(*(pictures.page(row, folder, 1, "small") for row in rows))
    finally:
        await pictures.close()
        made.ledger.close()
    assert all(picture.startswith(b"\xff\xd8") for picture in made_)
    assert most == 2
