"""How well the embedded OCR reads, beside tesseract and plain rapidocr at its defaults (`make ocr-report`).

Each page is read the way that the daemon does it. CPU is user and system time of the engine's process, the median of
`--times` readings. What was read is kept in build/ocr-report.json, so that `--only glimpsed` compares a change with
what the others read before.
"""

from __future__ import annotations

import argparse
import asyncio
import io
import json
import os
import resource
import shutil
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import astuple
from pathlib import Path
from typing import Any

from ocr_pages import Page, pages
from ocr_score import Score, score
from PIL import Image

from glimpsed.config.schema import TRANSCRIBE, Folder, ModelEntry
from glimpsed.errors import VisionError
from glimpsed.images import plan
from glimpsed.images.prepare import Images
from glimpsed.model import Content, Request, Version
from glimpsed.vision.local import LocalModel

KEPT = Path(__file__).parents[2] / "build/ocr-report.json"
TYPEWRITER = Path(__file__).parents[2] / "../shared/corpus/scans/typewriter.png"
TESSERACT = {
    "en": "eng",
    "de": "deu",
    "fr": "fra",
    "es": "spa",
    "it": "ita",
    "zh": "chi_sim",
    "ru": "rus",
    "nl": "eng",
}
ENGINES = ("glimpsed", "tesseract", "rapidocr")
TICKS = os.sysconf("SC_CLK_TCK")

Read = dict[str, Any]  # text, cpu, and error where it was refused


def encoded(sheet: Image.Image) -> bytes:
    file = io.BytesIO()
    sheet.save(file, "PNG", compress_level=1)
    return file.getvalue()


def cpu_of(pid: int | None) -> float:
    if pid is None:
        return 0.0
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


class Glimpsed:
    """What the daemon does with a page, from its bytes on."""

    def __init__(self) -> None:
        self._entry = ModelEntry(name="local", api="local", model="rapidocr", timeout=600)
        self._folder = Folder(path=".", bands="none")
        self._run = asyncio.Runner()
        self._model, self._images = LocalModel(self._entry), Images(1)
        self(Image.new("L", (400, 300), 255), "en")  # which starts it

    def __call__(self, sheet: Image.Image, language: str) -> Read:
        data = encoded(sheet)
        before = cpu_of(self.pid)
        try:
            text, error = self._run.run(self._ask(data)), None
        except VisionError as e:
            text, error = "", e.verdict.reason
        return {"text": text, "error": error, "cpu": cpu_of(self.pid) - before}

    @property
    def pid(self) -> int | None:
        return self._model._engine.pid  # type: ignore[attr-defined]

    async def _ask(self, data: bytes) -> str:
        content = Content(data, "0" * 64, Version(len(data), 0))
        images = await self._images.prepare(content, 1, plan.target(self._entry, self._folder))
        return (await self._model.ask(Request(prompt=TRANSCRIBE, images=images))).text


class Tesseract:
    """Debian's program, with the page's language, on one thread."""

    def __init__(self) -> None:
        listed = subprocess.run(["tesseract", "--list-langs"], capture_output=True, text=True, check=True)
        self._languages = set(listed.stdout.split())

    def __call__(self, sheet: Image.Image, language: str) -> Read:
        if TESSERACT[language] not in self._languages:
            return {"text": "", "error": "no data for this language", "cpu": 0.0}
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        done = subprocess.run(
            ["tesseract", "stdin", "stdout", "-l", TESSERACT[language]],
            input=encoded(sheet),
            capture_output=True,
            check=True,
            env={**os.environ, "OMP_THREAD_LIMIT": "1"},
        )
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
        return {"text": done.stdout.decode(), "error": None, "cpu": cpu}


class Rapidocr:
    """The library at its defaults: one text after the other."""

    def __init__(self) -> None:
        from rapidocr import RapidOCR

        self._ocr = RapidOCR(params={"Global.log_level": "critical"})

    def __call__(self, sheet: Image.Image, language: str) -> Read:
        import numpy as np

        picture = np.asarray(sheet.convert("RGB"))[:, :, ::-1]
        before = time.process_time()
        found = self._ocr(np.ascontiguousarray(picture))
        return {"text": "\n".join(found.txts or ()), "error": None, "cpu": time.process_time() - before}


