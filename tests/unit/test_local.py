from __future__ import annotations

import asyncio
import io
import os
import random
import re
import shutil
import signal
import sys
import textwrap
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import structlog
from PIL import Image as Pillow
from PIL import ImageDraw, ImageFilter, ImageFont

from glimpsed import extras
from glimpsed.children.program import Limits
from glimpsed.config.schema import TRANSCRIBE, ModelEntry
from glimpsed.errors import ConfigError, MissingExtra, VisionError
from glimpsed.model import Image, Request
from glimpsed.ocr import tsv
from glimpsed.vision.engines import rapid
from glimpsed.vision.engines.rapid import Rapid
from glimpsed.vision.local import LocalModel
from pictures import DEJAVU, LETTER, TYPED, page

pytestmark = pytest.mark.anyio

TYPEWRITER = Path(__file__).parents[2] / "../shared/corpus/scans/typewriter.png"

RUSSIAN = [
    "Это письмо из конторы о счёте номер",
    "который мы получили вчера утром",
    "от господина Иванова из Москвы",
    "Просим оплатить его до пятницы",
    "С уважением бухгалтерия завода",
]
LONG_LINES = [
    "Drei der zwölf Fenster im Erdgeschoß schließen nicht, und das Dach über dem Archiv ist seit Jänner undicht. "
    "Wir haben bei der Nordischen Holzgesellschaft angefragt; das Angebot lautet auf 1.284,50 Euro. " * 5,
    "Le chiavi sono dalla signora Bianchi, che è reperibile ogni mattina fra le nove e le undici. "
    "Nel frattempo le casse con i registri dal 1911 al 1938 sono state portate in una stanza asciutta. " * 5,
    "The keys are with Mrs Whitfield, who can be reached every morning between nine and eleven. "
    "Nobody has counted them yet, but there must be more than four hundred. " * 6,
]

NEEDS_DEJAVU = pytest.mark.skipif(not Path(DEJAVU).exists(), reason="needs fonts-dejavu-core")


def entry(model: str = "rapidocr", **keys: Any) -> ModelEntry:
    return ModelEntry(name="local", api="local", model=model, **keys)


def picture(data: bytes, number: int = 1, band: tuple[int, int] | None = None) -> Image:
    with Pillow.open(io.BytesIO(data)) as image:
        return Image(number, f"image/{(image.format or '').lower()}", *image.size, data, band)


def request(*images: Image, **keys: Any) -> Request:
    return Request(prompt="What do you see?", images=images, **keys)


def letter(lines: list[str] = LETTER, kind: str = "PNG") -> Image:
    return picture(page(lines, (1240, 240 + 90 * len(lines)), kind))


def errors(one: str, other: str) -> int:
    """Levenshtein's distance."""
    row = list(range(len(other) + 1))
    for i, a in enumerate(one, 1):
        before, row[0] = row[0], i
        for j, b in enumerate(other, 1):
            before, row[j] = row[j], min(row[j] + 1, row[j - 1] + 1, before + (a != b))
    return row[-1]


async def until(condition: Callable[[], object], seconds: float = 30) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        await asyncio.sleep(0.01)


