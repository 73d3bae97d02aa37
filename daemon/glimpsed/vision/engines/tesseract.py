"""Debian's tesseract: a process for each picture, one thread each (a third of the time on clean print)."""

from __future__ import annotations

import os
import shutil
import statistics
import subprocess
from dataclasses import dataclass

from glimpsed.children.child import Program
from glimpsed.children.pool import Pool
from glimpsed.children.program import Limits
from glimpsed.config.schema import ModelEntry
from glimpsed.errors import ConfigError, Problem, Verdict, VisionError
from glimpsed.model import Image
from glimpsed.ocr import scripts, tsv
from glimpsed.ocr.page import unturned
from glimpsed.vision.engines import EngineReading, Seen
from glimpsed.vision.engines.told import told


@dataclass(frozen=True, slots=True)
class _Reading:
    """What tesseract read of a picture."""

    text: str
    lines: list[list[tsv.TsvWord]]
    turned: int  # degrees clockwise that the picture was turned by
    sure: tsv.Sureness


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
        seen = None if self._languages else await self._osd(image)
        languages = self._languages or self._detected(seen or scripts.Osd())
        reading = await self._reading(image, languages)
        if scripts.is_doubtful(reading.sure):
            seen = seen or await self._osd(image)
            reading = await self._upright(image, languages, reading, seen)
            if scripts.is_strange(reading.sure, seen):
                raise VisionError(Verdict("fail", _unknown(seen, languages)))
        ink = bool(reading.text) or await self._has_ink(image)
        found = tuple(_seen(line, reading.turned) for line in reading.lines) if lines else ()
        return EngineReading(reading.text, reading.turned, ink, found)

    async def _reading(self, image: Image, languages: str, turned: int = 0) -> _Reading:
        code, complaints, written = await self._run(image, "-l", languages, *tsv.ARGUMENTS, turned=turned)
        if code != 0:
            raise VisionError(_verdict(complaints))
        try:
            text, lines = tsv.parted(written)
        except ValueError:
            raise VisionError(
                Verdict("fail", f"{self.name} gives its words in a form that is not known")
            ) from None
        return _Reading(_tidy(text), lines, turned, tsv.Sureness.of(lines))

    async def _upright(self, image: Image, languages: str, reading: _Reading, seen: scripts.Osd) -> _Reading:
        """The page turned the way that it is read best, where that is plain.

        The detection is not always right about small or blurred print. tesseract by itself reads a page that lies on one
        of its sides; turned by half, it reads one on the other, too.
        """
        for turn in dict.fromkeys((seen.turn or 180, 180)):
            turned = await self._reading(image, languages, turn)
            if turned.sure.characters >= scripts.FEW and turned.sure.mean > reading.sure.mean + scripts.SURER:
                return turned
        return reading

    async def _osd(self, image: Image) -> scripts.Osd:
        """Which way up it lies, and in which script it is."""
        # Fails where there is too little print, or no data for it.
        _, _, written = await self._run(image, "--psm", "0", "-l", "osd")
        return scripts.Osd.of(written)

    def _detected(self, seen: scripts.Osd) -> str:
        """The languages to read a page with, by its script. Raises `VisionError` for one that there is no data for."""
        script = seen.script or scripts.USUAL
        if script not in self._scripts:
            reason = (
                f"this script is not known to the engine: {script}; apt install {scripts.package(script)}"
            )
            raise VisionError(Verdict("fail", reason))
        return self._scripts[script]

    async def _has_ink(self, image: Image) -> bool:
        """Whether there is anything on a page of which nothing was read."""
        with told("tesseract", self._pool.program.limits):
            return await self._pool.ask(((), 0), image.data, lambda answer, _: bool(answer["ink"]))

    async def _run(self, image: Image, *arguments: str, turned: int = 0) -> tuple[int, str, str]:
        """Of the picture, turned clockwise by so many degrees: its exit code, its complaints, and what it wrote."""
        with told("tesseract", self._pool.program.limits):
            code, complaints, written = await self._pool.ask(
                (arguments, turned),
                image.data,
                lambda answer, data: (int(answer["code"]), str(answer["complaints"]), data),
            )
        return code, complaints, written.decode("utf-8", "replace")

    async def aclose(self) -> None:
        """End what runs; pages in work are lost."""
        await self._pool.close()


def _seen(words: list[tsv.TsvWord], turned: int) -> Seen:
    boxes = [unturned((word.box[:2], word.box[2:]), turned) for word in words]
    lefts, tops, rights, bottoms = zip(*boxes, strict=True)
    return Seen(
        " ".join(word.text for word in words),
        (min(lefts), min(tops), max(rights), max(bottoms)),
        statistics.fmean(word.confidence for word in words),
        tuple(Seen(word.text, box, word.confidence) for word, box in zip(words, boxes, strict=True)),
    )


def _unknown(seen: scripts.Osd, languages: str) -> str:
    """What is amiss, and what to install."""
    if not seen.is_upright:
        return (
            f"this script is not known to the engine (languages: {languages}), or the page is handwritten or too poor to be "
            "read. For another script: apt install tesseract-ocr-LANGUAGE, and add it to the model's languages"
        )
    if scripts.is_known(seen.script, languages.split("+")):
        named, data = "", "tesseract-ocr-LANGUAGE"
    else:
        named, data = f", perhaps {seen.script}", scripts.package(seen.script)
    return (
        f"this script is not known to the engine: it is none of its languages' ({languages}){named}. "
        f"apt install {data}, and add it to the model's languages, or say auto"
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
