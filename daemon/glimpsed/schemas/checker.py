"""The daemon's side of `worker`: an answer and a schema in, its value or what is wrong with it out, in bounded time."""

from __future__ import annotations

import asyncio
import contextlib
import json
import signal
import sys
from collections.abc import Mapping
from typing import Any

from glimpsed import bounded
from glimpsed.child.start import environment
from glimpsed.schemas import HEAD, SECONDS, Misfit

IDLE = 60.0  # s without an answer after which the process is let go
PATIENCE = 120.0  # s by the clock: the machine may be busy
LARGEST = 64 << 20  # bytes of a reply
TRIES = 2  # one death is no proof: somebody else may have ended it
TOO_SLOW = f"the answer could not be checked against the schema within {SECONDS:g} s of CPU"
DIED = "the answer could not be checked against the schema: it ends the process that does so"


class Checker:
    """One process, started at the first answer, one answer at a time; let go when it is idle."""

    def __init__(self, *, idle: float = IDLE) -> None:
        self._idle = idle
        self._turn = asyncio.Lock()
        self._process: asyncio.subprocess.Process | None = None
        self._farewell: asyncio.TimerHandle | None = None
        self._ending: set[asyncio.Task[None]] = set()

    @property
    def pid(self) -> int | None:
        """The process that runs now."""
        return self._process.pid if self._process else None

    async def read(self, text: str, answer: str, schema: Mapping[str, Any]) -> tuple[Any, Misfit | None]:
        """The last value in the text that meets the schema, or why there is none; see `fit.read`."""
        return await self._done({"text": text, "answer": answer, "schema": schema})

    async def check(self, value: Any, schema: Mapping[str, Any]) -> Misfit | None:
        """What is wrong with a value."""
        return (await self._done({"value": value, "schema": schema}))[1]

    async def aclose(self) -> None:
        """End the process."""
        async with self._turn:
            self._let_go()
        await asyncio.gather(*self._ending)

    async def _done(self, task: Mapping[str, Any]) -> tuple[Any, Misfit | None]:
        frame = json.dumps(task, ensure_ascii=False).encode("utf-8", "replace")
        async with self._turn:
            if self._farewell is not None:
                self._farewell.cancel()
            try:
                for _ in range(TRIES):
                    try:
                        async with asyncio.timeout(PATIENCE):
                            return await self._asked(frame)
                    except TimeoutError:
                        self._let_go()
                        return None, Misfit(TOO_SLOW, TOO_SLOW, final=True)
                    except (EOFError, OSError, ValueError):
                        if await self._signal() == signal.SIGXCPU:
                            return None, Misfit(TOO_SLOW, TOO_SLOW, final=True)
                return None, Misfit(DIED, DIED, final=True)
            except BaseException:  # cancelled: its reply must not be taken for the next one's
                self._let_go()
                raise
            finally:
                self._farewell = asyncio.get_running_loop().call_later(self._idle, self._let_go)

    async def _asked(self, frame: bytes) -> tuple[Any, Misfit | None]:
        if self._process is None:
            self._process = await asyncio.create_subprocess_exec(
                sys.executable, "-P", "-m", "glimpsed.schemas.worker",
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.DEVNULL,
                env=environment(),
            )  # fmt: skip
        stdin, stdout = self._process.stdin, self._process.stdout
        assert stdin is not None
        assert stdout is not None
        stdin.write(HEAD.pack(len(frame)) + frame)
        await stdin.drain()
        (size,) = HEAD.unpack(await stdout.readexactly(HEAD.size))
        reply = bounded.loads(await stdout.readexactly(min(size, LARGEST)), largest=LARGEST)
        return (None, Misfit(*reply["misfit"])) if "misfit" in reply else (reply["value"], None)

    async def _signal(self) -> int:
        """Which signal ended the process, 0 for none. It is one that is dying, or is ended here."""
        process, self._process = self._process, None
        if process is None:  # it could not be started
            await asyncio.sleep(1.0)
            return 0
        await _end(process, within=1.0)
        return max(0, -(process.returncode or 0))

    def _let_go(self) -> None:
        process, self._process = self._process, None
        if process is not None:
            task = asyncio.get_running_loop().create_task(_end(process))
            self._ending.add(task)
            task.add_done_callback(self._ending.discard)


async def _end(process: asyncio.subprocess.Process, within: float = 0.0) -> None:
    """See it end, within so many seconds by itself."""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(within):
            await process.wait()
    with contextlib.suppress(ProcessLookupError):
        process.kill()
    await process.wait()
    if process.stdin is not None:
        process.stdin.close()
