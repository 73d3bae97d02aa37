"""Debian's tesseract: a process for each picture, one thread each (a third of the time on clean print)."""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import subprocess

from glimpsed.config.schema import ModelEntry
from glimpsed.errors import ConfigError, Problem, Verdict, VisionError
from glimpsed.model import Image

_LARGEST_TEXT = 16 << 20
_ENVIRONMENT = ("PATH", "HOME", "LANG", "LC_ALL", "TMPDIR", "TESSDATA_PREFIX")


class Tesseract:
    """``model: tesseract``, with ``extra: {languages: [eng, deu]}``."""

    def __init__(self, entry: ModelEntry) -> None:
        program = shutil.which("tesseract")
        if program is None:
            raise ConfigError(
                Problem(
                    "tesseract is not on PATH: apt install tesseract-ocr", key=f"models.{entry.name}.model"
                )
            )
        self.name = _version(program)
        self.at_once = len(os.sched_getaffinity(0))
        self._program = program
        self._languages = _languages(entry)
        self._timeout = entry.timeout
        self._running: set[asyncio.subprocess.Process] = set()

    async def read(self, image: Image) -> str:
        """The text of one picture; see `Engine`."""
        process = await asyncio.create_subprocess_exec(
            self._program, "stdin", "stdout", "-l", "+".join(self._languages),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            cwd="/",
            env={"OMP_THREAD_LIMIT": "1", **{k: os.environ[k] for k in _ENVIRONMENT if k in os.environ}},
        )  # fmt: skip
        self._running.add(process)
        try:
            async with asyncio.timeout(self._timeout):
                text, complaints = await process.communicate(memoryview(image.data))
        except TimeoutError as e:
            raise VisionError(
                Verdict("retry", f"tesseract failed: no text after {self._timeout:g} s", cut_off=True)
            ) from e
        finally:
            await self._end(process)
        if process.returncode != 0:
            raise VisionError(_verdict(complaints.decode("utf-8", "replace")))
        return _tidy(text[:_LARGEST_TEXT].decode("utf-8", "replace"))

    async def aclose(self) -> None:
        """End what runs; pages in work are lost."""
        for process in list(self._running):
            await self._end(process)

    async def _end(self, process: asyncio.subprocess.Process) -> None:
        self._running.discard(process)
        if process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            await asyncio.shield(process.wait())


def _languages(entry: ModelEntry) -> list[str]:
    """The languages of the entry's ``extra``, else English."""
    languages = entry.extra.get("languages", ["eng"])
    if (
        isinstance(languages, list)
        and languages
        and all(isinstance(x, str) and x.strip("-") for x in languages)
    ):
        return languages
    raise ConfigError(
        Problem(
            "must be a list of language names, like [eng, deu]", key=f"models.{entry.name}.extra.languages"
        )
    )


def _version(program: str) -> str:
    """``tesseract-5.3.0``."""
    try:
        told = subprocess.run([program, "--version"], capture_output=True, text=True, timeout=30, check=False)  # noqa: S603 - found on PATH, no input
    except (OSError, subprocess.TimeoutExpired):
        return "tesseract"
    words = told.stdout.split() or told.stderr.split()
    return f"tesseract-{words[1]}" if len(words) > 1 else "tesseract"


def _verdict(complaints: str) -> Verdict:
    lines = [line.strip() for line in complaints.splitlines() if line.strip()]
    if any("Failed loading language" in line or "Error opening data file" in line for line in lines):
        return Verdict(
            "pause", "tesseract has no data for one of its languages: apt install tesseract-ocr-LANGUAGE"
        )
    return Verdict("fail", f"tesseract failed: {lines[-1][:200] if lines else 'it gave no reason'}")


def _tidy(text: str) -> str:
    """Without the form feed after the page, and without runs of empty lines."""
    lines: list[str] = []
    for line in (x.rstrip() for x in text.replace("\f", "").split("\n")):
        if line or (lines and lines[-1]):
            lines.append(line)
    return "\n".join(lines).strip("\n")
