"""`glimpsed report` on a ledger with history, and its page in a real browser."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from PIL import Image

from browser import Browser
from glimpsed import cli, config
from glimpsed.ledger import open_ledger
from glimpsed.model import FileKey
from history import CONFIG, History

EVIL = "<script>document.title = 'owned'</script><img src=http://127.0.0.1:9/x onerror=\"document.title='owned'\">"


@pytest.fixture
def history(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[History]:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "glimpsed.yaml").write_text(CONFIG)
    for name in ("invoices", "archive"):
        (tmp_path / name).mkdir()
    loaded = config.load(tmp_path / "glimpsed.yaml", keys=False)
    ledger = open_ledger(config.state_url(loaded))
    yield History(loaded, ledger)
    ledger.close()


def run(*arguments: str) -> int:
    with pytest.raises(SystemExit) as e:
        cli.main(list(arguments))
    return int(e.value.code or 0)


def lived(history: History) -> None:
    """A week of answers, a failure, and an answer that would like to be a script."""
    now = time.time()
    for day in range(7):
        for n in range(day % 3 + 1):
            text = (
                f"Invoice no-{day}{n}\nSupplier: Northern Timber Company\nTotal: {100 * day}.00\n"
                + "More. " * 60
            )
            history.done("invoices", f"2026/{day}-{n}.png", [text], now=now - 86_400 * day)
    history.done("invoices", 'b"><b>.png', [EVIL])
    history.failed("invoices", "torn.png", "The file is torn. " + EVIL)
    history.queued("invoices", "later.png")


def test_the_page_in_a_browser_shows_rows_plots_search_and_runs_nothing_foreign(
    history: History, tmp_path: Path
) -> None:
    lived(history)
    assert run("report", "invoices", "-o", "out.html") == 0
    with Browser(tmp_path) as browser:
        browser.open(f"file://{tmp_path}/out.html")
        rows = len(history.ledger.browse(["invoices"], ["done"], limit=100)) + 1
        assert browser.run("document.querySelectorAll('article').length") == rows
        assert browser.run("document.querySelector('article').className") == "failed"
        assert "torn.png" in browser.run("document.querySelector('article h2').textContent")
        assert browser.run("document.querySelectorAll('svg').length") == 2
        assert browser.run("document.querySelectorAll('svg')[0].querySelectorAll('rect').length") == 7
        assert browser.run("document.querySelectorAll('.charts table')[0].rows.length") == 8  # and its head
        assert browser.run("document.querySelectorAll('svg')[1].getBoundingClientRect().height") > 50
        eager = "Promise.all([...document.images].map(i => { i.loading = 'eager'; return i.decode(); }))"
        assert browser.run(f"{eager}.then(() => [...document.images].every(i => i.naturalWidth > 0))") is True
        assert browser.run("document.images.length") == rows
        # styles are in force, so the policy lets the page's own style and script through
        assert browser.run("getComputedStyle(document.querySelector('article')).display") == "grid"
        assert shown(browser, "SUPPLIER timber") == rows - 2
        assert shown(browser, "invoice NO-00") == 1
        assert browser.run("document.getElementById('found').textContent") == f"1 of {rows}"
        assert browser.run("[...document.querySelectorAll('mark')].map(m => m.textContent)") == [
            "Invoice",
            "no-00",
        ]
        assert shown(browser, "requests sent") == 0  # a fact, not what anybody wrote
        assert shown(browser, "") == rows
        assert browser.run("document.querySelectorAll('mark').length") == 0
        browser.run("document.getElementById('failed').click()")
        assert shown(browser, "") == 1
        browser.run("document.getElementById('failed').click()")
        assert browser.run("document.title").startswith("invoices")
        assert EVIL in browser.run("document.body.textContent")
        assert browser.complaints() == []
        assert [u for u in browser.requested() if not u.startswith("data:")] == [
            f"file://{tmp_path}/out.html"
        ]
        browser.screenshot(tmp_path / "desktop.png")
        phone = browser.window(390, 844)
        phone.open(f"file://{tmp_path}/out.html")
        assert phone.run("document.documentElement.scrollWidth") <= 390
        columns = "getComputedStyle(document.querySelector('article')).gridTemplateColumns.split(' ').length"
        assert phone.run(columns) == 1
        phone.screenshot(tmp_path / "phone.png")
    for name, width in (("desktop.png", 1280), ("phone.png", 390)):
        with Image.open(tmp_path / name) as image:
            assert image.width == width
            assert len(image.convert("RGB").getcolors(1 << 24) or []) > 50


def shown(browser: Browser, words: str) -> int:
    """How many rows are left when these words are typed into the search box."""
    browser.run(
        f"words.value = {words!r}; words.dispatchEvent(new Event('input')); 0".replace(
            "words.", "document.getElementById('words')."
        )
    )
    count: int = browser.run(
        "[...document.querySelectorAll('article')].filter(a => a.offsetParent !== null).length"
    )
    return count


@pytest.mark.parametrize(
    ("typed", "marks"),
    [
        ('"oak planks"', ["oak planks"]),
        ("“oak planks” ", ["oak planks"]),
        ('"planks oak"', None),
        ("(OAK) planks,", ["oak", "planks"]),
        ("muller", ["Müller"]),
        ("Müller-Bau", ["Müller Bau"]),
        ("ﬁrm", ["firm"]),
        ("木材", ["木材"]),
        ("50 €", ["50", "€"]),
        ("oak*", ["oak"]),
    ],
)
def test_the_report_is_searched_as_the_answers_are(
    history: History, tmp_path: Path, typed: str, marks: list[str] | None
) -> None:
    history.done("invoices", "a.png", ["The firm Müller Bau, twelve oak planks: 50 €\n木材公司"])
    history.done("invoices", "b.png", ["planks of pine"])
    assert run("report", "invoices", "-o", "out.html") == 0
    with Browser(tmp_path) as browser:
        browser.open(f"file://{tmp_path}/out.html")
        assert shown(browser, typed) == (0 if marks is None else 1)
        said = browser.run("[...document.querySelectorAll('mark')].map(m => m.textContent)")
        assert said == (marks or [])
        assert "Müller Bau, twelve oak planks: 50 €" in browser.run("document.body.textContent")


def test_without_an_output_the_page_goes_to_a_pipe(
    history: History, capsysbinary: pytest.CaptureFixture[bytes]
) -> None:
    history.done("invoices", "a.png", ["Grüße 漢字"])
    assert run("report", str(history.config.folders["invoices"].path)) == 0
    page = capsysbinary.readouterr().out.decode()
    assert page.startswith("<!doctype html>")
    assert "Grüße 漢字" in page
    assert "href=" not in page


def test_fields_of_a_schema_are_a_table_and_pages_stand_apart(history: History, tmp_path: Path) -> None:
    history.done("invoices", "each.png", ["page one", "page two"])
    history.done("invoices", "fields.png", ["x"], data={"total": 12.5, "lines": [{"name": "\x1b[31moak"}]})
    assert run("report", "invoices", "-o", "out.html") == 0
    page = (tmp_path / "out.html").read_text()
    assert '<th scope="row">lines.0.name</th><td class="said" dir="auto">\\x1b[31moak</td>' in page
    assert "<h3>Page 1</h3>" in page
    assert page.index("page one") < page.index("<h3>Page 2</h3>") < page.index("page two")


def test_every_page_of_a_document_is_pictured(
    history: History, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def scan(folder: str, path: str) -> FileKey:
        pages = [Image.new("L", (60, 80), shade) for shade in (10, 120, 240)]
        pages[0].save(
            Path(history.config.folders[folder].path) / path, "TIFF", save_all=True, append_images=pages[1:]
        )
        return FileKey(folder, path)

    monkeypatch.setattr(history, "image", scan)
    history.done("invoices", "scan.tif", ["text"])
    assert run("report", "invoices", "-o", "out.html") == 0
    assert (tmp_path / "out.html").read_text().count("<img ") == 3


def test_links_lead_from_the_page_to_the_images(history: History, tmp_path: Path) -> None:
    history.done("invoices", "sub/a b#.png")
    (tmp_path / "pages").mkdir()
    assert run("report", "invoices", "-o", "pages/out.html") == 0
    assert 'href="../invoices/sub/a%20b%23.png"' in (tmp_path / "pages/out.html").read_text()


def test_the_limit_keeps_the_latest_and_failures_come_first(history: History, tmp_path: Path) -> None:
    for n in range(4):
        history.done("invoices", f"{n}.png", now=1_000_000.0 + n)
    history.failed("invoices", "bad.png", now=5.0)
    assert run("report", "invoices", "--limit", "3", "-o", "out.html") == 0
    page = (tmp_path / "out.html").read_text()
    assert page.index("bad.png") < page.index("3.png") < page.index("2.png")
    assert "1.png" not in page
    assert "2 older files are not on this page." in page


def test_images_that_are_gone_or_damaged_and_folders_without_json_are_shown_too(
    history: History, tmp_path: Path
) -> None:
    gone = history.done("archive", "gone.png", ["Text of the one that is gone"])
    (Path(history.config.folders["archive"].path) / gone.path).unlink()
    assert run("report", "archive", "-o", "out.html") == 0
    page = (tmp_path / "out.html").read_text()
    assert "Text of the one that is gone" in page
    assert "no picture" in page


def test_answers_are_shown_wherever_their_sidecars_and_their_folder_went(
    history: History, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    history.done("invoices", "a.png", ["Oak planks"])
    folder = Path(history.config.folders["invoices"].path)
    for path in folder.glob("a.png.*"):
        path.unlink()
    assert run("report", "invoices", "-o", "out.html") == 0
    page = (tmp_path / "out.html").read_text()
    assert "Oak planks" in page
    assert "<img " in page
    folder.rename(tmp_path / "away")
    assert run("report", "invoices", "-o", "out.html") == 0
    assert "Oak planks" in (tmp_path / "out.html").read_text()
    assert "cannot be looked at now" in capsys.readouterr().err


def test_what_is_no_folder_or_cannot_be_written_is_wrong_usage(history: History, tmp_path: Path) -> None:
    assert run("report", "nonsense") == 2
    assert run("report", "invoices", "-o", "no/such/place.html") == 2
