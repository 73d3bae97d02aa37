"""Pictures of the live page for the README, from a ledger that is made up: `make pictures`."""

from __future__ import annotations

import datetime as dt
import io
import json
import random
import socket
import tempfile
import time
from pathlib import Path
from typing import Any

from PIL import Image, ImageDraw, ImageFont

from browser import Browser
from glimpsed import config
from glimpsed.ledger import Paused, open_ledger
from glimpsed.ledger.hours import QUEUE
from glimpsed.ledger.spending import Bill, local_day
from glimpsed.model import Doubt, DoubtfulField, FileKey, Offer, Usage, Version
from history import History
from webpage import Reader, served

ROOT = Path(__file__).parents[1]
TO = ROOT / "docs" / "pictures"
MOST = 150_000  # bytes of one
SIZE = (1180, 860)
CONFIG = """
state: sqlite:///ledger.sqlite
language: {language}
models:
  gpt-4o: {{api: chat, base_url: https://gateway.example/v1, model: gpt-4o, price: {{input: 2.5, output: 10}}}}
  qwen: {{api: chat, base_url: http://127.0.0.1:8000/v1, model: qwen2.5-vl-7b}}
folders:
  invoices:
    path: invoices
    prompt: Extract supplier, number, date and total.
    model: gpt-4o
    verify_with: qwen
    schema:
      type: object
      required: [supplier, number, date, total]
      properties: {{supplier: {{type: string}}, number: {{type: string}}, date: {{type: string}}, total: {{type: number}}}}
  letters: {{path: letters, prompt: Copy the text., model: qwen}}
  receipts: {{path: receipts, prompt: Copy the text., model: qwen}}
budget: {{per_day: 4}}
"""
SUPPLIERS = (
    "Brennan Joinery Ltd",
    "Northern Timber Company",
    "Harbour Glass",
    "Weber & Ruiz",
    "Okafor Electrics",
)
DOUBT = Doubt(by="qwen", agreement=0.75, fields=(DoubtfulField(path="total", value=1095.0, other=1695.0),))


# This machine's names give way to those of an office.
_NAMES = """(function walk(node) {
  if (node.nodeType === 3) node.data = node.data.split(%s).join("/srv/scans").replace(" on " + %s + " ", " on archive ");
  else node.childNodes.forEach(walk);
})(document.body)"""


class Seeded(History):
    """Scans that look like some."""

    def image(self, folder: str, path: str, size: tuple[int, int] = (826, 1169)) -> FileKey:
        """An invoice, or a typed page."""
        key = super().image(folder, path, (8, 8))
        number = self._seed
        page = Image.new("RGB", size, "white")
        draw = ImageDraw.Draw(page)
        if folder == "invoices":
            draw.rectangle((0, 0, size[0], 126), fill=(24, 84, 120))
            draw.text((66, 44), SUPPLIERS[number % len(SUPPLIERS)], fill="white", font=_font(36))
            draw.text((66, 180), f"INVOICE 2026-{number:04}", fill="black", font=_font(30))
            draw.text((66, 240), _date(number), fill="black", font=_font(22))
            draw.text((530, 570), "Total EUR", fill="black", font=_font(24))
            draw.text((670, 570), f"{_total(number):,.2f}", fill="black", font=_font(24))
        for row in range(6 if folder == "invoices" else 18):
            y = (330 if folder == "invoices" else 120) + 36 * row
            draw.rectangle(
                (66, y, 66 + random.Random(number * 40 + row).randrange(300, 700), y + 10),
                fill=(190, 190, 190),
            )
        out = io.BytesIO()
        page.save(out, "PNG")
        (Path(self.config.folders[folder].path) / path).write_bytes(out.getvalue())
        return key


def _font(size: int) -> Any:
    return ImageFont.load_default(size=size)


def _date(number: int) -> str:
    return f"2026-11-{1 + number % 26:02}"


def _total(number: int) -> float:
    return 1095.0 if number == 1 else (number * 7919) % 90_000 / 100 + 40


