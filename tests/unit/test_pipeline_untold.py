"""Error sidecars that could not be written: tried again, none holding up another, the last one counting."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import pytest

from glimpsed.errors import SidecarBlocked, Vanished
from glimpsed.model import FileKey
from glimpsed.pipeline import backoff
from glimpsed.pipeline.untold import Untold

pytestmark = pytest.mark.anyio


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(backoff, "share_pause", lambda _failures: 0.0)


class Disk:
    """Where some directories take nothing for a while."""

    def __init__(self) -> None:
        self.closed: dict[str, int] = {}  # how often they still refuse
        self.told: list[tuple[str, str]] = []

    def write(self, path: str, reason: str) -> Callable[[], Awaitable[None]]:
        async def write() -> None:
            directory = FileKey("f", path).directory
            if self.closed.get(directory, 0) > 0:
                self.closed[directory] -= 1
                raise SidecarBlocked("no room")
            self.told.append((path, reason))

        return write


async def finished(untold: Untold) -> None:
    task = untold._task
    assert task is not None
    await task


async def test_what_is_blocked_is_tried_until_it_works_and_holds_up_no_other_directory() -> None:
    disk, untold = Disk(), Untold()
    disk.closed = {"closed": 3}
    for path in ("closed/a", "open/b", "closed/c"):
        untold.keep(FileKey("f", path), disk.write(path, "why"))
    await finished(untold)
    assert disk.told == [("open/b", "why"), ("closed/a", "why"), ("closed/c", "why")]


async def test_only_the_last_failure_of_a_file_is_told() -> None:
    disk, untold = Disk(), Untold()
    disk.closed = {"": 1}
    untold.keep(FileKey("f", "a"), disk.write("a", "first"))
    untold.keep(FileKey("f", "a"), disk.write("a", "second"))
    untold.keep(FileKey("f", "b"), disk.write("b", "never"))
    untold.forget(FileKey("f", "b"))
    await finished(untold)
    assert disk.told == [("a", "second")]


async def test_an_image_that_is_gone_needs_none() -> None:
    async def gone() -> None:
        raise Vanished("gone")

    untold = Untold()
    untold.keep(FileKey("f", "a"), gone)
    await finished(untold)
    assert not untold._waiting
