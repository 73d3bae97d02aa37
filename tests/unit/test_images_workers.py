"""Hostile files end their own worker at most: their neighbours, the daemon and the disk see nothing of it."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import json
import os
import resource
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

import images_samples as samples
from glimpsed.children import pool, start
from glimpsed.errors import FileError, ShareTrouble
from glimpsed.images.plan import Target
from glimpsed.images.prepare import LIMITS, Document, Images
from glimpsed.model import Content

pytestmark = pytest.mark.anyio

TIFF = samples.content(samples.EVERY["lzw"]())


@functools.cache
def endless() -> Content:
    """What takes minutes to draw."""
    return samples.content(samples.pdf(b"0 0 m 600 800 l 300 20 l S\n" * 3_000_000))


@functools.cache
def busy(number: int) -> Content:
    """What takes a second or so to draw."""
    return samples.content(samples.pdf(b"0 0 m 600 %d l 300 20 l S\n" % (800 - number) * 1000))


@contextlib.asynccontextmanager
async def images(workers: int = 2, **limits: float) -> AsyncIterator[Images]:
    them = Images(workers, limits=replace(LIMITS, **limits))  # type: ignore[arg-type]
    try:
        yield them
    finally:
        await them.close()


def pids(them: Images) -> list[int]:
    return them._pool.processes()


def at_work(them: Images) -> list[int]:
    return [child.pid for child in them._pool._busy if child.asked]


async def until(condition: Callable[[], bool], seconds: float = 20) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        await asyncio.sleep(0.01)


@contextlib.contextmanager
def descriptors_left(count: int) -> Iterator[None]:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    taken: list[int] = []
    resource.setrlimit(resource.RLIMIT_NOFILE, (200, hard))
    try:
        with contextlib.suppress(OSError):
            while True:
                taken.append(os.dup(0))
        for _ in range(count):
            os.close(taken.pop())
        yield
    finally:
        for descriptor in taken:
            os.close(descriptor)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


@pytest.mark.parametrize("left", [0, 1])
async def test_a_file_does_not_fail_because_too_many_files_are_open(left: int) -> None:
    async with images(1) as them:
        await them.inspect(TIFF)  # a worker is there
        with descriptors_left(left), pytest.raises(ShareTrouble):
            await them.prepare(TIFF, 1, samples.TARGET)
        assert (await them.inspect(TIFF)).pages == 1


def gone(pid: int) -> bool:
    return not Path(f"/proc/{pid}").exists()


async def test_pages_come_back_as_they_are_to_be_sent() -> None:
    async with images() as them:
        await them.start()
        data = samples.content(samples.EVERY["pdf"]())
        assert await them.inspect(data) == Document("application/pdf", 1, 240, 160)
        [image] = await them.prepare(data, 1, samples.TARGET)
        assert (image.page, image.media_type, image.width, image.height, image.band) == (
            1,
            "image/png",
            240,
            160,
            None,
        )
        page = samples.content(samples.save(samples.typed(2480, 3508), "TIFF"))
        bands = await them.prepare(page, 1, Target(2048, 700_000, bands="auto", family="gpt-4o"))
        assert [band.band for band in bands] == [(1, 3), (2, 3), (3, 3)]
        assert len({band.data for band in bands}) == 3
        assert await them.healthy()
        assert them.deaths == 0


async def test_a_large_file_is_copied_in_pieces_and_others_have_their_turn_between_them(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(pool, "_PIECE", 1000)
    data, turns = os.urandom(99_500), 0

    async def others() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    other = asyncio.create_task(others())
    async with pool._memory_file(data) as file:
        other.cancel()
        assert os.pread(file, 1 << 20, 0) == data
    assert turns == 99


async def test_what_can_go_out_as_it_is_needs_no_worker() -> None:
    async with images() as them:
        for kind in ("JPEG", "PNG", "WEBP"):
            data = samples.content(samples.with_gps(samples.photo(), kind))
            assert (await them.inspect(data)).width == 640
            [image] = await them.prepare(data, 1, samples.TARGET)
            assert b"SECRET" not in image.data
            [image] = await them.prepare(data, 1, Target(2048, 700_000, keep_metadata=True))
            assert image.data == data.data
        assert pids(them) == []
        small = Target(500, 700_000)
        [image] = await them.prepare(data, 1, small)
        assert image.width == 500
        assert len(pids(them)) == 1


async def test_a_truncated_photo_is_not_sent_as_it_is() -> None:
    async with images() as them:
        whole = samples.save(samples.photo(), "JPEG")
        with pytest.raises(FileError, match="truncated"):
            await them.prepare(samples.content(whole[: len(whole) // 2]), 1, samples.TARGET)


@pytest.mark.parametrize(("data", "reason"), [(b"", "empty"), (b"no picture", "neither a picture nor a PDF")])
async def test_what_is_no_picture_fails_with_a_reason(data: bytes, reason: str) -> None:
    async with images() as them:
        with pytest.raises(FileError, match=reason):
            await them.inspect(samples.content(data))


async def test_a_worker_that_is_killed_once_fails_no_file() -> None:
    async with images(3) as them:
        jobs = [asyncio.create_task(them.prepare(busy(n), 1, samples.TARGET)) for n in range(3)]
        await until(lambda: len(at_work(them)) == 3)
        victims = at_work(them)
        for pid in victims:
            os.kill(pid, signal.SIGKILL)
        most = 0
        while not all(job.done() for job in jobs):
            most = max(most, len(set(at_work(them)) - set(victims)))
            await asyncio.sleep(0.01)
        assert [len(await job) for job in jobs] == [1, 1, 1]
        assert most == 1  # each again, alone: or they would end each other once more
        assert them.deaths == 3
        await until(lambda: all(gone(pid) for pid in victims))
        assert await them.healthy()


@pytest.mark.parametrize("signum", [signal.SIGSEGV, signal.SIGKILL])
async def test_what_ends_two_workers_fails_its_own_file_and_no_other(signum: int) -> None:
    async with images() as them:
        job = asyncio.create_task(them.prepare(endless(), 1, samples.TARGET))
        for _ in range(2):
            await until(lambda: bool(at_work(them)))
            [doomed] = at_work(them)
            os.kill(doomed, signum)
            await until(lambda doomed=doomed: doomed not in at_work(them))  # type: ignore[misc]
        with pytest.raises(
            FileError, match=rf"The decoder crashed on it twice \({signal.Signals(signum).name}\)"
        ):
            await job
        assert them.deaths == 2
        assert await them.prepare(TIFF, 1, samples.TARGET)
        assert await them.healthy()


async def test_whoever_gives_up_on_a_job_ends_its_worker_which_is_no_death() -> None:
    async with images() as them:
        job = asyncio.create_task(them.prepare(endless(), 1, samples.TARGET))
        await until(lambda: bool(at_work(them)))
        [pid] = at_work(them)
        job.cancel()
        await asyncio.gather(job, return_exceptions=True)
        await until(lambda: gone(pid))
        assert them.deaths == 0


async def test_what_takes_too_much_cpu_is_ended_by_the_kernel() -> None:
    async with images(seconds=1) as them:
        with pytest.raises(FileError, match="took more than 1 s of CPU"):
            await them.prepare(endless(), 1, samples.TARGET)
        assert them.deaths == 1
        assert await them.prepare(TIFF, 1, samples.TARGET)


async def test_what_is_stopped_is_replaced_and_what_hangs_twice_fails() -> None:
    async with images(clock=0.5) as them:
        await them.start()
        [pid] = pids(them)
        os.kill(pid, signal.SIGSTOP)
        assert await them.prepare(TIFF, 1, samples.TARGET)
        await until(lambda: gone(pid))
        assert them.deaths == 1

        job = asyncio.create_task(them.prepare(endless(), 1, samples.TARGET))
        for _ in range(2):
            await until(lambda: bool(at_work(them)))
            [pid] = at_work(them)
            os.kill(pid, signal.SIGSTOP)
            await until(lambda pid=pid: gone(pid))  # type: ignore[misc]
        with pytest.raises(FileError, match=r"Decoding took longer than 0\.5 s"):
            await job
        assert them.deaths == 3


async def test_time_by_the_clock_does_not_count_while_a_worker_computes() -> None:
    async with images(seconds=2, clock=0.2) as them:
        with pytest.raises(FileError, match="took more than 2 s of CPU"):
            await them.prepare(endless(), 1, samples.TARGET)
        assert them.deaths == 1


async def test_a_picture_that_needs_more_memory_than_allowed_fails_and_the_next_one_does_not() -> None:
    large = samples.content(samples.save(samples.corners(9000, 9000), "PNG"))
    async with images(address_space=400_000_000) as them:
        for _ in range(2):
            with pytest.raises(FileError, match="memory"):
                await them.prepare(large, 1, samples.TARGET)
            assert await them.prepare(TIFF, 1, samples.TARGET)


@pytest.mark.parametrize("size", [(35_000, 35_000, 1, 0), (60_000, 60_000, 8, 2)])
async def test_a_bomb_is_refused_before_anything_is_decoded(size: tuple[int, int, int, int]) -> None:
    async with images() as them:
        began = time.monotonic()
        with pytest.raises(FileError, match=f"{size[0]} by {size[1]} pixels are too many"):
            await them.prepare(samples.content(samples.png_header(*size)), 1, samples.TARGET)
        assert time.monotonic() - began < 30
        assert them.deaths == 0


async def test_a_worker_that_dies_idle_is_replaced_and_no_file_fails() -> None:
    async with images() as them:
        await them.start()
        [pid] = pids(them)
        os.kill(pid, signal.SIGKILL)
        await until(lambda: Path(f"/proc/{pid}/stat").read_text().split()[2] == "Z")
        assert await them.prepare(TIFF, 1, samples.TARGET)
        await until(lambda: gone(pid))
        assert them.deaths == 0


async def test_more_jobs_than_workers_wait_their_turn() -> None:
    async with images(2) as them:
        jobs = [asyncio.create_task(them.prepare(TIFF, 1, samples.TARGET)) for _ in range(30)]
        await until(lambda: len(pids(them)) == 2)
        assert len(await asyncio.gather(*jobs)) == 30
        assert len(pids(them)) == 2


async def test_idle_workers_are_let_go(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("glimpsed.children.pool.IDLE", 0.1)
    async with images() as them:
        await them.start()
        [pid] = pids(them)
        await until(lambda: gone(pid))
        assert pids(them) == []
        assert await them.prepare(TIFF, 1, samples.TARGET)


async def test_a_worker_retires_after_many_jobs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("glimpsed.children.pool.ASKED", 2)
    async with images(1) as them:
        await them.prepare(TIFF, 1, samples.TARGET)
        [pid] = pids(them)
        await them.prepare(TIFF, 1, samples.TARGET)
        await until(lambda: gone(pid))
        assert them.deaths == 0


async def test_a_stop_fails_no_file() -> None:
    async with images() as them:
        job = asyncio.create_task(them.prepare(endless(), 1, samples.TARGET))
        await until(lambda: len(pids(them)) == 1)
        [pid] = pids(them)
        await them.close()
        with pytest.raises(ShareTrouble):
            await job
        await until(lambda: gone(pid))
        with pytest.raises(ShareTrouble):
            await them.prepare(TIFF, 1, samples.TARGET)
        assert not await them.healthy()


async def test_no_worker_to_be_had_is_not_the_files_fault(monkeypatch: pytest.MonkeyPatch) -> None:
    async with images() as them:
        for program in ("/bin/false", "/nonexistent"):
            monkeypatch.setattr(sys, "executable", program)
            with pytest.raises(ShareTrouble, match="no image worker can be started"):
                await them.prepare(TIFF, 1, samples.TARGET)
            assert not await them.healthy()
        assert them.deaths == 0


async def test_nothing_is_left_behind_on_disk_or_open(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    passed = start.passed_on()
    monkeypatch.setattr(start, "passed_on", lambda: {**passed, "TMPDIR": str(tmp_path)})
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    async with images(seconds=1) as them:
        await them.prepare(TIFF, 1, samples.TARGET)
        descriptors = len(os.listdir("/proc/self/fd"))
        for _ in range(3):
            await them.prepare(TIFF, 1, samples.TARGET)
        with pytest.raises(FileError):
            await them.prepare(endless(), 1, samples.TARGET)
        assert os.listdir(tmp_path) == []
        assert len(os.listdir("/proc/self/fd")) <= descriptors


async def test_a_worker_knows_no_secret_and_cannot_use_much(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GLIMPSED_API_KEY", "sk-secret")
    async with images(address_space=900_000_000) as them:
        await them.start()
        proc = Path(f"/proc/{pids(them)[0]}")
        assert b"sk-secret" not in (proc / "environ").read_bytes()
        limits = (proc / "limits").read_text()
        assert "900000000" in limits
        assert [line.split()[4:6] for line in limits.splitlines() if "core file" in line] == [["0", "0"]]
        assert len(list((proc / "fd").iterdir())) == 4  # three times /dev/null, and its socket


async def test_what_stands_in_the_current_directory_is_not_imported(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("PIL", "glimpsed", "socket"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "__init__.py").write_text("raise SystemExit('planted')")
    monkeypatch.chdir(tmp_path)
    async with images() as them:
        assert await them.prepare(TIFF, 1, samples.TARGET)


def test_a_worker_imports_nothing_that_it_does_not_need() -> None:
    show = "import sys, json, glimpsed.images.worker; print(json.dumps(sorted(sys.modules)))"
    found = subprocess.run([sys.executable, "-P", "-c", show], capture_output=True, check=True, text=True)
    modules = set(json.loads(found.stdout))
    heavy = (
        "pydantic",
        "asyncio",
        "sqlalchemy",
        "httpx",
        "numpy",
        "pypdfium2",
        "pillow_heif",
        "yaml",
        "structlog",
    )
    assert not [
        m for m in modules if m.startswith((*heavy, "subprocess", "multiprocessing", "logging", "email"))
    ]
    ours = {m for m in modules if m.startswith("glimpsed.")}
    assert ours == {
        "glimpsed.children",
        "glimpsed.children.program",
        "glimpsed.errors",
        "glimpsed.extras",
        "glimpsed.formats",
        *(
            f"glimpsed.formats.{m}"
            for m in ("boxes", "common", "grid", "jpeg", "orientation", "raster", "sniff", "tiff")
        ),
        "glimpsed.images",
        "glimpsed.region",
        "glimpsed.words",
    } | {
        f"glimpsed.images.{m}"
        for m in (
            "colour",
            "decode",
            "encode",
            "jpx",
            "masks",
            "pdf",
            "picture",
            "plan",
            "raw",
            "samples",
            "tiffs",
            "tiles",
            "userunit",
            "worker",
        )
    }