def is_running(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except FileNotFoundError:
        return False


@pytest.fixture(scope="module")
def anyio_backend() -> str:
    """One event loop for all, as `reader` lives in it."""
    return "asyncio"


@pytest.fixture
async def model() -> AsyncIterator[LocalModel]:
    model = LocalModel(entry())
    yield model
    await model.aclose()


@pytest.fixture(scope="module")
async def reader(anyio_backend: str) -> AsyncIterator[LocalModel]:
    """One for all that are asked about what a page says, and not about the process that reads it."""
    assert anyio_backend == "asyncio"
    model = LocalModel(entry())
    yield model
    await model.aclose()


@pytest.fixture(scope="module")
async def compass(anyio_backend: str) -> AsyncIterator[rapid.Compass]:
    assert anyio_backend == "asyncio"
    compass = rapid.Compass()
    yield compass
    await compass.aclose()


def engine_of(model: LocalModel) -> Rapid:
    engine = model._engine
    assert isinstance(engine, Rapid)
    return engine


# -- rapidocr


async def test_a_rendered_page_is_read_line_by_line_and_costs_nothing(model: LocalModel) -> None:
    with structlog.testing.capture_logs() as lines:
        reply = await model.ask(request(letter(kind="JPEG")))
        again = await model.ask(request(letter(["", "Second page"])))
    assert reply.text.split("\n") == LETTER
    assert again.text == "Second page"
    assert (reply.api, reply.finish, reply.usage.cost, reply.usage.input_tokens) == ("local", "stop", 0.0, 0)
    assert not reply.usage.estimated
    assert reply.answered.startswith("rapidocr-3")
    told = [line for line in lines if "prompts are ignored" in str(line.get("reason"))]
    assert len(told) == 1  # once, not for every page


async def test_that_prompts_are_ignored_is_no_news_where_it_was_asked_to_transcribe(
    model: LocalModel,
) -> None:
    with structlog.testing.capture_logs() as lines:
        await model.ask(Request(prompt=f"{TRANSCRIBE}\n", images=(letter(["Hello"]),)))
    assert [line for line in lines if "prompts are ignored" in str(line.get("reason"))] == []


async def test_an_empty_page_is_an_answer(reader: LocalModel) -> None:
    reply = await reader.ask(request(letter([])))
    assert (reply.text, reply.finish) == ("", "stop")


async def test_pages_are_apart_by_an_empty_line_and_bands_are_not(reader: LocalModel) -> None:
    whole = Pillow.open(io.BytesIO(page(LETTER, (1240, 780))))
    bands = []
    for number, rows in enumerate([(0, 450), (400, 780)], 1):
        buffer = io.BytesIO()
        whole.crop((0, rows[0], 1240, rows[1])).save(buffer, "PNG")
        bands.append(picture(buffer.getvalue(), 1, (number, 2)))
    second = picture(page(["The second page"], (1240, 330)), 2)
    reply = await reader.ask(request(*bands, second))
    assert reply.text == "\n".join(LETTER) + "\n\nThe second page"


@pytest.mark.parametrize("turned", [90, 180, 270])
async def test_a_page_that_lies_on_its_side_or_head_is_turned_and_says_so(
    reader: LocalModel, turned: int
) -> None:
    buffer = io.BytesIO()
    with Pillow.open(io.BytesIO(page([*LETTER, *LETTER[1:]], (1240, 1500)))) as upright:
        upright.rotate(turned, expand=True).save(
            buffer, "PNG"
        )  # against the clock, so it is turned back with it
    reply = await reader.ask(request(picture(buffer.getvalue())))
    assert reply.text.split("\n") == [*LETTER, *LETTER[1:]]
    assert reply.turned == {1: turned}


@pytest.mark.parametrize("turned", [0, 90, 180, 270])
async def test_pages_of_long_lines_are_turned_upright_and_nothing_else_is(
    compass: rapid.Compass, turned: int
) -> None:
    """Squeezed to what the classifier sees, a line as long as a page is wide may as well head the other way."""
    found = []
    for words in LONG_LINES:
        sheet = Pillow.new("L", (1654, 1200), 255)
        pen, font = ImageDraw.Draw(sheet), ImageFont.load_default(size=30)
        for number, line in enumerate(textwrap.wrap(words, 92)):
            pen.text((200, 200 + 42 * number), line, font=font, fill=0)
        buffer = io.BytesIO()
        sheet.rotate(turned, expand=True).save(buffer, "PNG")
        found.append(await compass.turn(picture(buffer.getvalue())))
    assert found == [turned] * len(LONG_LINES)


@pytest.mark.parametrize("turned", [0, 180])
async def test_a_list_of_words_that_look_turned_is_turned_as_it_can_be_read(
    compass: rapid.Compass, turned: int
) -> None:
    """Of some words the classifier is sure that they stand on their head, each time that they come."""
    found = []
    for words in (
        [*["good"] * 6, "Screws 4x40", "458.35"],
        [*["good", "wood"] * 3, "Screws 4x40", "Varnish, clear", "458.35"],
    ):
        sheet = Pillow.new("L", (1240, 900), 255)
        pen, font = ImageDraw.Draw(sheet), ImageFont.load_default(size=26)
        for number, word in enumerate(words):
            pen.text((80, 80 + 55 * number), word, font=font, fill=0)
        buffer = io.BytesIO()
        sheet.rotate(turned).save(buffer, "PNG")
        found.append(await compass.turn(picture(buffer.getvalue())))
    assert found == [turned] * 2


async def test_a_receipt_of_any_length_is_read_to_its_end(reader: LocalModel) -> None:
    lines = [f"Article number {n}" for n in range(60)]
    reply = await reader.ask(request(picture(page(lines, (620, 240 + 90 * len(lines))))))
    assert reply.text.split("\n") == lines


async def test_ink_without_text_is_told_from_an_empty_page(reader: LocalModel) -> None:
    drawing = Pillow.new("L", (1240, 900), 255)
    drawing.paste(Pillow.radial_gradient("L").resize((500, 500)), (300, 200))
    buffer = io.BytesIO()
    drawing.save(buffer, "PNG")
    reply = await reader.ask(request(picture(buffer.getvalue())))
    assert (reply.text, reply.finish) == ("", "nothing_found")


@pytest.mark.parametrize("text", ["12", "7", "1/9", "ix", "A-7"])
async def test_a_number_alone_on_a_page_is_read_where_it_stands(reader: LocalModel, text: str) -> None:
    sheet = Pillow.new("L", (2480, 3508), 255)
    ImageDraw.Draw(sheet).text((1200, 3300), text, font=ImageFont.load_default(size=50), fill=0)
    buffer = io.BytesIO()
    sheet.save(buffer, "PNG")
    reply = await reader.ask(replace(request(picture(buffer.getvalue())), lines=True))
    assert (reply.text, reply.finish) == (text, "stop")
    assert reply.lines is not None
    left, top, right, bottom = reply.lines[0].box
    assert 1150 < left < right < 1400
    assert 3270 < top < bottom < 3390


def _stain(pen: ImageDraw.ImageDraw) -> None:
    dice = random.Random(3)
    for _ in range(9):
        x, y = (at + dice.randrange(90) for at in (1200, 1700))
        pen.ellipse((x, y, x + 90, y + 90), fill=60 + dice.randrange(60))


def _scribble(pen: ImageDraw.ImageDraw) -> None:
    dice = random.Random(3)
    pen.line([(1000 + 12 * n, 1700 + dice.randrange(-50, 50)) for n in range(30)], fill=30, width=7)


@pytest.mark.parametrize("drawn", [_stain, _scribble])
async def test_what_is_drawn_on_a_page_is_read_as_no_letter(
    reader: LocalModel, drawn: Callable[[ImageDraw.ImageDraw], None]
) -> None:
    sheet = Pillow.new("L", (2480, 3508), 250)
    drawn(ImageDraw.Draw(sheet))
    buffer = io.BytesIO()
    sheet.save(buffer, "PNG")
    reply = await reader.ask(request(picture(buffer.getvalue())))
    assert (reply.text, reply.finish) == ("", "nothing_found")


@NEEDS_DEJAVU
async def test_a_script_that_the_engine_does_not_know_is_no_answer(reader: LocalModel) -> None:
    with pytest.raises(VisionError, match="this script is not known to the engine") as failed:
        await reader.ask(request(letter(RUSSIAN)))
    assert failed.value.verdict.kind == "fail"
    assert "tesseract-ocr-rus" in failed.value.verdict.reason


async def test_small_print_on_large_paper_is_read(reader: LocalModel) -> None:
    words = "Thank you for your letter of 14 March 2024 concerning the lease of the premises at 27 Harbour Street."
    sheet = Pillow.new("L", (4961, 1600), 255)
    with Pillow.open(io.BytesIO(page([f"{words} {words}"] * 4, (12000, 600)))) as print_:
        sheet.paste(print_.convert("L").resize((4800, 240), Pillow.Resampling.LANCZOS), (80, 600))
    buffer = io.BytesIO()
    sheet.save(buffer, "PNG")
    reply = await reader.ask(request(picture(buffer.getvalue())))
    wanted = "\n".join([f"{words} {words}"] * 4)
    assert errors(reply.text, wanted) <= 0.02 * len(wanted)


@pytest.mark.skipif(not TYPEWRITER.exists(), reason="the corpus is not there")
async def test_a_typed_scan_is_read_nearly_without_error(reader: LocalModel) -> None:
    buffer = io.BytesIO()
    with Pillow.open(TYPEWRITER) as scan:
        page = scan.convert("RGB")
        page.thumbnail((1600, 1600))
        page.save(buffer, "JPEG", quality=85)
    reply = await reader.ask(request(picture(buffer.getvalue())))
    assert errors(reply.text, TYPED) <= 0.02 * len(TYPED)


async def test_what_is_no_image_fails_and_the_next_page_is_read_by_the_same_process(
    reader: LocalModel,
) -> None:
    with pytest.raises(VisionError) as failed:
        await reader.ask(request(Image(1, "image/png", 10, 10, b"no image")))
    assert failed.value.verdict.kind == "fail"
    pid = engine_of(reader).pid
    await reader.ask(request(letter(["fine"])))
    assert engine_of(reader).pid == pid


async def test_a_process_that_dies_is_started_anew_and_its_page_is_read_again(model: LocalModel) -> None:
    await model.ask(request(letter(["first"])))
    pid = engine_of(model).pid
    assert pid is not None
    os.kill(pid, signal.SIGSTOP)  # in the middle of the page, for sure
    task = asyncio.create_task(model.ask(request(letter(["second"]))))
    await until(lambda: model.pacing.in_flight == 1)
    await asyncio.sleep(0)
    os.kill(pid, signal.SIGKILL)
    assert (await task).text == "second"
    assert engine_of(model).pid != pid


async def test_a_page_that_takes_too_long_ends_its_process_and_is_tried_twice_at_most() -> None:
    model = LocalModel(entry(timeout=30))
    await model.ask(request(letter(["warm"])))
    engine = engine_of(model)
    pid = engine.pid
    [(child, _)] = engine._pool._idle
    child._program = engine._pool.program = replace(engine._pool.program, limits=Limits(clock=0.05))
    assert pid is not None
    with pytest.raises(VisionError, match=r"0\.05 s") as failed:
        await model.ask(request(letter()))
    assert (failed.value.verdict.kind, failed.value.verdict.cut_off) == ("retry", True)
    assert engine.pid is None
    await until(lambda: not is_running(pid))
    await model.aclose()


async def test_a_cancelled_page_does_not_answer_the_next_one(model: LocalModel) -> None:
    await model.ask(request(letter(["warm"])))
    task = asyncio.create_task(model.ask(request(letter(["the cancelled one"]))))
    await until(lambda: model.pacing.in_flight == 1)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert (await model.ask(request(letter(["the next one"])))).text == "the next one"


async def test_an_idle_process_is_let_go_and_comes_back() -> None:
    engine = Rapid(entry(), idle=0.01)
    assert engine.pid is None  # nothing before the first use
    await engine.read(letter(["one"]))
    await until(lambda: engine.pid is None)
    assert (await engine.read(letter(["two"]))).text == "two"
    await engine.aclose()
    assert engine.pid is None


async def test_a_schema_needs_another_model(model: LocalModel) -> None:
    with pytest.raises(VisionError) as failed:
        await model.ask(request(letter(), schema={"type": "object"}))
    assert failed.value.verdict.kind == "switch"
    assert failed.value.requests == 0
    assert engine_of(model).pid is None


async def test_its_process_knows_no_keys(model: LocalModel, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GLIMPSED_API_KEY", "sk-secret")
    await model.ask(request(letter(["one"])))
    environment = await asyncio.to_thread(Path(f"/proc/{engine_of(model).pid}/environ").read_bytes)
    assert b"PATH=" in environment
    assert b"sk-secret" not in environment
    assert b"MALLOC_ARENA_MAX=1" in environment  # or each of its threads keeps a heap


async def test_a_broken_installation_pauses_the_model_and_says_why(monkeypatch: pytest.MonkeyPatch) -> None:
    model = LocalModel(entry(extra={"Det.model_path": "/no/such/model.onnx"}))
    with pytest.raises(VisionError) as failed:
        await model.ask(request(letter(["one"])))
    assert failed.value.verdict.kind in {"pause", "fail"}
    assert "embedded OCR model" in failed.value.verdict.reason
    await model.aclose()


def test_without_the_extra_one_line_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        rapid.importlib.util, "find_spec", lambda name: None if name == "onnxruntime" else object()
    )
    with pytest.raises(MissingExtra, match=re.escape(extras.command("ocr"))):
        LocalModel(entry())


def test_an_engine_that_does_not_exist_is_a_config_error() -> None:
    with pytest.raises(ConfigError, match="rapidocr, tesseract"):
        LocalModel(entry("easyocr"))


DAEMON = """
import asyncio, sys
from pathlib import Path
from glimpsed.config.schema import TRANSCRIBE, ModelEntry
from glimpsed.model import Image
from glimpsed.vision.engines.rapid import Rapid

async def main():
    engine = Rapid(ModelEntry(name="local", api="local", model="rapidocr"))
    picture = Image(1, "image/png", 1, 1, Path(sys.argv[1]).read_bytes())
    await engine.read(picture)
    print(engine.pid, flush=True)
    while True:
        await engine.read(picture)

asyncio.run(main())
"""


async def test_the_process_dies_with_the_daemon_even_in_the_middle_of_a_page(tmp_path: Path) -> None:
    (tmp_path / "page.png").write_bytes(letter().data)
    daemon = await asyncio.create_subprocess_exec(
        sys.executable, "-c", DAEMON, str(tmp_path / "page.png"), stdout=asyncio.subprocess.PIPE
    )
    assert daemon.stdout is not None
    pid = int(await daemon.stdout.readline())
    assert is_running(pid)
    daemon.kill()
    await daemon.wait()
    await until(lambda: not is_running(pid), 5)


# -- tesseract

COLUMNS = "level\\tpage\\tblock\\tparagraph\\tline\\tword\\tleft\\ttop\\twidth\\theight\\tconf\\ttext"
TABLE_TOO = " ".join(tsv.ARGUMENTS)


def program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, script: str) -> None:
    """A tesseract of our own, first on PATH; `table` begins what it says of a page."""
    path = tmp_path / "tesseract"
    path.write_text(f"#!/bin/sh\ntable() {{ printf '{COLUMNS}\\n'; }}\n{textwrap.dedent(script)}")
    path.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")


