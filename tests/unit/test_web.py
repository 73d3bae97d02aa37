"""The live page's views and actions, over real HTTP on loopback and a ledger with history."""

from __future__ import annotations

import datetime as dt
import io
import json
import math
import re
import string
import time
from collections.abc import Iterator
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from PIL import Image

from daemon import wait_until
from glimpsed.language import translator
from glimpsed.ledger import Paused, Reason, Spend, local_day
from glimpsed.ledger.hours import QUEUE, Hour
from glimpsed.looks import charts
from glimpsed.model import FileKey
from glimpsed.web.excerpts import marked, readable
from glimpsed.web.failures import grouped
from glimpsed.web.pictures import Cache
from glimpsed.web.served import cache_directory
from history import CONFIG, History
from webpage import Reader, history, served

NOW = time.time()
FILES = 60


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("page")


@pytest.fixture(scope="module")
def told(home: Path) -> Iterator[History]:
    made = history(home)
    for number in range(FILES):
        made.done("invoices", f"scan-{number:03}.png", (f"Invoice {number} for oak planks",), NOW - number)
    made.done("archive", "two.png", ("First page", "<script>alert(1)</script>"), NOW - 500)
    for number in range(3):
        made.failed(
            "archive", f"bad-{number}.png", f"Page {number} of 'x{number}.png' is damaged.", NOW - 600
        )
    made.failed("archive", "<b>long</b>.png", "It has 80 pages, more than max_pages allows (50).", NOW - 700)
    made.done("archive", "changed.png", ("Old.",), NOW - 800)
    made.done("archive", "linked.png", ("Elsewhere.",), NOW - 800)
    made.failed("archive", "again.png", "It is broken.", NOW - 900)
    made.queued("archive", "waits.png", NOW)
    yield made
    made.ledger.close()


@pytest.fixture(scope="module")
def port(told: History, home: Path) -> Iterator[int]:
    with served(told.config, home) as found:
        yield found


@pytest.fixture
def reader(port: int) -> Iterator[Reader]:
    with Reader(port) as found:
        yield found


def number_of(told: History, folder: str, path: str) -> int:
    row = told.ledger.find(FileKey(folder, path))
    assert row is not None
    return row.id


def test_now_shows_folders_their_counts_and_what_just_happened(reader: Reader) -> None:
    page = reader.get("/")
    assert page.status_code == 200
    assert '<html lang="en">' in page.text
    assert "no daemon watches it" in page.text
    assert re.search(rf"state=done\">{FILES}</a>", page.text)
    assert "scan-000.png" in page.text
    for view in ("Now", "Files", "Review", "Failures", "Workbench"):
        assert re.search(rf"<a [^>]*>{view}</a>", page.text)


def test_every_file_is_on_exactly_one_page_of_the_list_and_next_leads_through_them(reader: Reader) -> None:
    found: list[str] = []
    url = "/files"
    for _ in range(10):
        page = reader.get(url).text
        found += re.findall(r'name="file" value="(\d+)"', page)
        following = re.search(r'<a rel="next" href="([^"]*)"', page)
        if following is None:
            break
        url = following[1].replace("&amp;", "&")
    assert len(found) == len(set(found)) == FILES + 9


def test_the_list_is_of_one_folder_one_state_and_one_time(reader: Reader) -> None:
    assert "5 files" in reader.get("/files", params={"folder": "archive", "state": "failed"}).text
    assert "No files" in reader.get("/files", params={"since": "2099-01-01"}).text
    assert "scan-000.png" in reader.get("/files", params={"since": "2020-01-01", "until": "2098-01-01"}).text
    assert reader.get("/files", params={"since": "x", "after": "1e999-9", "state": "?"}).status_code == 200


