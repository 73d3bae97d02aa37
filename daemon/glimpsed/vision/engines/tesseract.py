"""Debian's tesseract: a process for each picture, one thread each (a third of the time on clean print)."""

from __future__ import annotations

import os
import shutil
import statistics
import subprocess

from glimpsed.children.child import Program
from glimpsed.children.pool import Pool
from glimpsed.children.program import Limits
from glimpsed.config.schema import ModelEntry
from glimpsed.errors import ConfigError, Problem, Verdict, VisionError
from glimpsed.model import Image
from glimpsed.ocr import tsv
from glimpsed.vision.engines import Reading, Seen
from glimpsed.vision.engines.told import told


class Tesseract:
    """``model: tesseract``, with ``extra: {languages: [eng, deu]}``."""

    def __init__(self, entry: ModelEntry) -> None:
        found = shutil.which("tesseract")
        if found is None:
            raise ConfigError(
                Problem(
                    "tesseract is not on PATH: apt install tesseract-ocr", key=f"models.{entry.name}.model"
                )
            )
        self.name = _version(found)
        self.at_once = len(os.sched_getaffinity(0))
        command = [found, "stdin", "stdout", "-l", "+".join(_languages(entry))]
        program = Program(
            "tesseract process",
            "glimpsed.ocr.tesseract_worker",
            Limits(clock=entry.timeout),
            settings={"command": command},
            environment={"OMP_THREAD_LIMIT": "1"},
        )
        self._pool = Pool(program, self.at_once)

    async def read(self, image: Image, *, lines: bool = False) -> Reading:
        """What one picture says; see `Engine`."""
        with told("tesseract", self._pool.program.limits):
            code, complaints, written = await self._pool.ask(
                tsv.ARGUMENTS if lines else (),
                image.data,
                lambda answer, data: (int(answer["code"]), str(answer["complaints"]), data),
            )
        if code != 0:
            raise VisionError(_verdict(complaints))
        text = written.decode("utf-8", "replace")
        if not lines:
            return Reading(_tidy(text))
        try:
            text, found = tsv.parted(text)
        except ValueError:
            raise VisionError(
                Verdict("fail", f"{self.name} gives its words in a form that is not known")
            ) from None
        return Reading(_tidy(text), lines=tuple(_seen(line) for line in found))

    async def aclose(self) -> None:
        """End what runs; pages in work are lost."""
        await self._pool.close()


def _seen(words: list[tsv.Word]) -> Seen:
    lefts, tops, rights, bottoms = zip(*(word.box for word in words), strict=True)
    return Seen(
        " ".join(word.text for word in words),
        (min(lefts), min(tops), max(rights), max(bottoms)),
        statistics.fmean(word.confidence for word in words),
        tuple(Seen(word.text, word.box, word.confidence) for word in words),
    )


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