async def tells_a_blank_page_from_a_drawing(model: LocalModel) -> None:
    blank = await model.ask(request(letter([])))
    assert (blank.text, blank.finish) == ("", "stop")
    drawing = Pillow.new("L", (1240, 900), 255)
    ImageDraw.Draw(drawing).polygon([(300, 200), (800, 250), (500, 700)], fill=90)
    buffer = io.BytesIO()
    drawing.save(buffer, "PNG")
    for lines in (False, True):
        drawn = await model.ask(replace(request(picture(buffer.getvalue())), lines=lines))
        assert (drawn.text, drawn.finish) == ("", "nothing_found")


@pytest.mark.skipif(shutil.which("tesseract") is None, reason="tesseract is not installed")
async def test_debians_tesseract_reads_a_page() -> None:
    model = LocalModel(entry("tesseract"))
    reply = await model.ask(request(letter()))
    assert [line for line in reply.text.split("\n") if line] == LETTER
    assert reply.answered.startswith("tesseract-")
    await tells_a_blank_page_from_a_drawing(model)
    await model.aclose()


@pytest.mark.skipif(shutil.which("tesseract") is None, reason="tesseract is not installed")
@pytest.mark.parametrize("turn", [90, 180, 270])
async def test_debians_tesseract_reads_pages_on_a_side_or_their_head(turn: int) -> None:
    model = LocalModel(entry("tesseract"))
    with Pillow.open(io.BytesIO(letter([*LETTER, *LETTER]).data)) as upright:
        buffer = io.BytesIO()
        upright.rotate(turn, expand=True).save(buffer, "PNG")
    reply = await model.ask(request(picture(buffer.getvalue())))
    assert [line for line in reply.text.split("\n") if line] == [*LETTER, *LETTER]
    # The other side it reads by itself, and does not say so.
    assert reply.turned == ({} if turn == 270 else {1: turn})
    await model.aclose()