def test_files_are_found_by_a_part_of_their_path_and_next_goes_on(reader: Reader) -> None:
    def found(**asked: str) -> list[str]:
        page = reader.get("/files", params=asked).text
        names: list[str] = []
        while True:
            names += re.findall(r'dir="auto">([^<]*)</a> <span class="soft">', page)
            following = re.search(r'<a rel="next" href="([^"]*)"', page)
            if following is None:
                return names
            page = reader.get(following[1].replace("&amp;", "&")).text

    assert sorted(found(name="SCAN-")) == [f"scan-{number:03}.png" for number in range(FILES)]
    assert found(name="ｃａｎ-011") == ["scan-011.png"]
    assert found(name="<b>") == ["&lt;b&gt;long&lt;/b&gt;.png"]
    assert found(name="two", folder="archive", state="done") == ["two.png"]
    assert found(name="two", folder="invoices") == found(name="two", state="failed") == []
    assert found(name="two", until="2020-01-01") == found(name="%") == found(name="_") == []
    assert found(name="two", state="doubtful") == []
    assert sorted(found(name="scan-00", q="oak plank")) == [f"scan-00{number}.png" for number in range(10)]


def test_a_search_goes_with_folder_state_and_time_and_next_leads_through_all_of_it(
    reader: Reader, told: History
) -> None:
    def found(**asked: str) -> list[str]:
        names: list[str] = []
        page = reader.get("/files", params={"q": "oak plank", **asked}).text
        while following := re.search(r'<a rel="next" href="([^"]*)"', page):
            names += re.findall(r'name="file" value="(\d+)"', page)
            assert f"{FILES} files match" in page
            page = reader.get(following[1].replace("&amp;", "&")).text
        return names + re.findall(r'name="file" value="(\d+)"', page)

    assert len(found()) == len(set(found())) == FILES
    assert len(found(folder="invoices", state="done", since="2020-01-01")) == FILES
    assert found(folder="archive") == found(folder="no such") == found(state="failed") == []
    assert found(until="2020-01-01") == found(since="2099-01-01") == found(state="doubtful") == []
    until = time.strftime("%Y-%m-%d", time.localtime(NOW))
    assert len(found(until=until, name="scan-01", state="done")) == 10
    assert "10 files match" in reader.get("/files", params={"q": "oak", "name": "scan-01"}).text


def test_files_of_a_time_are_counted(reader: Reader) -> None:
    whole = reader.get("/files", params={"folder": "invoices"}).text
    assert f"{FILES} files," in whole
    page = reader.get("/files", params={"folder": "invoices", "since": "2020-01-01", "until": "9999-12-31"})
    assert f"{FILES} files," in page.text


def test_what_is_chosen_among_the_hits_is_exported_redone_and_rewritten(
    reader: Reader, told: History
) -> None:
    page = reader.get("/files", params={"q": "oak plank", "name": "scan-04"}).text
    form = next(part for part in page.split("<form") if "With those chosen" in part)
    chosen = re.findall(r'name="file" value="(\d+)"', form)
    assert len(chosen) == 10
    exported = reader.send_form("<form" + form, "Export", file=chosen)
    assert exported.text.count("oak planks") == 10
    asked = reader.send_form("<form" + form, "Redo", file=chosen)
    assert "10 files would be asked about again" in asked.text
    assert "q=oak+plank" in asked.text  # Leave it leads back
    assert "Written anew: 10 files." in reader.send_form("<form" + form, "Rewrite", file=chosen).text


def test_a_search_finds_answers_marks_the_words_and_needs_no_script(reader: Reader) -> None:
    page = reader.get("/files", params={"q": "oak plank"}).text
    assert "<mark>oak</mark>" in page
    assert "<mark>plank</mark>s" in page
    assert f"{FILES} files match" in page
    assert "0 files match" in reader.get("/files", params={"q": "nothing such"}).text
    assert reader.get("/files", params={"q": '"*(^'}).status_code == 200


def test_one_file_shows_its_answer_beside_its_pages_as_text(reader: Reader, told: History) -> None:
    page = reader.get(f"/files/{number_of(told, 'archive', 'two.png')}").text
    assert "First page" in page
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in page
    assert "<script>alert" not in page
    assert "gpt-4o-2024-08-06" in page
    assert "1,000 in, 100 out" in page
    assert page.count('<figure class="page"') == 2


