"""Answers corrected and confirmed at the live page, and doubtful ones one after the other."""

from __future__ import annotations

import copy
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from browser import Browser
from glimpsed.disk.files import find_root
from glimpsed.evaluate.meaning import differences, nothing
from glimpsed.model import Doubt, DoubtfulField, DoubtfulWords, FileKey, PageAnswer, Usage, Verified
from glimpsed.pipeline import review
from glimpsed.web.correct import fields, filled, leaves, meant, types_at, written
from history import CONFIG, History
from webpage import Reader, history, served

SCHEMA = """
  bills:
    path: bills
    prompt: Read it.
    model: m
    schema:
      type: object
      required: [number, total]
      properties:
        number: {type: string}
        total: {type: number}
        paid: {type: [boolean, "null"]}
        items: {type: array, items: {type: object, properties: {name: {type: string}, price: {type: number}}}}
budget:"""
BILL: dict[str, Any] = {
    "number": "R-1",
    "total": 12.5,
    "paid": None,
    "items": [{"name": "oak", "price": 3}, {"name": "pine", "price": 4.5}],
}


@pytest.fixture
def told(tmp_path: Path) -> Iterator[History]:
    (tmp_path / "bills").mkdir()
    made = history(tmp_path, CONFIG.replace("budget:", SCHEMA.lstrip("\n")))
    yield made
    made.ledger.close()


@pytest.fixture
def reader(told: History, tmp_path: Path) -> Iterator[Reader]:
    with served(told.config, tmp_path) as port, Reader(port) as found:
        yield found


def bill(told: History, path: str = "a.png", data: Any = None) -> str:
    """Its page."""
    key = told.done("bills", path, ("{}",), data=data or copy.deepcopy(BILL))
    row = told.ledger.find(key)
    assert row is not None
    return f"/files/{row.id}"


def sidecar(home: Path, name: str = "bills/a.png.json") -> dict[str, Any]:
    found: dict[str, Any] = json.loads((home / name).read_text())
    return found


def test_a_field_is_corrected_in_sidecars_and_ledger(reader: Reader, told: History, tmp_path: Path) -> None:
    page = bill(told)
    html = reader.get(page).text
    assert '<label for="field-2">total</label>' in html
    assert 'name="data.items.1.price" value="4.5"' in html
    done = reader.send_form(html, "Save", **{"data.total": "13,75", "data.items.1.name": "fir"})
    assert "Saved." in done.text
    assert "Corrected by somebody, " in done.text
    found = sidecar(tmp_path)
    assert found["data"] == {
        **BILL,
        "total": 13.75,
        "items": [BILL["items"][0], {"name": "fir", "price": 4.5}],
    }
    assert found["review"]["changed"] == ["total", "items.1.name"]
    assert '"total": 13.75' in (tmp_path / "bills" / "a.png.txt").read_text()


def test_a_correction_is_undone_and_kept_among_the_other_answers(
    reader: Reader, told: History, tmp_path: Path
) -> None:
    page = bill(told)
    assert "Undo</button>" not in reader.get(page).text
    done = reader.press(page, "Save", **{"data.number": "R-9"})
    assert sidecar(tmp_path)["data"]["number"] == "R-9"
    undone = reader.send_form(done.text, "Undo")
    assert undone.status_code == 200
    assert sidecar(tmp_path)["data"] == BILL
    assert "Undo</button>" not in undone.text
    regions = re.findall(r'role="region" aria-label="([^"]*)"', undone.text)
    assert len(regions) == len(set(regions)) > 0  # who hears them knows which is which
    assert "R-9" in undone.text  # among the other answers
    late = reader.send_form(done.text, "Undo")
    assert late.status_code == 409  # it was about another answer