@pytest.mark.skipif(shutil.which("tesseract") is None, reason="tesseract is not installed")
@NEEDS_DEJAVU
async def test_debians_tesseract_gives_no_answer_in_a_script_that_it_was_not_told_to_read() -> None:
    model = LocalModel(entry("tesseract"))
    with pytest.raises(
        VisionError, match=r"script is not known to the engine.* \(eng\), perhaps Cyrillic.*tesseract-ocr-rus"
    ) as failed:
        await model.ask(request(letter([*RUSSIAN, *RUSSIAN])))
    assert failed.value.verdict.kind == "fail"
    await model.aclose()


@pytest.mark.skipif(shutil.which("tesseract") is None, reason="tesseract is not installed")
async def test_debians_tesseract_answers_where_poor_print_is_read_by_half() -> None:
    model = LocalModel(entry("tesseract"))
    with Pillow.open(io.BytesIO(letter([*LETTER, *LETTER]).data)) as sharp:
        buffer = io.BytesIO()
        sharp.filter(ImageFilter.GaussianBlur(2.6)).save(buffer, "PNG")
    assert (await model.ask(request(picture(buffer.getvalue())))).text
    await model.aclose()


async def test_tesseract_gets_the_image_on_stdin_its_languages_one_thread_and_no_key(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program(
        tmp_path,
        monkeypatch,
        f"""
        [ "$1" = --version ] && echo tesseract 9.9 && exit
        cat > {tmp_path}/image
        table; echo "$@"; echo "$OMP_THREAD_LIMIT[$GLIMPSED_API_KEY]"; echo; echo; printf '\\f'
    """,
    )
    monkeypatch.setenv("GLIMPSED_API_KEY", "sk-secret")
    model = LocalModel(entry("tesseract", extra={"languages": ["eng", "chi_sim"]}))
    reply = await model.ask(request(Image(1, "image/png", 1, 1, b"the image")))
    assert reply.text == f"stdin stdout -l eng+chi_sim {TABLE_TOO}\n1[]"
    assert reply.answered == "tesseract-9.9"
    assert (tmp_path / "image").read_bytes() == b"the image"
    await model.aclose()


@pytest.mark.parametrize(
    ("script", "kind", "reason"),
    [
        ("echo \"Failed loading language 'xyz'\" >&2; exit 1", "pause", "apt install tesseract-ocr-LANGUAGE"),
        ("echo 'Error during processing.' >&2; exit 1", "fail", "Error during processing"),
        ("kill -9 $$", "retry", "its process died twice"),
        ("exit 1", "fail", "no reason"),
        ("exec sleep 60", "retry", "no text after 0.5 s"),
    ],
)
async def test_what_tesseract_complains_about_has_a_verdict(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, script: str, kind: str, reason: str
) -> None:
    program(tmp_path, monkeypatch, f"""[ "$1" = --version ] && echo tesseract 9.9 && exit\n{script}\n""")
    model = LocalModel(entry("tesseract", timeout=0.5))
    with pytest.raises(VisionError, match=reason) as failed:
        await model.ask(request(Image(1, "image/png", 1, 1, b"x" * 1_000_000)))
    assert failed.value.verdict.kind == kind
    assert (model.pacing.paused is not None) == (kind == "pause")
    await model.aclose()


@pytest.mark.skipif(shutil.which("tesseract") is None, reason="tesseract is not installed")
async def test_auto_reads_each_page_with_the_languages_of_its_script() -> None:
    model = LocalModel(entry("tesseract", extra={"languages": "auto"}))
    reply = await model.ask(request(letter([*LETTER, *LETTER])))
    assert [line for line in reply.text.split("\n") if line] == [*LETTER, *LETTER]
    await tells_a_blank_page_from_a_drawing(model)
    await model.aclose()


LISTED = """
    case "$*" in
        *--version*) echo tesseract 9.9 ;;
        *--list-langs*) printf 'List of available languages (4):\\nchi_sim\\neng\\n%s\\nrus\\n' "{osd}" ;;
        *"--psm 0"*) cat > /dev/null; printf 'Page number: 0\\nScript: {script}\\nScript confidence: 9\\n' ;;
        *) cat > /dev/null; table; echo "$@" ;;
    esac
"""


@pytest.mark.parametrize(
    ("script", "languages"), [("Cyrillic", "rus"), ("Han", "chi_sim"), ("Nonsense", "eng")]
)
async def test_the_script_that_is_detected_chooses_among_what_is_installed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, script: str, languages: str
) -> None:
    program(tmp_path, monkeypatch, LISTED.format(osd="osd", script=script))
    model = LocalModel(entry("tesseract", extra={"languages": "auto"}))
    reply = await model.ask(request(Image(1, "image/png", 1, 1, b"the image")))
    assert reply.text == f"stdin stdout -l {languages} {TABLE_TOO}"
    await model.aclose()