def test_a_picture_is_made_anew_and_never_the_files_own_bytes(
    reader: Reader, told: History, home: Path
) -> None:
    number = number_of(told, "invoices", "scan-001.png")
    got = reader.get(f"/files/{number}/pages/1")
    assert got.headers["content-type"] == "image/jpeg"
    assert "private" in got.headers["cache-control"]
    assert Image.open(io.BytesIO(got.content)).format == "JPEG"
    assert got.content != (home / "invoices" / "scan-001.png").read_bytes()
    small = reader.get(f"/files/{number}/pages/1?size=small")
    assert max(Image.open(io.BytesIO(small.content)).size) == 320
    assert len(list((home / "cache" / "pages").iterdir())) >= 2
    assert reader.get(f"/files/{number}/pages/2").status_code == 404
    assert reader.get("/files/999999/pages/1").status_code == 404


def test_a_file_that_was_changed_since_is_not_shown_as_what_was_answered(
    reader: Reader, told: History
) -> None:
    number = number_of(told, "archive", "changed.png")
    told.image("archive", "changed.png")
    assert reader.get(f"/files/{number}/pages/1").status_code == 404


def test_a_link_out_of_the_folder_is_not_followed(reader: Reader, told: History, home: Path) -> None:
    number = number_of(told, "archive", "linked.png")
    place = home / "archive" / "linked.png"
    place.rename(home / "elsewhere.png")
    place.symlink_to(home / "elsewhere.png")
    assert reader.get(f"/files/{number}/pages/1").status_code == 404


def test_failures_are_grouped_by_reason_and_all_of_one_can_be_retried(reader: Reader, told: History) -> None:
    page = reader.get("/failures").text
    assert page.count("<article") == 3
    assert "3 files in archive" in page
    assert "Scan it again." in page
    assert "&lt;b&gt;long&lt;/b&gt;.png" in page
    damaged = next(part for part in page.split("<article")[1:] if "damaged" in part)
    done = reader.send_form(damaged, "Retry")
    assert done.status_code == 200
    assert "Queued again: 3 files." in done.text
    counts = told.ledger.counts(["archive"])["archive"]
    assert counts["failed"] == 2


def test_one_file_is_retried_and_the_page_says_what_came_of_it_once(reader: Reader, told: History) -> None:
    number = number_of(told, "archive", "again.png")
    done = reader.press(f"/files/{number}", "Retry")
    assert "Queued again: 1 file." in done.text
    row = told.ledger.numbered(number)
    assert row is not None
    assert row.state == "queued"
    assert "Queued again" not in reader.get(f"/files/{number}").text


def test_redo_says_what_it_costs_before_it_does_it(reader: Reader, told: History) -> None:
    number = number_of(told, "invoices", "scan-002.png")
    asked = reader.press(f"/files/{number}", "Redo")
    assert "Ask again?" in asked.text
    assert "USD" in asked.text
    row = told.ledger.numbered(number)
    assert row is not None
    assert row.state == "done"
    done = reader.send_form(asked.text, "Redo")
    assert "Queued again: 1 file." in done.text
    row = told.ledger.numbered(number)
    assert row is not None
    assert row.state == "queued"


def test_one_page_is_asked_about_again_and_the_others_keep_their_answers(
    tmp_path: Path,
) -> None:
    (tmp_path / "apart").mkdir()
    apart = "folders:\n  apart: {path: apart, prompt: Read it., model: m, pages: each}"
    told = history(tmp_path, CONFIG.replace("folders:", apart))
    file = f"/files/{done_in(told, 'apart')}"
    together = f"/files/{done_in(told, 'invoices')}"
    with served(told.config, tmp_path) as port, Reader(port) as reader:
        assert 'name="page"' not in reader.get(together).text
        assert "asks about all pages together" in reader.press(together, "Redo", page="1").text
        page = reader.get(file).text
        assert re.findall(r'<option value="(\d*)"', page) == ["", "1", "2", "3"]
        assert "has no answer to a page 4" in reader.send_form(page, "Redo", page="4").text
        assert reader.send_form(page, "Redo", page="²").status_code == 400
        asked = reader.send_form(page, "Redo", page="1")
        assert "Page 1 would be asked about again" in asked.text
        assert "USD" in asked.text
        assert told.ledger.find(FileKey("apart", "a.png")).state == "done"  # type: ignore[union-attr]
        assert "Queued again: 1 file." in reader.send_form(asked.text, "Redo").text
        assert 'name="page"' not in reader.get(file).text
    (job,) = told.ledger.claim(folders=["apart"], limit=1, now=time.time())
    assert [record.answer.page for record in job.pages] == [2, 3]
    told.ledger.close()


