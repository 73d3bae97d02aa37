"""The file worker does what the folder's threads would have done, or nothing at all."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import os
import signal
import stat
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from pathlib import Path

import pytest

import images_samples as samples
from glimpsed import sidecar
from glimpsed.blocking import Blocking
from glimpsed.fileworker import process
from glimpsed.fileworker.process import FileWorker
from glimpsed.images import Images
from glimpsed.model import Content, FileKey, Job, Written
from glimpsed.pipeline import quick
from glimpsed.pipeline.place import Place
from sidecar_samples import IMAGE, Inbox, inbox

pytestmark = pytest.mark.anyio


def environment_of(pid: int | None) -> bytes:
    return Path(f"/proc/{pid}/environ").read_bytes()


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


def own(content: Content | None) -> Content | None:
    """Comparable: with the bytes copied from the shared memory."""
    return content and replace(content, data=bytes(content.data))


async def until(condition: Callable[[], bool], seconds: float = 20) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        await asyncio.sleep(0.01)


async def keep_busy(worker: FileWorker, box: Inbox) -> None:
    for _ in range(process.BUSY):
        await worker.read(box.root, box.file, box.version, ("no such",))


@contextlib.asynccontextmanager
async def at_work(box: Inbox, clock: Clock | None = None) -> AsyncIterator[FileWorker]:
    """A worker whose process is there."""
    worker = FileWorker(clock or Clock())
    try:
        await keep_busy(worker, box)
        await until(lambda: worker.pid is not None)
        yield worker
    finally:
        worker.close()


def job(box: Inbox, *written: Written) -> Job:
    return Job(1, FileKey("inbox", box.file), box.version, 0, 0, 0, fresh=True, written=written)


def place(box: Inbox, worker: FileWorker) -> Place:
    return Place(box.folder, box.root, Blocking("none of these tests needs it"), (), worker)


def snapshot(box: Inbox) -> dict[str, tuple[int, int, bytes]]:
    """Everything beside the image: kind and mode, inode, content."""
    found = {}
    for name in sorted(box.names()):
        path, status = box.beside(name), box.beside(name).lstat()
        content = path.read_bytes() if stat.S_ISREG(status.st_mode) else b""
        found[name] = status.st_mode, status.st_ino, content
    return found


# -- the plain case


@pytest.mark.parametrize("keys", [{}, {"outputs": ("json",)}, {"sidecar": "{stem}_ocr.{ext}"}], ids=str)
@pytest.mark.parametrize("file", ["a/scan.jpg", "scan.jpg", "a/b/scän \udcff.jpg"])
async def test_it_reads_and_writes_as_the_threads_do(
    tmp_path: Path, file: str, keys: dict[str, object]
) -> None:
    ours, theirs = inbox(tmp_path / "1", file, **keys), inbox(tmp_path / "2", file, **keys)
    for box in (ours, theirs):
        box.image.chmod(0o640)
    answer = ours.answer()
    async with at_work(ours) as worker:
        content = await quick.read(job(ours), place(ours, worker))
        assert own(content) == ours.content
        assert content is not None
        assert content.data[:] == IMAGE
        written = await quick.write(job(ours), place(ours, worker), answer, content)
    expected = theirs.write(answer)
    assert written is not None
    assert [(w.name, w.size) for w in written] == [(w.name, w.size) for w in expected]
    for w in written:
        status, other = ours.beside(w.name).lstat(), theirs.beside(w.name).lstat()
        assert (w.size, w.mtime_ns) == (status.st_size, status.st_mtime_ns)
        assert (status.st_mode, status.st_uid, status.st_gid) == (other.st_mode, other.st_uid, other.st_gid)
        assert ours.beside(w.name).read_bytes() == theirs.beside(w.name).read_bytes()
    assert ours.names() == theirs.names(), "nothing else is left there"


@pytest.mark.parametrize("kind", ["jpeg", "png", "webp"])
async def test_what_it_read_is_prepared_as_what_the_threads_read(tmp_path: Path, kind: str) -> None:
    box = inbox(tmp_path)
    box.image.write_bytes(samples.EVERY[kind]())
    images = Images(1)
    try:
        async with at_work(box) as worker:
            content = await quick.read(job(box), place(box, worker))
            assert content is not None
            for target in (samples.TARGET, replace(samples.TARGET, as_is=False)):
                [ours] = await images.prepare(content, 1, target)
                [theirs] = await images.prepare(box.content, 1, target)
                assert replace(ours, data=bytes(ours.data)) == theirs
            assert await images.inspect(content) == await images.inspect(box.content)
    finally:
        await images.close()


async def test_an_empty_image_comes_too(tmp_path: Path) -> None:
    box = inbox(tmp_path)
    box.image.write_bytes(b"")
    async with at_work(box) as worker:
        assert await quick.read(job(box), place(box, worker)) == box.content


# -- whatever is not plain is left as it is


def own_sidecars(box: Inbox) -> None:
    box.write()


def foreign_sidecar(box: Inbox) -> None:
    box.beside("scan.jpg.txt").write_text("mine")


def link_for_a_sidecar(box: Inbox) -> None:
    box.beside("scan.jpg.json").symlink_to("/etc/passwd")


def changed(box: Inbox) -> None:
    box.image.write_bytes(IMAGE * 2)


def deleted(box: Inbox) -> None:
    box.image.unlink()


def link_for_the_image(box: Inbox) -> None:
    box.image.rename(box.image.with_name("real"))
    box.image.symlink_to("real")


def pipe_for_the_image(box: Inbox) -> None:
    box.image.unlink()
    os.mkfifo(box.image)


def another_root(box: Inbox) -> None:
    box.path.rename(box.path.with_name("was"))
    box.image.parent.mkdir(parents=True)
    box.image.write_bytes(IMAGE)


@pytest.mark.parametrize(
    "happens",
    [
        own_sidecars,
        foreign_sidecar,
        link_for_a_sidecar,
        changed,
        deleted,
        link_for_the_image,
        pipe_for_the_image,
        another_root,
    ],
)
async def test_whatever_is_not_plain_is_left_to_the_threads(
    tmp_path: Path, happens: Callable[[Inbox], None]
) -> None:
    box = inbox(tmp_path / "in", "scan.jpg")
    content, answer, asked = box.content, box.answer(), job(box)
    async with at_work(box) as worker:
        where = place(box, worker)
        happens(box)
        before = snapshot(box)
        assert await quick.read(asked, where) is None
        assert await quick.write(asked, where, answer, content) is None
        assert worker.pid is not None, "it was asked, and is well"
    assert snapshot(box) == before


async def test_an_error_sidecar_that_must_go_is_left_to_the_threads(tmp_path: Path) -> None:
    box = inbox(tmp_path)
    sidecar.write_error(box.root, box.file, box.folder, "It broke.", "Mend it.", {})
    before = snapshot(box)
    async with at_work(box) as worker:
        assert own(await quick.read(job(box), place(box, worker))) == box.content
        assert await quick.write(job(box), place(box, worker), box.answer(), box.content) is None
    assert snapshot(box) == before


@pytest.mark.parametrize(
    "keys",
    [
        {"sidecar": "{stem}.{ext}", "outputs": ("txt",)},  # no JSON: what is ours goes by clocks
        {"sidecar": "{name}", "outputs": ("json",)},  # the image's own name
        {"sidecar": "{stem}", "outputs": ("json", "txt")},  # one name for two
    ],
    ids=str,
)
async def test_names_that_need_a_closer_look_are_left_to_the_threads(
    tmp_path: Path, keys: dict[str, object]
) -> None:
    box = inbox(tmp_path, **keys)
    before = snapshot(box)
    async with at_work(box) as worker:
        assert await quick.read(job(box), place(box, worker)) is None
        assert await quick.write(job(box), place(box, worker), box.answer(), box.content) is None
    assert snapshot(box) == before


async def test_a_name_that_may_be_too_long_is_left_to_the_threads(tmp_path: Path) -> None:
    box = inbox(tmp_path, "x" * 140 + ".jpg")
    async with at_work(box) as worker:
        assert await quick.read(job(box), place(box, worker)) is None


async def test_what_does_not_fit_into_a_message_is_left_to_the_threads(tmp_path: Path) -> None:
    box = inbox(tmp_path)
    async with at_work(box) as worker:
        long = box.answer("A word. " * 20_000)
        assert await quick.write(job(box), place(box, worker), long, box.content) is None
        assert await quick.write(job(box), place(box, worker), box.answer(), box.content) is not None


async def test_a_large_image_comes_whole_and_one_that_is_too_large_not_at_all(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    box = inbox(tmp_path)
    box.image.write_bytes(os.urandom(5_000_000))
    async with at_work(box) as worker:
        assert own(await quick.read(job(box), place(box, worker))) == box.content
        monkeypatch.setattr(process, "LARGEST", 4_999_999)
        assert await quick.read(job(box), place(box, worker)) is None


# -- the process


async def test_there_is_no_process_until_there_is_much_to_do_nor_long_after(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock, box = Clock(), inbox(tmp_path)
    worker = FileWorker(clock)
    for _ in range(process.BUSY * 2):  # an image every few seconds, for long
        clock.now += 0.1
        assert await worker.read(box.root, box.file, box.version, ()) is None
    assert not worker.running
    async with at_work(box, clock) as worker:
        clock.now += process.IDLE - 1
        assert own(await worker.read(box.root, box.file, box.version, ())) == box.content
        clock.now += 1
        assert await worker.read(box.root, box.file, box.version, ()) is None
    monkeypatch.setattr(process, "IDLE", 0.2)
    async with at_work(box) as worker:
        worker._clock = time.monotonic  # all is quiet from now on
        worker._busy = time.monotonic()
        pid = worker.pid
        await until(lambda: not worker.running)
        await until(lambda: not Path(f"/proc/{pid}").exists())


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSTOP])
async def test_who_waits_for_a_process_that_dies_or_hangs_does_it_elsewhere(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: signal.Signals
) -> None:
    monkeypatch.setattr(process, "PATIENCE", 0.2 if number == signal.SIGSTOP else 60)
    clock, box = Clock(), inbox(tmp_path)
    async with at_work(box, clock) as worker:
        assert worker.pid is not None
        pid = worker.pid
        os.kill(pid, signal.SIGSTOP)
        calls = [worker.read(box.root, box.file, box.version, ()) for _ in range(10)]
        waiting = [asyncio.create_task(call) for call in calls]
        await asyncio.sleep(0)
        os.kill(pid, number)
        assert await asyncio.gather(*waiting) == [None] * 10
        await until(lambda: not Path(f"/proc/{pid}").exists())
        await keep_busy(worker, box)
        assert not worker.running, "not at once again"
        clock.now += process.REST
        await keep_busy(worker, box)
        await until(lambda: worker.pid is not None)
        assert worker._pace == 0, "the time without a process is not the new one's pace"
        assert own(await worker.read(box.root, box.file, box.version, ())) == box.content


async def test_no_more_wait_for_it_than_it_can_do_in_time(tmp_path: Path) -> None:
    box = inbox(tmp_path)
    async with at_work(box) as worker:
        assert worker.pid is not None
        os.kill(worker.pid, signal.SIGSTOP)
        calls = [worker.read(box.root, box.file, box.version, ()) for _ in range(process.MOST + 5)]
        waiting = [asyncio.create_task(call) for call in calls]
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        assert [task.done() for task in waiting] == [False] * process.MOST + [True] * 5
        os.kill(worker.pid, signal.SIGCONT)
        found = await asyncio.gather(*waiting)
    assert [own(content) for content in found] == [box.content] * process.MOST + [None] * 5


async def test_where_calls_take_long_fewer_wait_for_it(tmp_path: Path) -> None:
    box = inbox(tmp_path)
    async with at_work(box) as worker:
        assert worker.pid is not None
        for _ in range(50):
            assert own(await worker.read(box.root, box.file, box.version, ())) == box.content
        assert 0 < worker._pace < process.PATIENCE
        worker._pace = process.QUEUE / 3  # as on a disk that takes its time
        os.kill(worker.pid, signal.SIGSTOP)
        calls = [worker.read(box.root, box.file, box.version, ()) for _ in range(10)]
        waiting = [asyncio.create_task(call) for call in calls]
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        assert [task.done() for task in waiting] == [False] * 3 + [True] * 7
        os.kill(worker.pid, signal.SIGCONT)
        await asyncio.gather(*waiting)


async def test_content_that_cannot_be_had_is_left_to_the_threads_and_the_rest_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(*_: object) -> bytes:
        raise MemoryError

    box = inbox(tmp_path)
    async with at_work(box) as worker:
        before = len(os.listdir("/proc/self/fd"))
        with monkeypatch.context() as patched:
            patched.setattr(process, "_mapped", fails)
            assert await worker.read(box.root, box.file, box.version, ()) is None
        assert len(os.listdir("/proc/self/fd")) == before
        assert own(await worker.read(box.root, box.file, box.version, ())) == box.content


async def test_when_descriptors_are_scarce_content_is_copied_and_when_there_are_none_it_is_left(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    box = inbox(tmp_path)
    async with at_work(box) as worker:
        monkeypatch.setattr(process, "MAPPED", 0)
        assert await worker.read(box.root, box.file, box.version, ()) == box.content
        root, version, taken = box.root, box.version, []
        with contextlib.suppress(OSError):
            while True:
                taken.append(os.dup(0))
        try:
            found = await worker.read(root, box.file, version, ())
        finally:
            for descriptor in taken:
                os.close(descriptor)
        assert found is None
        assert own(await worker.read(box.root, box.file, box.version, ())) == box.content


async def test_a_caller_that_is_cancelled_leaves_no_descriptor_behind(tmp_path: Path) -> None:
    box = inbox(tmp_path)
    async with at_work(box) as worker:
        assert worker.pid is not None
        before = len(os.listdir("/proc/self/fd"))
        os.kill(worker.pid, signal.SIGSTOP)
        tasks = [asyncio.create_task(worker.read(box.root, box.file, box.version, ())) for _ in range(20)]
        await asyncio.sleep(0)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        os.kill(worker.pid, signal.SIGCONT)
        assert own(await worker.read(box.root, box.file, box.version, ())) == box.content
        await until(lambda: (gc.collect(), len(os.listdir("/proc/self/fd")))[1] == before)


async def test_it_ends_with_the_daemon_and_knows_none_of_its_secrets(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-secret")
    box = inbox(tmp_path)
    async with at_work(box) as worker:
        pid = worker.pid
        assert b"sk-secret" not in environment_of(pid)
        waiting = asyncio.create_task(worker.read(box.root, box.file, box.version, ()))
        await asyncio.sleep(0)
        worker.close()
        assert await waiting is None
        await until(lambda: not Path(f"/proc/{pid}").exists())
        await keep_busy(worker, box)
        assert not worker.running


def test_it_starts_in_a_blink() -> None:
    """It imports neither the event loop nor anything that decodes, logs or talks."""
    import subprocess
    import sys

    code = "import sys, glimpsed.fileworker.worker; print(*sorted(sys.modules))"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    heavy = {"asyncio", "PIL", "structlog", "sqlalchemy", "httpx", "yaml", "watchdog", "glimpsed.sidecar"}
    assert heavy & set(loaded.stdout.split()) == set()
