"""Answers that are paid for while the database is away: in files, until the ledger has them (DESIGN 2, rule 3).

Nothing is written while the database answers. What a stop, a crash or a power cut leaves is taken up by the next
start that finds it: each process has a directory of its own, and a lock on it for as long as it lives.
"""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import os
import tempfile
from collections.abc import Awaitable
from pathlib import Path
from typing import TypeVar

from glimpsed.blocking import Blocking
from glimpsed.disk import temporary
from glimpsed.disk.files import DIRECTORY
from glimpsed.errors import LedgerError
from glimpsed.journal import get_logger
from glimpsed.ledger import Books, Ledger
from glimpsed.model import Answer, FileKey, Frozen, Job, PageRecord, Version

T = TypeVar("T")

AFTER = 2.0  # seconds that the ledger may take before an answer goes into a file
LEASE = 60.0  # seconds that taking one up may take

log = get_logger()


class Received(Frozen):
    """An answer, or one page's, and the claim of a file that it came to."""

    ledger: str  # its URL without the password: the numbers are that one's
    job: int
    claim: int
    folder: str
    path: str  # its bytes as Latin-1
    version: tuple[int, int]
    question: str = ""
    answer: Answer | None = None
    page: PageRecord | None = None

    @property
    def part(self) -> int:
        """Which page of the file; 0: all of it."""
        return self.page.answer.page if self.page else 0

    def as_job(self) -> Job:
        """The file as it was claimed."""
        key = FileKey(self.folder, os.fsdecode(self.path.encode("latin-1")))
        version = Version(*self.version)
        return Job(self.job, key, version, attempts=0, retries=0, cut_off=0, fresh=False, claim=self.claim)


class Unkept:
    """The files of this process, and those that others left. `directory`: None where nothing is put aside."""

    def __init__(self, directory: Path | None = None, ledger: str = "") -> None:
        self._directory = directory
        self._ledger = ledger
        # This process's directory, and the descriptor with the lock.
        self._own: tuple[Path, int] | None = None
        # One after the other: what is put aside is there to be dropped.
        self._lane = Blocking("unkept answers")

    async def until_kept(
        self,
        keeping: Awaitable[T],
        job: Job,
        *,
        question: str = "",
        answer: Answer | None = None,
        page: PageRecord | None = None,
    ) -> T:
        """Wait until the ledger has it; in a file as soon as that takes long, or is given up."""
        puts: list[asyncio.Task[str]] = []

        async def put() -> str:
            path, version = os.fsencode(job.key.path).decode("latin-1"), job.version
            paid = Received(
                ledger=self._ledger, job=job.id, claim=job.claim, folder=job.key.folder, path=path,
                version=(version.size, version.mtime_ns), question=question, answer=answer, page=page,
            )  # fmt: skip
            return await self._lane.run(self._put, paid)

        loop = asyncio.get_running_loop()
        timer = loop.call_later(AFTER, lambda: puts.append(loop.create_task(put())))
        try:
            result = await keeping
        except asyncio.CancelledError:
            timer.cancel()
            await (puts[0] if puts else put())
            raise
        finally:
            timer.cancel()
        for done in puts:
            await self._lane.run(self._drop, await done)
        return result

    async def take_up(self, books: Books) -> None:
        """Have the ledger keep what processes left that are no more."""
        count = 0
        with contextlib.ExitStack() as locks:
            for file, paid in await self._lane.run(self._left, locks):
                try:
                    count += await _take_up(books, paid)
                except LedgerError:
                    raise
                except Exception:
                    log.exception("bug", folder=paid.folder)  # it stays, and nothing else for its sake
                else:
                    await self._lane.run(_remove, file)
        self._lane.close()  # until it is needed
        if count:
            log.info("answers taken up", files=count, reason="they came while the ledger was away")

    # -- in the lane's thread

    def _put(self, paid: Received) -> str:
        """The name of its file, empty where none can be written."""
        if self._directory is None:
            return ""
        name = f"{paid.job}-{paid.claim}-{paid.part}.json"
        try:
            if self._own is None:
                self._directory.mkdir(mode=0o700, parents=True, exist_ok=True)
                path = Path(tempfile.mkdtemp(dir=self._directory))
                self._own = path, os.open(path, DIRECTORY)
                fcntl.flock(self._own[1], fcntl.LOCK_EX)
            parent, temp = self._own[1], temporary.new_name()
            fd = os.open(temp, temporary.CREATE, 0o600, dir_fd=parent)
            with open(fd, "wb") as file:
                file.write(paid.model_dump_json().encode())
                file.flush()
                temporary.sync(fd)
            os.rename(temp, name, src_dir_fd=parent, dst_dir_fd=parent)
            temporary.sync_directory(parent)
        except OSError as e:
            log.warning("answer not put aside", reason=os.strerror(e.errno or 0))
            return ""
        return name

    def _drop(self, name: str) -> None:
        if self._own is not None and name:
            path, descriptor = self._own
            _remove(path / name)
            if not path.exists():
                self._own = None
                os.close(descriptor)

    def _left(self, locks: contextlib.ExitStack) -> list[tuple[Path, Received]]:
        """Of processes that are no more, whose directories are locked meanwhile."""
        found: list[tuple[Path, Received]] = []
        for path in self._directory.iterdir() if self._directory and self._directory.exists() else ():
            with contextlib.suppress(OSError):
                descriptor = os.open(path, DIRECTORY)
                locks.callback(os.close, descriptor)
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                for file in path.glob("*.json"):
                    with contextlib.suppress(ValueError):
                        paid = Received.model_validate_json(file.read_bytes())
                        found += [(file, paid)] if paid.ledger == self._ledger else []
        return found


async def _take_up(books: Books, paid: Received) -> bool:
    now, until = books.clock.wall(), books.clock() + LEASE
    job = await books.patient(Ledger.regain, paid.as_job(), paid.part, until=until)
    if job is None:
        return False
    if paid.answer is not None:
        await books.patient(Ledger.answered, job, paid.answer, question=paid.question, now=now)
    elif paid.page is not None:
        await books.patient(Ledger.page_answered, job, paid.page, now)
    await books.patient(Ledger.release, job)
    return True


def _remove(file: Path) -> None:
    """The file, and its directory with the last one."""
    with contextlib.suppress(OSError):
        file.unlink(missing_ok=True)
        file.parent.rmdir()