def test_a_doubtful_answer_whose_correction_is_undone_is_doubtful_again_and_reviewed_by_nobody(
    reader: Reader, told: History, tmp_path: Path
) -> None:
    page = bill(told)
    doubt(told, FileKey("bills", "a.png"))
    done = reader.press(page, "Save", **{"data.total": "9"})
    done = reader.send_form(done.text, "Save", **{"data.total": "8"})  # once more: undone all the same
    assert told.ledger.doubtful("bills") == 0
    undone = reader.send_form(done.text, "Undo")
    assert "agrees on 75%" in undone.text
    assert "Corrected by" not in undone.text
    found = sidecar(tmp_path)
    assert "review" not in found
    assert found["data"]["total"] == 12.5
    assert found["doubt"]["fields"][0]["path"] == "total"
    assert told.ledger.doubtful("bills") == 1
    assert told.ledger.count_reviewed("bills") == 0  # `eval` does not take it for right
    assert "a.png" in reader.get("/review").text
    again = reader.press("/review", "Save", **{"data.total": "72.5"})
    assert "No answer is doubtful" in again.text
    assert sidecar(tmp_path)["review"]["changed"] == ["total"]
    key = FileKey("bills", "a.png")
    row, own = told.ledger.find(key), told.ledger.own_answer(key)
    assert row is not None
    assert own is not None
    told.ledger.forget_review(row, own)  # as `rewrite --reviewed` does
    assert told.ledger.doubtful("bills") == 1


def test_in_the_queue_what_was_saved_leads_back_to_its_file(
    reader: Reader, told: History, tmp_path: Path
) -> None:
    page = bill(told)
    done = reader.press(page, "Save", back="/review", **{"data.number": "R-9"})
    assert f'Saved. <a href="{page}" dir="auto">a.png</a>' in done.text
    assert "Saved." not in reader.get("/review").text


def test_what_the_schema_does_not_allow_is_not_saved_and_stays_typed(
    reader: Reader, told: History, tmp_path: Path
) -> None:
    page = bill(told)
    refused = reader.press(page, "Save", **{"data.total": "1,234", "data.number": "R-2"})
    assert refused.status_code == 422
    assert 'role="alert"' in refused.text
    assert 'value="1,234"' in refused.text
    assert 'value="R-2"' in refused.text
    assert sidecar(tmp_path)["data"] == BILL


def test_after_a_slip_the_way_back_is_the_same(reader: Reader, told: History, tmp_path: Path) -> None:
    page = bill(told)
    slip = reader.press(page, "Save", **{"data.total": "1,234"})
    saved = reader.send_form(slip.text, "Save", **{"data.total": "1234"})
    assert (saved.status_code, saved.url.path) == (200, page)
    assert "Saved." in saved.text
    # In the queue one stays in the queue.
    doubt = Doubt(by="m", agreement=0.5, fields=(DoubtfulField(path="total", value=1, other=2),))
    for name in ("b.png", "c.png"):
        told.done("bills", name, ("{}",), data={**BILL, "total": 1}, doubt=doubt)
    first = reader.get("/review?folder=bills")
    following = re.search(r'href="([^"]*)" class="next"', first.text)
    slip = reader.send_form(first.text, "Save", **{"data.total": "1,234"})
    assert following is not None
    assert (slip.status_code, following[0] in slip.text) == (422, True)
    assert "2 doubtful answers." in slip.text
    saved = reader.send_form(slip.text, "Save", **{"data.total": "1234"})
    assert saved.url.path == "/review"
    assert "c.png</h1>" in saved.text
    # An address that a form was sent to leads, looked at again, to the file.
    assert reader.get(f"{page}/save", follow_redirects=True).url.path == page


def test_what_one_reader_lacks_as_a_whole_is_shown_taken_and_removed(
    reader: Reader, told: History, tmp_path: Path
) -> None:
    """A line of an invoice that only one of two readers saw is what a reviewer must not miss."""
    ash, elm = {"name": "ash", "price": 2}, {"name": "elm", "price": 1.5}
    doubt = Doubt(
        by="m",
        agreement=0.5,
        fields=(
            DoubtfulField(path="items.1", value=BILL["items"][1], other=None),
            DoubtfulField(path="items.2", value=None, other=ash),
            DoubtfulField(path="items.3", value=None, other=elm),
        ),
    )
    told.done("bills", "a.png", ("{}",), data=copy.deepcopy(BILL), doubt=doubt)
    page = reader.get("/review?folder=bills").text
    assert all(f'name="data.items.{number}"' in page for number in (1, 2, 3))
    assert 'data-value="{&#34;name&#34;: &#34;ash&#34;, &#34;price&#34;: 2}"' in page
    done = reader.send_form(
        page, "Save", **{"data.items.2": '{"name": "ash", "price": 2}', "data.items.1": ""}
    )
    assert "Saved." in done.text
    assert sidecar(tmp_path)["data"]["items"] == [BILL["items"][0], ash]