def seeded(home: Path, language: str) -> Seeded:
    """A month of an office."""
    (home / "glimpsed.yaml").write_text(CONFIG.format(language=language))
    for name in ("invoices", "letters", "receipts"):
        (home / name).mkdir()
    loaded = config.load(home / "glimpsed.yaml", keys=False)
    made = Seeded(loaded, open_ledger(config.state_url(loaded)))
    now, dice = time.time(), random.Random(3)
    for number in range(1, 41):
        data = {
            "supplier": SUPPLIERS[number % len(SUPPLIERS)], "number": f"2026-{number:04}", "date": _date(number),
            "total": _total(number),
        }  # fmt: skip
        doubt = DOUBT if number == 1 else None
        at = now - 3600 * 17 * (40 - number) - 60
        made.done(
            "invoices",
            f"scan-{number:04}.png",
            (json.dumps(data),),
            at,
            data,
            agreement=0.9 + dice.random() / 10,
            doubt=doubt,
        )
    for number in range(1, 13):
        text = f"Dear Mrs Lindqvist,\n\nthe barge Amalia will be at the north pier on {_date(number)}."
        made.done("letters", f"letter-{number:02}.png", (text,), now - 5000 * number)
    for number, reason in enumerate(
        (
            "The file is cut off: a part of it is missing.",
            "The file is cut off: a part of it is missing.",
            "the model refused",
        )
    ):
        advice = "Copy the file into the folder again, whole."
        made.failed("receipts", f"till-{number}.jpg", reason, now - 4000 * number - 100, advice)
    waiting = [
        Offer(FileKey("invoices", f"2019/{number:05}.png"), Version(300_000, number))
        for number in range(6400)
    ]
    made.ledger.offer(waiting, now)
    _measured(made, now, dice)
    return made


def _measured(made: Seeded, now: float, dice: random.Random) -> None:
    """What was spent, measured and reported meanwhile."""
    ledger, day = made.ledger, dt.timedelta(days=1)
    today = dt.date.fromisoformat(local_day(now))
    bills = []
    for ago in range(1, 30):
        weekday = (today - ago * day).weekday() < 5
        for model, folder, price in (("gpt-4o", "invoices", 0.03), ("qwen", "letters", 0.0)):
            count = dice.randrange(40, 110) if weekday else dice.randrange(3, 15)
            usage = Usage(
                input_tokens=900 * count, output_tokens=120 * count, cost=price * count, currency="USD"
            )
            bills.append((f"{today - ago * day}", Bill(folder, model, usage, count)))
    with ledger._database.write() as c:
        ledger._add_up(c, bills)
    for hour in range(30 * 24, -1, -1):
        at = now - 3600 * hour
        times = dice.randrange(4, 20)
        stages = {"prepare": 0.3, "model": 2.4, "write": 0.05}
        took = {name: (times, times * mean * (0.8 + dice.random() / 2)) for name, mean in stages.items()}
        waiting = max(0, round(60 - 8 * ((23 - hour) % 24 - 9))) if (23 - hour) % 24 > 8 else 0
        ledger.add_hour({**took, QUEUE: (60, 60.0 * waiting)}, at)
    folder = {"state": "watching", "mode": "inotify", "filesystem": "ext4", "reason": None, "settling": 0}
    folders = {name: dict(folder) for name in made.config.folders}
    folders["receipts"] |= {"mode": "poll", "filesystem": "cifs"}
    ledger.heartbeat(ledger.clock(), {"folders": folders})
    ledger.pause(Paused("qwen", "503: busy", ledger.clock(), None, ledger.clock() + 300))


def main() -> None:
    """Each view, in each language."""
    TO.mkdir(exist_ok=True)
    for language in ("en", "zh"):
        with tempfile.TemporaryDirectory() as place:
            home = Path(place)
            made = seeded(home, language)
            with served(made.config, home) as port, Browser(home, *SIZE) as browser, Reader(port) as reader:
                doubtful = next(id_ for id_, _ in made.ledger.doubtful_files())
                views = {
                    "now": "/", "files": "/files?q=timber", "file": f"/files/{doubtful}", "review": "/review",
                    "failures": "/failures", "workbench": f"/workbench?file={doubtful}",
                }  # fmt: skip
                _at_work(made, reader)
                for name, path in views.items():
                    reader.get(path)  # what is kept for a moment is there, then
                    browser.open(f"http://127.0.0.1:{port}{path}")
                    browser.run(
                        "Promise.all([...document.images].map(i => { i.loading = 'eager'; return i.decode(); }))"
                    )
                    _keep(browser, TO / f"{name}{'' if language == 'en' else '.zh-CN'}.png", home)
            made.ledger.close()


def _at_work(made: Seeded, reader: Reader) -> None:
    """Some files more get through while somebody looks, so that there is a rate."""
    with reader.stream("GET", "/live") as news:
        for number, _ in zip(range(12), news.iter_lines(), strict=False):
            made.done("letters", f"new-{number}.png", ("Dear Sir,",))
            time.sleep(2)


def _keep(browser: Browser, to: Path, home: Path) -> None:
    browser.run(_NAMES % (json.dumps(str(home)), json.dumps(socket.gethostname())))
    browser.screenshot(home / "shot.png")
    with Image.open(home / "shot.png") as shot:
        few = shot.convert("RGB").quantize(256, Image.Quantize.MAXCOVERAGE, dither=Image.Dither.NONE)
        few.save(to, optimize=True)
    size = to.stat().st_size
    print(f"{to.relative_to(ROOT)}: {size / 1000:.0f} KB")  # noqa: T201
    assert size <= MOST, f"{to} has {size} bytes"


if __name__ == "__main__":
    main()
