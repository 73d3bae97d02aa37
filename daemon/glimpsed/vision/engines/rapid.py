"""rapidocr in a process of its own: started at first use, bounded in time, let go when idle.

The entry's ``extra`` goes to rapidocr as parameters (``{Det.limit_side_len: 1280}``).
"""

from __future__ import annotations

import asyncio
import contextlib
import importlib.metadata
import importlib.util
import json
import os
import struct
import sys
from itertools import compress
from pathlib import Path
from typing import Any

from glimpsed.config.schema import ModelEntry
from glimpsed.errors import MissingExtra, Verdict, VisionError
from glimpsed.model import Image
from glimpsed.vision.engines import layout

IDLE = 300.0  # seconds without a page after which its 700 MB are given back
START_LIMIT = 120.0  # seconds for import and models, on a machine that is busy
_LARGEST_REPLY = 16 << 20
_WORKER = Path(__file__).with_name("rapid_worker.py")
# All that the process gets of the environment; API keys are not among it.
_ENVIRONMENT = (
    "PATH",
    "HOME",
    "LANG",
    "LC_ALL",
    "LD_LIBRARY_PATH",
    "PYTHONPATH",
    "TMPDIR",
    "OMP_NUM_THREADS",
)
# onnxruntime's official builds report to their makers, and keep a device id in the home directory, unless
# told not to before they are loaded. An engine that runs on this machine talks to nobody.
_SILENT = {"ORT_DISABLE_TELEMETRY": "1", "ORT_TELEMETRY_DISABLED": "1"}  # names of two of its versions


class Rapid:
    """The daemon's end of `rapid_worker`."""

    def __init__(self, entry: ModelEntry, *, idle: float = IDLE) -> None:
        for module in ("rapidocr", "onnxruntime", "cv2"):
            if importlib.util.find_spec(module) is None:
                raise MissingExtra("the embedded OCR model", "ocr")
        self.name = f"rapidocr-{importlib.metadata.version('rapidocr')}"
        self.at_once = 1  # it uses every core for one page
        self._timeout = entry.timeout
        self._settings = json.dumps(entry.extra)
        self._idle = idle
        self._turn = asyncio.Lock()
        self._process: asyncio.subprocess.Process | None = None
        self._farewell: asyncio.TimerHandle | None = None
        self._ending: asyncio.Task[None] | None = None

    @property
    def pid(self) -> int | None:
        """The process that runs now."""
        return self._process.pid if self._process else None

    async def read(self, image: Image) -> str:
        """The text of one picture; see `Engine`. Waiting for other pages does not count as time."""
        async with self._turn:
            self._stay()
            try:
                reply = await self._ask(memoryview(image.data))
            except BaseException:  # also when cancelled: a half-read reply must not meet the next page
                await _end(self._taken())
                raise
            finally:
                self._leave_later()
        if "error" in reply:
            raise VisionError(
                Verdict("fail", f"the embedded OCR model could not read the image: {reply['error']}")
            )
        quads, texts = reply["boxes"], reply["texts"]
        whole = layout.uncut(quads, image.height, image.band)
        return layout.text(layout.boxes(list(compress(quads, whole)), list(compress(texts, whole))))

    async def aclose(self) -> None:
        """End the process; a page in work is lost."""
        self._stay()
        await _end(self._taken())
        if self._ending is not None:
            await self._ending

    async def _ask(self, picture: memoryview) -> dict[str, Any]:
        process = await self._running()
        try:
            async with asyncio.timeout(self._timeout):
                assert process.stdin is not None
                process.stdin.write(struct.pack(">I", len(picture)))
                process.stdin.write(picture)
                await process.stdin.drain()
                return await _reply(process)
        except TimeoutError as e:
            raise _trouble(f"no text after {self._timeout:g} s") from e
        except (OSError, EOFError) as e:
            raise _trouble("its process died") from e

    async def _running(self) -> asyncio.subprocess.Process:
        if self._process is not None and self._process.returncode is None:
            return self._process
        self._process = process = await asyncio.create_subprocess_exec(
            sys.executable, "-P", str(_WORKER), str(os.getpid()), self._settings,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
            cwd="/",
            env={**{name: os.environ[name] for name in _ENVIRONMENT if name in os.environ}, **_SILENT},
        )  # fmt: skip
        try:
            async with asyncio.timeout(START_LIMIT):
                hello = await _reply(process)
        except TimeoutError as e:
            raise _trouble(f"not started after {START_LIMIT:g} s") from e
        except (OSError, EOFError) as e:
            raise _trouble("its process died at the start") from e
        if "error" in hello:
            raise VisionError(Verdict("pause", f"the embedded OCR model does not start: {hello['error']}"))
        return process

    def _taken(self) -> asyncio.subprocess.Process | None:
        """The process, for the caller to end: the next page gets a new one."""
        process, self._process = self._process, None
        return process

    def _leave_later(self) -> None:
        self._farewell = asyncio.get_running_loop().call_later(self._idle, self._leave)

    def _stay(self) -> None:
        if self._farewell is not None:
            self._farewell.cancel()
            self._farewell = None

    def _leave(self) -> None:
        self._ending = asyncio.get_running_loop().create_task(_end(self._taken()))


async def _end(process: asyncio.subprocess.Process | None) -> None:
    if process is None:
        return
    with contextlib.suppress(ProcessLookupError):
        process.kill()
    await asyncio.shield(process.wait())
    if process.stdin is not None:
        process.stdin.close()


async def _reply(process: asyncio.subprocess.Process) -> dict[str, Any]:
    assert process.stdout is not None
    (size,) = struct.unpack(">I", await process.stdout.readexactly(4))
    if size > _LARGEST_REPLY:
        raise EOFError
    reply = json.loads(await process.stdout.readexactly(size))
    assert isinstance(reply, dict)
    return reply


def _trouble(what: str) -> VisionError:
    """Asked again, but twice at most: a page that kills the engine would do so for ever."""
    return VisionError(Verdict("retry", f"the embedded OCR model failed: {what}", cut_off=True))
