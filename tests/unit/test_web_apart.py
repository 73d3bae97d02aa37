"""The page's process as the daemon sees it: one that hangs is ended and started anew, one that is slow is not."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import time
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from glimpsed import config, eventloop
from glimpsed.config.schema import Web
from glimpsed.httpd import addressed, bound
from glimpsed.web.apart import LOOKS, SERVES, PageProcess, said_next
from webpage import Reader, history


async def heard(ours: socket.socket, patience: float) -> bytes:
    reader, writer = await asyncio.open_unix_connection(sock=ours)
    try:
        return await said_next(reader, patience)
    finally:
        writer.close()


def test_who_says_nothing_for_so_long_hangs() -> None:
    ours, theirs = socket.socketpair()
    with theirs, pytest.raises(TimeoutError):
        asyncio.run(heard(ours, 0.05))


def test_who_is_gone_said_nothing() -> None:
    ours, theirs = socket.socketpair()
    theirs.close()
    assert asyncio.run(heard(ours, 60)) == b""


def test_a_time_that_nobody_was_there_to_hear_is_none_of_silence() -> None:
    """The machine slept, or the daemon was stopped: all time limits are over at once, and the page has its turn first."""
    ours, theirs = socket.socketpair()
    patience = 0.2

    async def asleep() -> bytes:
        listening = asyncio.create_task(heard(ours, patience))
        await asyncio.sleep(patience / LOOKS / 2)
        time.sleep(2 * patience)  # noqa: ASYNC251 - the loop stands still
        theirs.send(SERVES)
        return await listening

    with theirs:
        assert asyncio.run(asleep()) == SERVES


def read(path: str) -> str:
    """What /proc says of a thread or process, which may just have ended."""
    try:
        return Path(path).read_text()
    except OSError:
        return ""


def pages() -> list[int]:
    """The page's processes that this one has started."""
    children = " ".join(read(f"/proc/self/task/{task}/children") for task in os.listdir("/proc/self/task"))
    return [int(pid) for pid in children.split() if "glimpsed.web.process" in read(f"/proc/{pid}/cmdline")]


def test_a_page_that_hangs_is_ended_and_another_one_serves(tmp_path: Path) -> None:
    made = history(tmp_path)
    made.ledger.close()
    with bound(("127.0.0.1", 0)) as opened, capture_logs() as logs:
        host, port = addressed(opened)
        loaded = config.load(tmp_path / "glimpsed.yaml", keys=False)
        page = PageProcess(loaded, Web(listen=f"{host}:{port}"), b"", [opened], patience=6.0)

        def asked() -> int:
            with Reader(port) as reader:
                reader.timeout = 120
                return reader.get("/").status_code

        async def hang() -> None:
            keeping = asyncio.create_task(page.keep())
            try:
                assert await asyncio.to_thread(asked) == 200
                (first,) = pages()
                os.kill(first, signal.SIGSTOP)
                # Who asks meanwhile waits for the next one.
                assert await asyncio.to_thread(asked) == 200
                assert first not in pages()
            finally:
                keeping.cancel()
                await asyncio.gather(keeping, return_exceptions=True)

        eventloop.run(hang())
    assert [one["reason"] for one in logs if one["event"] == "page ended"] == [
        "its process hung, and was ended; another one is started in 1 s"
    ]
    assert pages() == []