def test_what_the_answer_left_out_can_be_filled_in(reader: Reader, told: History, tmp_path: Path) -> None:
    data = {"number": "R-1", "total": 1, "items": [{"name": "oak"}, {"price": 2}]}
    page = bill(told, data=data)
    form = reader.get(page).text
    assert re.findall(r'name="data\.([^"]*)" value=""', form) == ["paid", "items.0.price", "items.1.name"]
    assert "Confirmed." in reader.press(page, "Save").text
    assert sidecar(tmp_path)["data"] == data
    done = reader.press(page, "Save", **{"data.paid": "yes", "data.items.0.price": "1.234,50"})
    assert "Saved." in done.text
    items = [{"name": "oak", "price": 1234.5}, {"price": 2}]
    assert sidecar(tmp_path)["data"] == {**data, "paid": True, "items": items}
    assert sidecar(tmp_path)["review"]["changed"] == ["items.0.price", "paid"]


def test_doubts_about_single_pages_are_in_their_fields(reader: Reader, told: History, tmp_path: Path) -> None:
    doubt = Doubt(by="m", agreement=0.5, fields=(DoubtfulField(path="pages.1.data.total", value=2, other=7),))
    data = [{"number": "1", "total": 1}, {"number": "2", "total": 2}]
    pages = tuple(PageAnswer(page=number, text="{}", data=one) for number, one in enumerate(data, 1))
    told.done("bills", "a.png", ("{}", "{}"), data=data, told={"pages": pages}, doubt=doubt)
    page = reader.get("/review?folder=bills").text
    assert len(re.findall(r'<label for="[^"]*" class="doubtful">1\.total</label>', page)) == 1
    assert 'data-value="7"' in page


def test_an_answer_is_confirmed_as_it_stands(reader: Reader, told: History, tmp_path: Path) -> None:
    done = reader.press(bill(told), "Confirm")
    assert "Confirmed." in done.text
    assert sidecar(tmp_path)["review"] == {**sidecar(tmp_path)["review"], "by": "page", "changed": []}
    assert sidecar(tmp_path)["data"] == BILL


def test_a_text_is_corrected_and_its_lines_stay(reader: Reader, told: History, tmp_path: Path) -> None:
    told.done("invoices", "t.png", ("\nFirst line\n  second\n",))
    row = told.ledger.find(FileKey("invoices", "t.png"))
    assert row is not None
    done = reader.press(f"/files/{row.id}", "Save", text="First line\r\n  2nd\r\n")
    assert "Saved." in done.text
    assert sidecar(tmp_path, "invoices/t.png.json")["text"] == "First line\n  2nd\n"
    assert [hit.key.path for hit in told.ledger.search("2nd")] == ["t.png"]


STRANGE = "\n\x1b[1mb\x00\r\n tab\t\x0c\x85\u2028\n\u202eevil<b>&amp;\"'\r\n\n end \r"


def test_what_a_browser_cannot_send_back_as_it_was_is_not_taken_for_a_correction(
    told: History, reader: Reader, tmp_path: Path
) -> None:
    strange = {f"f{number}": line for number, line in enumerate([*STRANGE.split("\n"), STRANGE])}
    data = {"number": "a\rb", "total": 1, **strange, "key\r\nof\rlines": "x"}
    url = bill(told, data=data)
    told.done("invoices", "t.png", (STRANGE,))
    row = told.ledger.find(FileKey("invoices", "t.png"))
    assert row is not None
    base = str(reader.base_url).rstrip("/")
    with Browser(tmp_path / "browser") as browser:
        for where, name in ((url, "bills/a.png.json"), (f"/files/{row.id}", "invoices/t.png.json")):
            before = sidecar(tmp_path, name)
            browser.open(base + where)
            browser.page.get_by_role("button", name="Save").click()
            browser.page.get_by_text("Confirmed.").wait_for()
            after = sidecar(tmp_path, name)
            assert after["review"]["changed"] == []
            assert (after["text"], after["data"]) == (before["text"], before["data"])
        browser.open(base + url)
        browser.page.get_by_label("number", exact=True).fill("R-2")
        browser.page.get_by_role("button", name="Save").click()
        browser.page.get_by_text("Saved.").wait_for()
    assert sidecar(tmp_path)["review"]["changed"] == ["number"]
    assert sidecar(tmp_path)["data"] == {**sidecar(tmp_path)["data"], **data, "number": "R-2"}


