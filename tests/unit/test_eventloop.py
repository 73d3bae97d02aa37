"""What blocks outside of our own lanes holds up nobody else, and not the end either."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import threading
import time
from collections.abc import Iterator

import pytest

from gateway import Gateway
from glimpsed import eventloop
from glimpsed.config.schema import ModelEntry
from glimpsed.vision import client as vision_client


@pytest.fixture
def dead() -> Iterator[list[str]]:
    """Names that end in ``.dead`` are looked up by a name server that does not answer; which were, from first to last."""
    asked: list[str] = []
    release = threading.Event()
    real = socket.getaddrinfo

    def lookup(host: str, *more: object, **how: object) -> object:
        asked.append(host)
        if str(host).endswith(".dead"):
            release.wait(60)
            raise socket.gaierror(socket.EAI_AGAIN, "no answer")
        return real(host, *more, **how)  # type: ignore[arg-type]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(socket, "getaddrinfo", lookup)
        yield asked
        release.set()


def test_a_dead_name_server_holds_up_neither_other_lookups_nor_the_end(dead: list[str]) -> None:
    async def main() -> None:
        loop = asyncio.get_running_loop()
        hanging = [asyncio.ensure_future(loop.getaddrinfo(f"{n % 20}.dead", 80)) for n in range(200)]
        found = await asyncio.wait_for(loop.getaddrinfo("localhost", 80, type=socket.SOCK_STREAM), 10)
        assert found[0][4][1] == 80
        assert await asyncio.wait_for(asyncio.to_thread(lambda: 7), 10) == 7
        assert not any(task.done() for task in hanging)

    start = time.monotonic()
    eventloop.run(main())
    assert time.monotonic() - start < 20
    assert len(dead) == 21  # those who ask for the same wait for one answer


def test_more_names_than_there_are_threads_for_fail_at_once(dead: list[str]) -> None:
    async def main() -> None:
        loop = asyncio.get_running_loop()
        hanging = [asyncio.ensure_future(loop.getaddrinfo(f"{n}.dead", 80)) for n in range(eventloop.LOOKUPS)]
        await asyncio.sleep(0)
        with pytest.raises(socket.gaierror):
            await loop.getaddrinfo("one-more.dead", 80)
        assert await asyncio.wait_for(asyncio.to_thread(lambda: 7), 10) == 7
        for task in hanging:
            task.cancel()

    eventloop.run(main())


def test_a_lookup_that_nobody_waits_for_any_more_can_be_asked_again(dead: list[str]) -> None:
    async def main() -> None:
        loop = asyncio.get_running_loop()
        for _ in range(3):
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(loop.getaddrinfo("a.dead", 80), 0.05)
        with pytest.raises(socket.gaierror):
            await loop.getaddrinfo("no such name at all", 80)

    eventloop.run(main())
    assert dead.count("a.dead") == 1


@pytest.mark.parametrize("proxy", [None, "http://proxy.dead:3128"])
def test_requests_time_out_on_their_own_and_other_models_do_not_wait(
    dead: list[str], monkeypatch: pytest.MonkeyPatch, proxy: str | None
) -> None:
    async def main() -> None:
        if proxy:
            monkeypatch.setenv("HTTP_PROXY", proxy)
            monkeypatch.setenv("NO_PROXY", "127.0.0.1")
        there = "http://models.dead" if proxy is None else "http://models.example"
        lost = vision_client.Client(ModelEntry(base_url=there, allow_http=True, model="m", timeout=0.5))
        fine = vision_client.Client(ModelEntry(base_url=gateway.base_url, model="m", timeout=20))
        waiting = [asyncio.ensure_future(lost.post("/responses", [b"{}"], {})) for _ in range(100)]
        body = b'{"model":"m","input":[]}'
        assert (await fine.post("/responses", [body], {})).status in (200, 400)
        for task in waiting:
            with pytest.raises(vision_client.Failure) as raised:
                await task
            assert raised.value.verdict.transport
            assert (proxy or "") in raised.value.verdict.reason
        await lost.aclose()
        await fine.aclose()

    with Gateway() as gateway:
        eventloop.run(main())


def test_calls_keep_to_their_number_and_give_what_they_give() -> None:
    running, most = 0, 0
    lock = threading.Lock()

    def call(number: int) -> int:
        nonlocal running, most
        with lock:
            running += 1
            most = max(most, running)
        time.sleep(0.001)
        with lock:
            running -= 1
        if number % 7 == 0:
            raise KeyError(number)
        return number

    async def main() -> None:
        calls = [asyncio.to_thread(call, n) for n in range(300)]
        found = await asyncio.gather(*calls, return_exceptions=True)
        assert [f.args[0] if isinstance(f, KeyError) else f for f in found] == list(range(300))

    eventloop.run(main())
    assert most <= eventloop.THREADS
