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
from glimpsed.ocr import scripts, tsv
from glimpsed.vision.engines import EngineReading, Seen
from glimpsed.vision.engines.told import told


class Tesseract:
    """``model: tesseract``, with ``extra: {languages: [eng, deu]}``, or ``auto``: by each page's script."""

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
        self._scripts = _by_script(found, entry) if entry.extra.get("languages") == scripts.AUTO else {}
        self._languages = "" if self._scripts else "+".join(_languages(entry))
        program = Program(
            "tesseract process",
            "glimpsed.ocr.tesseract_worker",
            Limits(clock=entry.timeout),
            settings={"command": [found, "stdin", "stdout"]},
            environment={"OMP_THREAD_LIMIT": "1"},
        )
        self._pool = Pool(program, self.at_once)

    async def read(self, image: Image, *, lines: bool = False) -> EngineReading:
        """What one picture says; see `Engine`."""
        languages = self._languages or await self._detected(image)
        code, complaints, text = await self._run(image, "-l", languages, *(tsv.ARGUMENTS if lines else ()))
        if code != 0:
            raise VisionError(_verdict(complaints))
        found: list[list[tsv.TsvWord]] = []
        if lines:
            try:
                text, found = tsv.parted(text)
            except ValueError:
                raise VisionError(
                    Verdict("fail", f"{self.name} gives its words in a form that is not known")
                ) from None
        text = _tidy(text)
        ink = bool(text) or await self._has_ink(image)
        return EngineReading(text, ink=ink, lines=tuple(_seen(line) for line in found))

    async def _detected(self, image: Image) -> str:
        """The languages to read it with, by its script. Raises `VisionError` for one that there is no data for."""
        # Fails where there is too little print.
        _, _, text = await self._run(image, "--psm", "0", "-l", "osd")
        script = scripts.told(text)
        if script not in self._scripts:
            reason = (
                f"this script is not known to the engine: {script}; apt install {scripts.package(script)}"
            )
            raise VisionError(Verdict("fail", reason))
        return self._scripts[script]

    async def _has_ink(self, image: Image) -> bool:
        """Whether there is anything on a page of which nothing was read."""
        with told("tesseract", self._pool.program.limits):
            return await self._pool.ask((), image.data, lambda answer, _: bool(answer["ink"]))

    async def _run(self, image: Image, *arguments: str) -> tuple[int, str, str]:
        """Its exit code, its complaints, and what it wrote."""
        with told("tesseract", self._pool.program.limits):
            code, complaints, written = await self._pool.ask(
                arguments,
                image.data,
                lambda answer, data: (int(answer["code"]), str(answer["complaints"]), data),
            )
        return code, complaints, written.decode("utf-8", "replace")

    async def aclose(self) -> None:
        """End what runs; pages in work are lost."""
        await self._pool.close()


def _seen(words: list[tsv.TsvWord]) -> Seen:
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
            "must be auto, or a list of language names, like [eng, deu]",
            key=f"models.{entry.name}.extra.languages",
        )
    )


def _by_script(program: str, entry: ModelEntry) -> dict[str, str]:
    """Script -> languages whose data is installed. Raises `ConfigError` without the detection of scripts."""
    there = _said(program, "--list-langs").split()
    key = f"models.{entry.name}.extra.languages"
    if "osd" not in there:
        raise ConfigError(
            Problem("auto needs tesseract's detection of scripts: apt install tesseract-ocr-osd", key=key)
        )
    if not (found := scripts.installed(there)):
        raise ConfigError(
            Problem("there is no language to choose from: apt install tesseract-ocr-eng", key=key)
        )
    return found


def _version(program: str) -> str:
    """``tesseract-5.3.0``."""
    words = _said(program, "--version").split()
    return f"tesseract-{words[1]}" if len(words) > 1 else "tesseract"


def _said(program: str, option: str) -> str:
    try:
        told = subprocess.run([program, option], capture_output=True, text=True, timeout=30, check=False)  # noqa: S603 - found on PATH, no input
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return told.stdout or told.stderr


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