SHIFTS = """
window.shifts = [];
const told = (list) => shifts.push(...list.getEntries().filter((e) => !e.hadRecentInput).map((e) => e.value));
new PerformanceObserver(told).observe({ type: "layout-shift", buffered: true });
"""


def test_nothing_moves_on_a_phone_while_a_picture_loads(
    told: History, reader: Reader, tmp_path: Path
) -> None:
    doubt = Doubt(by="m", agreement=0.5, fields=(DoubtfulField(path="total", value=12.5, other=2),))
    key = told.done("bills", "a.png", ("{}",), data=BILL, doubt=doubt)
    row = told.ledger.find(key)
    assert row is not None
    with Browser(tmp_path / "browser", 375, 800) as browser:
        page = browser.page
        page.add_init_script(SHIFTS)
        waiting: list[Any] = []
        page.route("**/pages/1", lambda route: [route, waiting.append(route)])
        page.goto(f"{reader.base_url}/files/{row.id}", wait_until="domcontentloaded")
        page.get_by_role("button", name="Take it").wait_for()
        painted = "new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))"
        browser.run(painted)
        before = page.get_by_label("number", exact=True).bounding_box()
        for route in waiting:
            route.continue_()
        browser.run("Promise.all([...document.images].map(one => one.decode())).then(() => 0)")
        browser.run(painted)
        assert page.get_by_label("number", exact=True).bounding_box() == before
        assert browser.run("shifts") == []


def test_of_two_at_once_the_second_is_told(reader: Reader, told: History, tmp_path: Path) -> None:
    html = reader.get(bill(told)).text
    assert "Saved." in reader.send_form(html, "Save", **{"data.number": "R-9"}).text
    late = reader.send_form(html, "Save", **{"data.number": "R-7"})
    assert late.status_code == 409
    assert "has changed since you looked at it" in late.text
    assert 'value="R-9"' in late.text
    assert '<dd dir="auto">R-7</dd>' in late.text  # to be copied
    assert sidecar(tmp_path)["data"]["number"] == "R-9"
    reader.headers["Accept-Language"] = "zh-CN"
    late = reader.send_form(html, "Save", **{"data.number": "R-7"})
    assert "请重新查看" in late.text
    assert "look again" not in late.text


def test_a_file_that_changed_meanwhile_is_not_corrected(
    reader: Reader, told: History, tmp_path: Path
) -> None:
    html = reader.get(bill(told)).text
    told.image("bills", "a.png")
    reader.headers["Accept-Language"] = "zh-CN"
    late = reader.send_form(html, "Save", **{"data.number": "R-7"})
    assert late.status_code == 409
    assert "请重新查看" in late.text
    assert 'value="R-7"' in late.text
    assert sidecar(tmp_path)["data"] == BILL


@pytest.mark.parametrize("meanwhile", ["Save", "Confirm", "Redo", "forget", "gone"])
@pytest.mark.parametrize("late", ["Save", "Confirm"])
def test_whatever_somebody_did_meanwhile_the_other_is_told_and_loses_nothing(
    reader: Reader, told: History, tmp_path: Path, meanwhile: str, late: str
) -> None:
    page = bill(told)
    html = reader.get(page).text
    if meanwhile in {"Save", "Confirm"}:
        assert reader.send_form(html, meanwhile, **{"data.number": "R-9"}).status_code == 200
    elif meanwhile == "Redo":
        asked = reader.press(page, "Redo")
        assert "Queued again" in reader.send_form(asked.text, "Redo").text
    else:
        (tmp_path / "bills" / "a.png").unlink()
        if meanwhile == "forget":
            told.ledger.forget_files([FileKey("bills", "a.png")])
    before = [path.read_bytes() for path in sorted((tmp_path / "bills").glob("*.json"))]
    got = reader.send_form(html, late, **{"data.number": "R-7"})
    assert got.status_code in {404, 409, 422}
    assert "R-7" in got.text
    assert [path.read_bytes() for path in sorted((tmp_path / "bills").glob("*.json"))] == before