async def test_a_script_without_data_is_told_with_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program(tmp_path, monkeypatch, LISTED.format(osd="osd", script="Hebrew"))
    model = LocalModel(entry("tesseract", extra={"languages": "auto"}))
    with pytest.raises(
        VisionError, match=r"script is not known.*Hebrew; apt install tesseract-ocr-heb"
    ) as failed:
        await model.ask(request(Image(1, "image/png", 1, 1, b"the image")))
    assert failed.value.verdict.kind == "fail"
    await model.aclose()
    program(tmp_path, monkeypatch, LISTED.format(osd="fra", script="Latin"))
    with pytest.raises(ConfigError, match="apt install tesseract-ocr-osd"):
        LocalModel(entry("tesseract", extra={"languages": "auto"}))


def test_tesseract_missing_or_with_odd_languages_is_a_config_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program(tmp_path, monkeypatch, "echo tesseract 9.9")
    for languages in ("eng", [], [1], ["-"], ["eng", ""]):
        with pytest.raises(ConfigError, match="languages"):
            LocalModel(entry("tesseract", extra={"languages": languages}))
    monkeypatch.setenv("PATH", str(tmp_path / "empty"))
    with pytest.raises(ConfigError, match="apt install tesseract-ocr"):
        LocalModel(entry("tesseract"))


def test_pages_for_ocr_keep_their_size_unless_the_config_says_otherwise() -> None:
    assert entry().max_edge == 7500
    assert entry(max_edge=2048).max_edge == 2048
    assert ModelEntry(api="chat").max_edge == 2048


async def test_the_engine_reports_to_nobody_and_leaves_nothing_in_the_home_directory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    model = LocalModel(entry())
    try:
        await model.ask(request(letter()))
    finally:
        await model.aclose()
    assert list(tmp_path.rglob("*")) == []  # noqa: ASYNC240 - a look at the end
