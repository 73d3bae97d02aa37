"""Pages of images as a browser may have them: decoded and encoded anew by the image workers, never a file's own bytes."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import tempfile
from collections import OrderedDict
from pathlib import Path
from typing import Literal

from glimpsed.blocking import Blocking, Threads
from glimpsed.config.schema import Folder
from glimpsed.disk.files import find_root, read_content
from glimpsed.errors import FileError
from glimpsed.images.plan import Target
from glimpsed.images.prepare import Images
from glimpsed.ledger import FileRow
from glimpsed.model import Content
from glimpsed.pipeline.anew import where
from glimpsed.region import Region

Size = Literal["small", "large"]
EDGE: dict[str, int] = {"small": 320, "large": 2000}  # px, longest side
BYTES: dict[str, int] = {"small": 60_000, "large": 1_500_000}
LARGEST = 200_000_000  # bytes of a file that is read for a picture
PATIENCE = 30.0  # seconds that its file system may take
CACHE = 300_000_000  # bytes of pictures on disk
WORKERS = 2
_JPEG = frozenset({"image/jpeg"})


class Pictures:
    """Makes pictures, and keeps those that were asked for last."""

    def __init__(self, cache: Cache) -> None:
        self._images = Images(WORKERS)
        self._cache = cache
        self._disk = Blocking("page's pictures")
        self._threads = Threads("page's pictures", working=2, most=32)
        self._folders: dict[str, Blocking] = {}
        self._counts: OrderedDict[str, int] = OrderedDict()
        self._regions: OrderedDict[str, Region | None] = OrderedDict()

    async def page(self, row: FileRow, folder: Folder, page: int, size: Size) -> bytes:
        """A page (from 1) as JPEG. Raises `FileError`, `Vanished` when it has changed, `ShareTrouble`."""
        name = _name(row, f"{page} {size}")
        kept = await self._disk.run(self._cache.get, name)
        if kept is None:
            target = Target(EDGE[size], BYTES[size], _JPEG, quality=80, as_is=False)
            async with self._images.room.of(row.version.size):  # a browser asks for many pages at once
                content = await self._read(row, folder)
                picture = (await self._images.prepare(content, page, target))[0]
            kept = bytes(picture.data)
            await self._disk.run(self._cache.put, name, kept)
            if (lies := picture.region) is not None:
                told = json.dumps([lies.width, lies.height, lies.orientation])
                await self._disk.run(self._cache.put, _name(row, f"{page} region"), told.encode())
            self._remember(_name(row, f"{page} region"), lies)
        return kept

    async def region(self, row: FileRow, folder: Folder, page: int) -> Region | None:
        """Where a picture of this page lies on it; None where nobody knows. Raises as `page`."""
        name = _name(row, f"{page} region")
        if name not in self._regions and (kept := await self._disk.run(self._cache.get, name)) is not None:
            self._remember(name, Region(*json.loads(kept)))
        if name not in self._regions:  # it was made before, by one that did not note it
            await self._disk.run(self._cache.drop, _name(row, f"{page} small"))
            await self.page(row, folder, page, "small")
        return self._regions.get(name)

    def _remember(self, name: str, region: Region | None) -> None:
        self._regions[name] = region
        if len(self._regions) > 1000:
            self._regions.popitem(last=False)

    async def count(self, row: FileRow, folder: Folder) -> int:
        """How many pages it has. Raises as `page`."""
        name = _name(row, "")
        if name not in self._counts:
            async with self._images.room.of(row.version.size):
                content = await self._read(row, folder)
                self._counts[name] = (await self._images.inspect(content)).pages
            if len(self._counts) > 1000:
                self._counts.popitem(last=False)
        return self._counts[name]

    async def close(self) -> None:
        """End the processes."""
        await self._images.close()
        self._disk.close()
        self._threads.close()

    async def _read(self, row: FileRow, folder: Folder) -> Content:
        if row.version.size > LARGEST:
            raise FileError("It is too large for a picture.", "Look at the file itself.")
        if folder.name not in self._folders:  # one whose file system hangs holds up its own pictures alone
            lane = Blocking(f"page's pictures of {folder.name}", threads=2, spare=2, pool=self._threads)
            self._folders[folder.name] = lane
        return await self._folders[folder.name].run_within(PATIENCE, _content, row, folder)


class Cache:
    """Files in a directory of our own, so many bytes at most; those that were used last stay."""

    def __init__(self, directory: Path | None, most: int = CACHE) -> None:
        self._directory = directory
        self._most = most
        self._sizes: OrderedDict[str, int] | None = None  # the one that was used longest ago first

    def get(self, name: str) -> bytes | None:
        """What was put there, if it still is."""
        if self._directory is None or name not in self._known(self._directory):
            return None
        try:
            data = (self._directory / name).read_bytes()
        except OSError:
            return None
        self._known(self._directory).move_to_end(name)
        return data

    def put(self, name: str, data: bytes) -> None:
        """Keep it. Where the disk takes nothing, it is made anew the next time."""
        if self._directory is None or len(data) > self._most:
            return
        sizes = self._known(self._directory)
        with (
            contextlib.suppress(OSError),
            tempfile.NamedTemporaryFile(dir=self._directory, delete=False) as file,
        ):
            file.write(data)
            os.replace(file.name, self._directory / name)
            sizes[name] = len(data)
        while sum(sizes.values()) > self._most:
            oldest, _ = sizes.popitem(last=False)
            with contextlib.suppress(OSError):
                os.unlink(self._directory / oldest)

    def drop(self, name: str) -> None:
        """Make it anew the next time."""
        if self._directory is not None and self._known(self._directory).pop(name, None) is not None:
            with contextlib.suppress(OSError):
                os.unlink(self._directory / name)

    def _known(self, directory: Path) -> OrderedDict[str, int]:
        if self._sizes is None:
            found = []
            with contextlib.suppress(OSError):
                directory.mkdir(mode=0o700, parents=True, exist_ok=True)
                found = sorted((e.stat().st_mtime, e.name, e.stat().st_size) for e in os.scandir(directory))
            self._sizes = OrderedDict((name, size) for _, name, size in found)
        return self._sizes


def _content(row: FileRow, folder: Folder) -> Content:
    root, path = where(find_root(folder.path), row.key.path)
    return read_content(root, path, row.version)


def _name(row: FileRow, what: str) -> str:
    """Another one for each version, so that nothing shown is ever out of date."""
    about = f"{row.key.folder}\0{row.key.path}\0{row.version.size}\0{row.version.mtime_ns}\0{what}"
    return hashlib.sha256(about.encode("utf-8", "surrogateescape")).hexdigest()