def test_redo_leaves_what_was_reviewed_unless_it_is_asked_for(reader: Reader, told: History) -> None:
    page = bill(told)
    reader.press(page, "Confirm")
    asked = reader.press(page, "Redo")
    assert "1 file was corrected or confirmed" in asked.text
    assert "0 files" not in asked.text
    too = reader.send_form(asked.text, "Ask all the same")
    assert "Queued again: 1 file." in reader.send_form(too.text, "Redo").text


OTHER_TOTAL = Doubt(
    by="second",
    agreement=0.75,
    fields=(DoubtfulField(path="total", value=12.5, other=72.5), DoubtfulField(path="number", value="R-1")),
)


def doubt(told: History, key: FileKey, found: Doubt = OTHER_TOTAL) -> None:
    """A second reader read something else."""
    folder = told.config.folders[key.folder]
    row, answer = review.current(told.ledger, find_root(folder.path), folder, key)
    doubtful = answer.model_copy(update={"doubt": found, "verified": Verified(by=found.by, usage=Usage())})
    with told.ledger._database.write() as c:
        import sqlalchemy as sa

        from glimpsed.ledger.schema import files, verifications

        claims = c.scalar(sa.select(files.c.claims).where(files.c.id == row.id))
        values = {"file": row.id, "claim": claims, "tries": 1, "agreement": 0.75, "doubtful": 1}
        c.execute(sa.insert(verifications), values)
        assert row.sha256 is not None
        assert row.question is not None
        told.ledger._replace_answer(c, row, doubtful)


def test_doubtful_answers_come_one_after_the_other_with_both_readings(
    reader: Reader, told: History, tmp_path: Path
) -> None:
    for path in ("a.png", "b.png"):
        bill(told, path)
        doubt(told, FileKey("bills", path))
    page = reader.get("/review").text
    assert "a.png" in page
    assert "72.5" in page
    assert "agrees on 75%" in page
    assert '<span dir="auto"><mark>1</mark>2.5</span>' in page
    assert '<span dir="auto"><mark>7</mark>2.5</span>' in page
    assert "the other reader has nothing there" in page
    assert "2 files" in reader.get("/files?state=doubtful").text
    second = reader.send_form(page, "Save", **{"data.total": "72.5"})
    assert "b.png" in second.text
    assert sidecar(tmp_path)["data"]["total"] == 72.5
    last = reader.send_form(second.text, "Confirm")
    assert "No answer is doubtful" in last.text
    assert told.ledger.doubtful("bills") == 0


def test_words_that_differ_are_marked_in_both_readings_and_are_text(tmp_path: Path) -> None:
    told = history(tmp_path)
    key = told.done("invoices", "a.png", ("Pay 12 <b>today</b>",))
    words = (DoubtfulWords(value="12 <b>", other="17 <b>"), DoubtfulWords(value="today"))
    doubt(told, key, Doubt(by="second", agreement=0.5, words=words))
    with served(told.config, tmp_path) as port, Reader(port) as reader:
        page = reader.get("/review").text
    assert "1<mark>2</mark> &lt;b&gt;</td>" in page
    assert "1<mark>7</mark> &lt;b&gt;</td>" in page
    assert "<mark>today</mark>" in page
    assert "not found" in page
    told.ledger.close()


values = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=9)
names = st.text("abc.", min_size=1, max_size=3)
trees = st.recursive(
    values, lambda v: st.lists(v, max_size=3) | st.dictionaries(names, v, max_size=3), max_leaves=9
)


@pytest.mark.parametrize("data", [{"c.c": [None], "c": {"c": [False]}}, {"c.c": [], "c": {"c": [1]}}])
def test_a_key_with_dots_is_not_taken_for_keys_in_one_another(data: dict[str, Any]) -> None:
    form = {path: written(value) for path, value in leaves(data)}
    assert filled(data, form, {}) == data
    assert filled(data, dict.fromkeys(form, "7"), {})["c.c"] == data["c.c"]


@given(st.dictionaries(names, trees, max_size=4))
def test_a_form_that_nobody_touched_changes_nothing(data: dict[str, Any]) -> None:
    form = {path: written(value) for path, value in leaves(data)}
    assert filled(data, form, {}) == data