def real() -> Iterator[Page]:
    """The corpus's own pages, where it is there."""
    if TYPEWRITER.exists():
        sys.path.insert(0, str(Path(__file__).parents[1]))
        from pictures import TYPED

        with Image.open(TYPEWRITER) as scan:
            sheet = scan.convert("L")
        yield Page("a real scan, typewriter", "nl", lambda: (sheet, [TYPED]))


def read(names: list[str], chosen: list[Page], times: int, kept: dict[str, dict[str, Read]]) -> None:
    makers: dict[str, Callable[[], Any]] = {
        "glimpsed": Glimpsed,
        "tesseract": Tesseract,
        "rapidocr": Rapidocr,
    }
    for name in names:
        if name == "tesseract" and shutil.which("tesseract") is None:
            continue
        engine = makers[name]()
        for page in chosen:
            sheet = page.draw()
            found = [engine(sheet, page.language) for _ in range(times)]
            cpu = min(one["cpu"] for one in found)
            kept.setdefault(page.name, {})[name] = {**found[0], "cpu": cpu}
            sys.stderr.write(f"{name}: {page.name} {cpu:.2f} s\n")
            KEPT.parent.mkdir(exist_ok=True)
            KEPT.write_text(json.dumps(kept, indent=1, ensure_ascii=False))


def scored(page: Page, found: Read | None) -> Score | None:
    if found is None or found["error"]:
        return None
    return score(found["text"], page.truth, spaced=page.language != "zh")


def cells(page: Page, name: str, kept: dict[str, dict[str, Read]]) -> list[str]:
    found = kept.get(page.name, {}).get(name)
    if found is None or (found["error"] and name != "glimpsed"):
        return ["–"] * 5
    if found["error"]:
        return ["refused", "–", "–", "–", f"{found['cpu']:.2f}"]
    result = scored(page, found)
    assert result is not None
    return [*(f"{100 * share:.1f}" for share in astuple(result)), f"{found['cpu']:.2f}"]


def table(chosen: list[Page], kept: dict[str, dict[str, Read]]) -> Iterator[str]:
    """Every page: errors, words found, words run together, order (all in %), CPU seconds of each engine."""
    what = ("errors %", "found %", "together %", "order %", "CPU s")
    yield "| page | " + " | ".join(f"{name}: {one}" for name in ENGINES for one in what) + " |"
    yield "|---" * (1 + len(ENGINES) * len(what)) + "|"
    for page in chosen:
        row = [cell for name in ENGINES for cell in cells(page, name, kept)]
        yield f"| {page.name} | " + " | ".join(row) + " |"


def summary(chosen: list[Page], kept: dict[str, dict[str, Read]]) -> Iterator[str]:
    """Means by kind of page, the languages together; the kinds in which a page is read worst are said as they are."""
    kinds: dict[str, list[Page]] = {}
    for page in chosen:
        if not page.refused:
            kinds.setdefault(page.name.rpartition(", ")[0], []).append(page)
    yield "| pages | " + " | ".join(f"{name}: errors %, found %, order %, CPU s" for name in ENGINES) + " |"
    yield "|---" * (1 + len(ENGINES)) + "|"
    for kind, several in [*kinds.items(), ("all", [page for group in kinds.values() for page in group])]:
        row = []
        for name in ENGINES:
            known = [(scored(p, kept.get(p.name, {}).get(name)), p) for p in several]
            results = [(one, kept[p.name][name]["cpu"]) for one, p in known if one is not None]
            if not results:
                row.append("–")
                continue
            errors, found, order = (
                100 * statistics.fmean(getattr(one, share) for one, _ in results)
                for share in ("errors", "found", "order")
            )
            seconds = statistics.fmean(cpu for _, cpu in results)
            row.append(f"{errors:.1f}, {found:.1f}, {order:.0f}, {seconds:.2f}")
        yield f"| {kind} ({len(several)}) | " + " | ".join(row) + " |"


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--only", nargs="+", choices=ENGINES, default=list(ENGINES))
    options.add_argument("--pages", help="only those whose name holds this")
    options.add_argument("--times", type=int, default=1)
    options.add_argument("--kept", action="store_true", help="read nothing, show what is kept")
    asked = options.parse_args()
    chosen = [page for page in [*pages(), *real()] if (asked.pages or "") in page.name]
    kept = json.loads(KEPT.read_text()) if KEPT.exists() else {}
    if not asked.kept:
        read(asked.only, chosen, asked.times, kept)
    sys.stdout.write("\n".join([*table(chosen, kept), "", *summary(chosen, kept), ""]))


if __name__ == "__main__":
    main()