def test_a_page_of_a_reviewed_file_is_asked_about_only_when_that_is_said(tmp_path: Path) -> None:
    (tmp_path / "apart").mkdir()
    apart = "folders:\n  apart: {path: apart, prompt: Read it., model: m, pages: each}"
    told = history(tmp_path, CONFIG.replace("folders:", apart))
    file = f"/files/{done_in(told, 'apart')}"
    with served(told.config, tmp_path) as port, Reader(port) as reader:
        assert "Confirmed" in reader.press(file, "Confirm").text
        asked = reader.press(file, "Redo", page="2")
        assert "1 file was corrected or confirmed" in asked.text
        assert "<button autofocus>Redo</button>" not in asked.text
        whole = reader.send_form(asked.text, "Ask all the same")
        assert "Page 2 would be asked about again" in whole.text
        assert "Queued again: 1 file." in reader.send_form(whole.text, "Redo").text
    told.ledger.close()


def done_in(told: History, folder: str) -> int:
    """The number of a file of three pages."""
    told.done(folder, "a.png", ("One.", "Two.", "Three."))
    return number_of(told, folder, "a.png")


def test_a_file_goes_to_the_workbench_with_another_model_chosen(tmp_path: Path) -> None:
    other = (
        "models:\n  other: {api: chat, base_url: 'http://127.0.0.1:9/v1', model: x, api_key_credential: k}"
    )
    told = history(tmp_path, CONFIG.replace("models:", other))
    file = f"/files/{done_in(told, 'invoices')}"
    with served(told.config, tmp_path) as port, Reader(port) as reader:
        page = reader.get(file).text
        assert re.findall(r'<option value="([^"]*)"', page) == ["", "other"]
        assert re.findall(
            r'value="(\w+)" checked', reader.send_form(page, "Workbench", model="other").text
        ) == ["other"]
        assert re.findall(r'value="(\w+)" checked', reader.send_form(page, "Workbench", model="").text) == [
            "m"
        ]
    told.ledger.close()


def test_rewrite_brings_a_sidecar_back(reader: Reader, told: History, home: Path) -> None:
    sidecar = home / "invoices" / "scan-003.png.txt"
    sidecar.unlink()
    done = reader.press(f"/files/{number_of(told, 'invoices', 'scan-003.png')}", "Rewrite")
    assert "Written anew: 1 file." in done.text
    assert sidecar.read_text() == "Invoice 3 for oak planks\n"


def test_a_backlog_is_approved(reader: Reader, told: History) -> None:
    told.ledger.hold("archive", NOW - 60)
    wait_until(lambda: "Approve</button>" in reader.get("/").text, "the backlog does not show")
    done = reader.press("/", "Approve")
    assert "archive: released" in done.text
    assert told.ledger.held() == {}


def test_a_paused_model_is_resumed_once_a_daemon_runs(reader: Reader, told: History) -> None:
    clock = told.ledger.clock
    told.ledger.pause(Paused("m", "401: no key", clock(), None, clock() + 500))
    wait_until(lambda: "Resume</button>" in reader.get("/").text, "the pause does not show")
    assert "No daemon is running" in reader.press("/", "Resume").text
    told.ledger.heartbeat(clock(), {})
    assert "m is probed now." in reader.press("/", "Resume").text
    assert told.ledger.pauses()["m"].next_probe <= clock() + 1  # type: ignore[operator]