plain = st.booleans() | st.integers(-50, 50) | st.text("xyz ", max_size=4)
names_alone = st.text("abc", min_size=1, max_size=2)
readings = st.dictionaries(
    names_alone,
    st.recursive(
        st.none() | plain,
        lambda v: (
            st.lists(v.filter(lambda one: not nothing(one)), max_size=3)
            | st.dictionaries(names_alone, v, max_size=3)
        ),
        max_leaves=9,
    ),
    max_size=4,
)


@given(readings, readings)
def test_all_that_two_readings_differ_in_is_in_the_form_and_can_be_taken(
    data: dict[str, Any], other: dict[str, Any]
) -> None:
    found = list(differences(data, other))
    others = {one.path: one.other for one in found}
    form = {path: written(value) for path, value in fields(data, others, {})}
    assert filled(data, form, {}, others) == data
    assert others.keys() <= form.keys()
    taken = {**form, **{path: written(value) for path, value in others.items()}}
    assert not list(differences(filled(data, taken, {}, others), other))


@given(st.dictionaries(st.text("abc", min_size=1, max_size=2), st.text(max_size=9), min_size=1), st.data())
def test_one_field_changes_and_no_other(data: dict[str, str], draw: st.DataObject) -> None:
    key = draw.draw(st.sampled_from(sorted(data)))
    assert filled({"x": [data]}, {f"x.0.{key}": "new"}, {}) == {"x": [{**data, key: "new"}]}


@pytest.mark.parametrize(
    ("text", "types", "value"),
    [
        ("12,50", {"number"}, 12.5),
        ("1.234,50", {"number"}, 1234.5),
        ("1,234.50 €", {"number"}, 1234.5),
        ("12.50", {"number"}, 12.5),
        ("-3", {"integer"}, -3),
        ("1,234", {"number"}, "1,234"),
        ("", {"number", "null"}, None),
        ("yes", {"boolean"}, True),
        ("007", {"string"}, "007"),
        ("12", {"string"}, "12"),
        (" x ", {"string"}, " x "),
        ("x", {"number"}, "x"),
    ],
)
def test_what_was_typed_is_a_value_of_the_schemas_type(text: str, types: set[str], value: object) -> None:
    found = meant(text, "old", frozenset(types))
    assert (found, type(found)) == (value, type(value))


def test_types_are_found_through_references_and_alternatives() -> None:
    schema = {
        "$defs": {"item": {"properties": {"price": {"anyOf": [{"type": "number"}, {"type": "null"}]}}}},
        "properties": {"items": {"items": {"$ref": "#/$defs/item"}}, "self": {"$ref": "#"}},
    }
    assert types_at(schema, ["items", "3", "price"]) == {"number", "null"}
    assert types_at(schema, ["self", "self", "items", "0", "price"]) == {"number", "null"}
    assert types_at(schema, ["nowhere", "at"]) == frozenset()


class Looked(dict[str, Any]):
    """A part of a schema that counts how often any of them is looked at."""

    looks = 0

    def get(self, key: str, default: Any = None) -> Any:
        Looked.looks += 1
        return super().get(key, default)


def test_each_part_of_a_schema_that_names_itself_twice_is_looked_at_once_a_level() -> None:
    def looks(levels: int) -> int:
        again = [Looked(properties=Looked({key: Looked({"$ref": "#"})})) for key in ("below", "below")]
        schema = Looked(anyOf=[*again, Looked(type="null")])
        data: Any = {}
        for _ in range(levels):
            data = {"below": data, "other": [1, 2]}
        before = Looked.looks
        assert fields(data, {}, schema) == leaves(data)
        return Looked.looks - before

    assert looks(10) - looks(9) == looks(5) - looks(4) > 0
    assert looks(80) == looks(40)


def test_one_shape_that_two_alternatives_name_is_one() -> None:
    shape = {"properties": {"total": {"type": "number"}}}
    schema = {"$defs": {"bill": shape}, "anyOf": [{"$ref": "#/$defs/bill"}, {"$ref": "#/$defs/bill"}]}
    assert fields({"name": "x"}, {}, schema) == [("name", "x"), ("total", None)]