def test_what_is_not_there_is_404_and_a_form_without_files_says_so(reader: Reader) -> None:
    for url in ("/nothing", "/files/0", "/files/x", f"/files/{2**80}", "/static/../app.py", "/static/app.py"):
        assert reader.get(url).status_code == 404, url
    html = reader.get("/files").text
    form = next(part for part in html.split("<form") if "With those chosen" in part)
    assert "No file was chosen." in reader.send_form("<form" + form, "Redo").text


def test_news_come_as_server_sent_events(reader: Reader) -> None:
    with reader.stream("GET", "/live") as events:
        assert events.headers["content-type"].startswith("text/event-stream")
        lines = events.iter_lines()
        first = next(line for line in lines if line.startswith("data:"))
    assert len(first) > 10


reasons = st.text(st.characters(codec="utf-8"), max_size=40)


@given(st.lists(st.tuples(reasons, st.integers(1, 9), st.floats(0, 9)), max_size=20))
def test_grouping_loses_no_file(failed: list[tuple[str, int, float]]) -> None:
    found = grouped([Reason("in", text, "", files, last) for text, files, last in failed])
    assert sum(group.files for group in found) == sum(files for _, files, _ in failed)
    assert len({group.key for group in found}) == len(found)


def test_reasons_that_differ_in_names_and_numbers_are_one() -> None:
    texts = (
        "It has 80 pages, more than 50.",
        "It has 1,234 pages, more than 50.",
        "'a b.png' is 3.",
        "'c' is 4.",
    )
    assert [group.files for group in grouped([Reason("in", text, "", 1, 0) for text in texts])] == [2, 2]


@given(st.text(max_size=400), st.text(max_size=30))
@example("ﬁrm \u0301Müllerß", "m")
def test_marking_keeps_a_short_line_as_it_is(line: str, text: str) -> None:
    pieces = marked(line, text)
    assert all(piece for piece, _ in pieces)
    if line.isprintable() and len(line) <= 200:
        assert "".join(piece for piece, _ in pieces) == readable(line)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("planks,", "planks"),
        ("(OAK)", "oak"),
        ("oak/planks", "oak planks"),
        ('"oak planks" kind', "oak planks"),
        ("“planks”", "planks"),
        ("ｐｌａｎｋｓ", "planks"),
        ("MULLER", "Müller"),
        ("plan", "plan"),
        ("木材公司", "木材 公司"),
        ("公司。", "公司"),
    ],
)
def test_what_the_search_finds_is_shown_and_marked_however_it_was_typed(
    tmp_path: Path, text: str, found: str
) -> None:
    page = "A letter\nDear ﬁrm Müller, oak planks\n發票 木材 公司\nKind regards"
    made = history(tmp_path)
    made.done("invoices", "a.png", (page,), 1)
    (hit,) = made.ledger.search(text)
    made.ledger.close()
    assert found in hit.line
    assert (found, True) in marked(hit.line, text)


JSON = st.recursive(
    st.text(string.ascii_letters + "ש文é", min_size=1) | st.integers() | st.booleans() | st.none(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("abc"), inner),
    max_leaves=6,
)


@given(st.dictionaries(st.sampled_from("abc"), JSON, min_size=1), st.sampled_from([None, 1]), st.booleans())
def test_an_answer_in_json_is_read_as_its_fields(
    data: dict[str, object], indent: int | None, ascii_only: bool
) -> None:
    said = readable(json.dumps(data, indent=indent, ensure_ascii=ascii_only))
    assert not set(said) & set('{}[]"\\')
    assert all(str(value) in said for value in [*data, *data.values()] if isinstance(value, str))


@given(st.text(max_size=60), st.integers(0, 60))
def test_any_piece_of_json_and_any_text_is_read(text: str, end: int) -> None:
    readable(json.dumps({"a": text, "b": [text]})[:end])
    readable(text)


def test_fields_are_parted_and_cut_off_texts_stay() -> None:
    whole = '{"supplier": "Weber & Ruiz", "items": [{"price": 2, "n": "a b"}, {"price": 3}], "paid": true}'
    assert readable(whole) == "supplier: Weber & Ruiz · items: price: 2 · n: a b · price: 3 · paid: true"
    assert readable('{"a": "\\u05e9", "b": "half of i') == "a: ש · b: half of i"
    assert readable('  "total": 12.5,') == "total: 12.5"
    for text in ("Dear {name}, [sic]", '"Quoted," he said.', "", "[1, 2]"):
        assert readable(text) == text


def test_pictures_on_disk_are_bounded_and_the_last_ones_stay(tmp_path: Path) -> None:
    cache = Cache(tmp_path / "pages", most=100)
    for number in range(20):
        cache.put(str(number), bytes(30))
        cache.get("0")
    assert cache.get("0") == bytes(30)
    assert cache.get("1") is None
    assert sum(file.stat().st_size for file in (tmp_path / "pages").iterdir()) <= 100
    assert Cache(tmp_path / "pages", most=100).get("19") == bytes(30)
    assert (tmp_path / "pages").stat().st_mode & 0o777 == 0o700
    Cache(Path("/proc/nothing")).put("x", b"x")


def test_the_page_keeps_things_where_the_unit_says(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CACHE_DIRECTORY", "/var/cache/glimpsed:/elsewhere")
    assert cache_directory() == Path("/var/cache/glimpsed")
    monkeypatch.delenv("CACHE_DIRECTORY")
    assert cache_directory().name == "glimpsed"


def test_the_page_speaks_the_browsers_language_and_what_the_program_said_with_it(reader: Reader) -> None:
    for asked, lang in (
        ("zh-CN,zh;q=0.9,en;q=0.8", "zh"),
        ("de, zh-TW;q=0.5, en;q=0.1", "zh"),
        ("en-GB,zh;q=0.9", "en"),
        ("de", "en"),
        ("zh;q=0", "en"),
        (";;q=x,,", "en"),
    ):
        assert f'<html lang="{lang}">' in reader.get("/", headers={"Accept-Language": asked}).text, asked
    chinese = {"Accept-Language": "zh"}
    page = reader.get("/", headers=chinese).text
    assert ">现状</a>" in page
    assert "文件" in reader.get("/files", headers=chinese).text
    assert "没有这个页面。" in reader.get("/nothing", headers=chinese).text


def test_the_language_of_the_config_counts_before_the_browsers(told: History, home: Path) -> None:
    chinese = told.config.model_copy(update={"language": "zh"})
    with served(chinese, home) as port, Reader(port, headers={"Accept-Language": "en"}) as reader:
        assert '<html lang="zh">' in reader.get("/failures").text


def test_answers_of_chosen_files_are_exported_as_a_table(reader: Reader, told: History) -> None:
    html = reader.get("/files").text
    form = next(part for part in html.split("<form") if "With those chosen" in part)
    numbers = [number_of(told, "invoices", f"scan-00{n}.png") for n in (4, 5)]
    got = reader.send_form("<form" + form, "Export", file=numbers)
    assert got.headers["content-type"].startswith("text/csv")
    assert "attachment" in got.headers["content-disposition"]
    lines = got.text.splitlines()
    assert lines[0].startswith("folder,file,model,")
    assert sorted(line.split(",")[1] for line in lines[1:]) == ["scan-004.png", "scan-005.png"]
    assert "Invoice 4 for oak planks" in got.text


def test_now_has_charts_with_a_table_for_those_who_cannot_see_them(reader: Reader) -> None:
    page = reader.get("/").text
    assert "Spent a day, USD" in page
    assert '<line class="budget"' in page
    assert '<rect class="s0"' in page
    assert "Files that wait, by hour" in page
    assert page.count("<summary>As a table</summary>") == 4


def total(chart: charts.Chart) -> float:
    return sum(value or 0.0 for values in chart.series.values() for value in values)


def noon(day: str) -> float:
    return dt.datetime.fromisoformat(f"{day}T12:00").astimezone().timestamp()


days = st.sampled_from(charts.days_until("2026-11-26", 30))
paid = st.builds(
    Spend, days, st.sampled_from(["in", "<out>"]), st.sampled_from(["m", "n&"]), st.just("USD"),
    st.integers(0, 9), st.just(0), st.just(0), st.floats(0, 1e6),
)  # fmt: skip


@given(st.lists(paid, max_size=20), st.none() | st.floats(0.01, 1e6))
def test_charts_show_all_that_was_spent_and_are_well_formed(spend: list[Spend], budget: float | None) -> None:
    chart = charts.spent(spend, "2026-11-26", 30, "USD", budget)
    assert math.isclose(total(chart), sum(one.cost for one in spend), rel_tol=1e-9, abs_tol=1e-9)
    shown = sum(sum(one or 0 for one in values) for _, values in chart.rows)
    assert math.isclose(shown, total(chart), rel_tol=1e-9, abs_tol=1e-9)
    drawn = ET.fromstring(str(chart.drawn()))
    assert all(0 <= float(r.get("y", -1)) <= charts.HEIGHT for r in drawn.iter("rect"))
    assert total(charts.answered(spend, "2026-11-26", 30)) == sum(one.answers for one in spend)


TODAY = "2026-11-26"
measured = st.builds(
    Hour,
    st.integers(0, 40 * 24).map(lambda ago: int(noon(TODAY) // 3600) - ago),
    st.sampled_from(["prepare", "model", "write", "settle", QUEUE, "agreement"]),
    st.integers(1, 1000), st.floats(0, 1e9),
)  # fmt: skip


@given(st.lists(measured, max_size=30), st.integers(0, 10**6), st.floats(0, 1e5))
def test_charts_of_measures_say_what_was_measured_and_nothing_where_nothing_was(
    found: list[Hour], waiting: int, rate: float
) -> None:
    hour = int(noon(TODAY) // 3600)
    of = charts.stages(found, TODAY, 30)
    for stage, name in charts.STAGES.items():
        for day, mean in zip(of.labels, of.series[name], strict=True):
            that_day = [one for one in found if one.what == stage and local_day(one.hour * 3600) == day]
            assert (mean is None) == (not that_day)
            assert not that_day or math.isclose(
                mean or 0, sum(one.total for one in that_day) / sum(one.times for one in that_day)
            )
    queue = charts.queue(found, hour, 24, waiting, rate)
    assert len(queue.labels) == len(queue.series[charts.WAITING]) <= 48
    assert queue.series[charts.WAITING][23] == waiting
    ahead = [one for one in queue.series.get(charts.FORECAST, ()) if one is not None]
    assert ahead == sorted(ahead, reverse=True)
    assert all(0 < one <= waiting for one in ahead)
    for one in (of, queue, charts.hourly({"in": {hour: 3}}, hour, 24)):
        assert all(
            0 <= float(r.get("y", -1)) <= charts.HEIGHT
            for r in ET.fromstring(str(one.drawn(str.upper))).iter("rect")
        )


@given(st.lists(st.tuples(st.integers(0, 29 * 24), st.floats(0, 1)), max_size=30))
def test_agreement_is_drawn_within_its_axis_and_days_without_are_gaps(found: list[tuple[int, float]]) -> None:
    hours = [Hour(int(noon(TODAY) // 3600) - ago, "agreement", 1, value) for ago, value in found]
    chart = charts.agreement(hours, TODAY, 30)
    (values,) = chart.series.values()
    days_read = {local_day(one.hour * 3600) for one in hours} & set(chart.labels)
    assert {day for day, value in zip(chart.labels, values, strict=True) if value is not None} == days_read
    points = list(ET.fromstring(str(chart.drawn())).iter("circle"))
    assert len(points) == len(days_read)
    assert all(0 <= float(p.get("cy", -1)) <= charts.HEIGHT - 20 for p in points)


def test_what_was_measured_is_on_the_page_in_words_of_the_readers_language(tmp_path: Path) -> None:
    made = history(tmp_path)
    now = time.time()
    made.ledger.add_hour({"model": (4, 6.0), "prepare": (4, 2.0), QUEUE: (2, 30)}, now)
    made.ledger.add_hour({"model": (4, 10.0)}, now)
    made.done("invoices", "a.png", agreement=0.96)
    with served(made.config, tmp_path) as port, Reader(port) as reader:
        page = reader.get("/").text
        assert "Seconds a file, on average" in page
        assert "asking: 2</title>" in page
        assert "Agreement of second readers, %" in page
        assert "agreement, %: 96</title>" in page
        page = reader.get("/", headers={"Accept-Language": "zh"}).text
        assert "asking" not in page
        assert "agreement" not in page
    made.ledger.close()


def test_the_workbench_begins_with_what_the_folder_asks_and_refuses_what_is_wrong(
    reader: Reader, told: History
) -> None:
    number = number_of(told, "invoices", "scan-006.png")
    assert "Choose up to five files" in reader.get("/workbench").text
    page = reader.get(f"/workbench?file={number}").text
    assert "Read it.</textarea>" in page
    assert re.search(r'value="m" checked', page)

    def refused(**form: str | list[str]) -> str:
        got = reader.send_form(page, "Try", prompt="What?", **form)
        assert got.status_code == 422
        return got.text

    assert "Choose one to three models." in refused()
    assert "Choose one to three models." in refused(model=["m", "gone meanwhile"])
    for schema, why in {
        "type: nothing": "is not a valid JSON Schema",
        "$schema: []": "is not a valid JSON Schema",
        "[1]": "The schema is no mapping",
        "a: &a [1]\nb: *a": "neither YAML nor JSON, see line 2",
        "{": "neither YAML nor JSON, see line 1",
        "[" * 5000: "neither YAML nor JSON",
        "default: 2024-01-01": "holds a value that JSON has not",
        "a: !!set {x}": "holds a value that JSON has not",
        "a: .nan": "holds a value that JSON has not",
        "$ref: http://127.0.0.1/x": "refers to http://127.0.0.1/x, which is not inside of it",
        "$ref: '#'": "refers to itself without end",
        "x" * 300_000: "longer than 200,000 characters",
    }.items():
        assert why in refused(model="m", schema=schema), schema[:50]
    tried = translator("zh").gettext("Try")
    with Reader(int(reader.base_url.port or 0), headers={"Accept-Language": "zh"}) as chinese:
        page = chinese.get(f"/workbench?file={number}").text
        got = chinese.send_form(page, tried, prompt="?", model="m", schema="$ref: x")
    assert "引用了 x，但其中没有该定义" in got.text


def test_the_workbench_shows_no_file_of_a_local_folder_to_a_remote_model(told: History, home: Path) -> None:
    folder = told.config.folders["invoices"].model_copy(update={"local_only": True})
    kept = told.config.model_copy(update={"folders": {**told.config.folders, "invoices": folder}})
    number = number_of(told, "invoices", "scan-006.png")
    with served(kept, home) as port, Reader(port) as reader:
        page = reader.get(f"/workbench?file={number}").text
        for agreed in ({}, {"agreed": "yes"}):
            got = reader.send_form(page, "Try", prompt="What?", model="m", **agreed)
            assert got.status_code == 422
            assert "no remote model may see them" in got.text


@pytest.mark.parametrize("failed", [False, True])
def test_every_view_is_there_before_anything_was_read(tmp_path: Path, failed: bool) -> None:
    made = history(tmp_path)
    if failed:  # nothing was spent, and yet there is something to see
        made.failed("archive", "a.png")
    for loaded in (made.config, made.config.model_copy(update={"folders": {}, "models": {}})):
        with served(loaded, tmp_path) as port, Reader(port) as reader:
            for view in (
                "/",
                "/files",
                "/files?q=x",
                "/files?state=doubtful",
                "/review",
                "/failures",
                "/workbench",
            ):
                assert reader.get(view).status_code == 200, view
            if failed:
                assert reader.get("/files/1").status_code == 200
    made.ledger.close()
