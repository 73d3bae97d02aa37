from __future__ import annotations

import json
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from glimpsed import sidecar
from glimpsed.config.schema import Folder
from glimpsed.model import Answer, PageAnswer, Source, Usage, Verified
from glimpsed.sidecar.render import beginnings
from sidecar_samples import answer, inbox

SOURCE = Source(
    name="scan.jpg",
    bytes=123456,
    modified="2026-11-22T10:00:00.123456Z",
    sha256="s" * 64,
    media_type="image/jpeg",
    width=2480,
    height=3508,
    pages=1,
)
DC = "{http://purl.org/dc/elements/1.1/}"
RDF = "{http://www.w3.org/1999/02/22-rdf-syntax-ns#}"

any_text = st.text(st.characters(codec=None, exclude_categories=()))  # halves of surrogate pairs, too


def text_of(text: str, **changed: object) -> str:
    return sidecar.render(answer(SOURCE, text, **changed), "txt").decode()


def description(xmp: bytes) -> str:
    packet = ET.fromstring(xmp.decode())
    item = packet.find(f".//{DC}description/{RDF}Alt/{RDF}li")
    assert item is not None
    assert item.attrib["{http://www.w3.org/XML/1998/namespace}lang"] == "x-default"
    return item.text or ""


def test_a_txt_ends_with_exactly_one_newline() -> None:
    assert text_of("one\ntwo") == "one\ntwo\n"
    assert text_of("one\ntwo\n\n") == "one\ntwo\n"
    assert text_of("\n\n one\r\n") == "\n\n one\n"


def test_a_txt_of_nothing_is_empty() -> None:
    blank = tuple(PageAnswer(page=n, text=t) for n, t in enumerate(("", " \n"), 1))
    assert (text_of(""), text_of("\n"), text_of(" "), text_of("", pages=blank)) == ("", "", "", "")
    assert sidecar.render(answer(SOURCE, ""), "md") == b""
    assert json.loads(sidecar.render(answer(SOURCE, ""), "json"))["text"] == ""


def test_pages_begin_and_end_on_lines_of_their_own_with_a_form_feed_between() -> None:
    pages = (PageAnswer(page=1, text="EUR\n"), PageAnswer(page=2, text="Invoice"))
    assert text_of("ignored", pages=pages) == "EUR\n\fInvoice\n"
    pages = tuple(PageAnswer(page=n, text=t) for n, t in enumerate(("first", "", "third"), 1))
    assert text_of("ignored", pages=pages) == "first\n\f\n\fthird\n"


def test_what_a_schema_asked_for_is_printed_as_indented_json_with_its_own_letters() -> None:
    assert text_of('{"a":"é"}', data={"total": 3, "name": "Zürich 東京"}) == (
        '{\n  "total": 3,\n  "name": "Zürich 東京"\n}\n'
    )


def test_data_of_each_page_is_printed_page_by_page() -> None:
    pages = (PageAnswer(page=1, text="x", data={"n": 1}), PageAnswer(page=2, text="x", data={"n": 2}))
    text = text_of("x", pages=pages, data=[{"n": 1}, {"n": 2}])
    assert [json.loads(page) for page in text.split("\f")] == [{"n": 1}, {"n": 2}]


def test_the_json_has_the_keys_of_the_design_in_their_order() -> None:
    dumped = json.loads(sidecar.render(answer(SOURCE, "text"), "json"))
    assert list(dumped) == [
        "glimpsed", "folder", "source", "prompt", "model", "sent", "text", "data", "pages", "finish", "usage",
        "attempts", "request_id", "started", "finished", "seconds", "reused_from",
    ]  # fmt: skip
    assert dumped["glimpsed"] == 1
    assert dumped["prompt"] == {"sha256": "p" * 64}
    assert dumped["pages"] is None
    assert dumped["usage"] == {
        "input_tokens": 1105,
        "output_tokens": 210,
        "cost": 0.004875,
        "currency": "USD",
    }
    assert dumped["seconds"] == 2.31


def test_only_an_estimate_says_that_it_is_one() -> None:
    dumped = json.loads(
        sidecar.render(answer(SOURCE, "x", usage=Usage(input_tokens=7, estimated=True)), "json")
    )
    assert dumped["usage"]["estimated"] is True
    assert dumped["usage"]["cost"] is None


def test_what_a_second_reader_cost_is_told_as_what_the_first_did() -> None:
    plain = json.loads(sidecar.render(answer(SOURCE, "x"), "json"))
    assert not {"verified", "doubt", "review"} & plain.keys()
    usage = Usage(input_tokens=7, cost=0.00012345678, currency="USD")
    read = json.loads(sidecar.render(answer(SOURCE, "x", verified=Verified(by="b", usage=usage)), "json"))
    assert read["verified"] == {
        "by": "b",
        "usage": {"input_tokens": 7, "output_tokens": 0, "cost": 0.000123, "currency": "USD"},
    }
    assert read["doubt"] is None


def test_the_json_holds_letters_not_escapes() -> None:
    assert "東京 Zürich" in sidecar.render(answer(SOURCE, "東京 Zürich"), "json").decode()


def test_numbers_that_json_does_not_have_become_null() -> None:
    data = {"a": float("nan"), "b": [float("inf"), 1.5]}
    dumped = json.loads(sidecar.render(answer(SOURCE, "x", data=data), "json"), parse_constant=pytest.fail)
    assert dumped["data"] == {"a": None, "b": [None, 1.5]}


def test_md_is_txt_under_another_name() -> None:
    one = answer(SOURCE, "# Title\n\ntext")
    assert sidecar.render(one, "md") == sidecar.render(one, "txt")


@given(any_text)
def test_whatever_a_model_says_the_sidecars_are_utf8_and_well_formed(text: str) -> None:
    one = answer(SOURCE, text)
    assert sidecar.render(one, "txt").decode().endswith("\n") == bool(text.strip())
    read_back = Answer.model_validate_json(sidecar.render(one, "json"))
    clean = text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    assert read_back.text == clean
    description(sidecar.render(one, "xmp"))


@given(st.text(st.characters(exclude_categories=("Cs", "Cc"), exclude_characters="\ufffe\uffff")))
def test_xmp_gives_the_text_back(text: str) -> None:
    assert description(sidecar.render(answer(SOURCE, text), "xmp")) == text


def listed(xmp: bytes, name: str) -> list[str]:
    return [item.text or "" for item in ET.fromstring(xmp.decode()).findall(f".//{DC}{name}/*/{RDF}li")]


@pytest.mark.parametrize("keywords", [["oak", "invoice", "oak", " "], "oak, invoice,oak,"])
def test_what_a_schema_calls_title_description_and_keywords_is_that_in_xmp(keywords: object) -> None:
    data = {"title": "Invoice <4711>", "description": "Twelve planks", "keywords": keywords, "total": 3}
    xmp = sidecar.render(answer(SOURCE, json.dumps(data), data=data), "xmp")
    assert description(xmp) == "Twelve planks"
    assert listed(xmp, "title") == ["Invoice <4711>"]
    assert listed(xmp, "subject") == ["oak", "invoice"]


@pytest.mark.parametrize(
    "data", [{"total": 3}, {"title": 5, "keywords": {"a": 1}, "description": None}, [], 5, "x"]
)
def test_xmp_of_other_data_has_its_text_and_no_more(data: object) -> None:
    xmp = sidecar.render(answer(SOURCE, "text", data=data), "xmp")
    assert json.loads(description(xmp)) == data
    assert listed(xmp, "title") == listed(xmp, "subject") == []


@given(any_text, any_text, st.lists(any_text, max_size=3))
def test_xmp_is_well_formed_whatever_is_in_the_fields(title: str, about: str, keywords: list[str]) -> None:
    data = {"title": title, "description": about, "keywords": keywords}
    ET.fromstring(sidecar.render(answer(SOURCE, "x", data=data), "xmp").decode())


def test_xmp_leaves_out_what_xml_does_not_have_and_keeps_pages_apart() -> None:
    xmp = sidecar.render(answer(SOURCE, "a\x00b\x1b[1m <&> ]]> {text}\fpage 2"), "xmp")
    assert description(xmp) == "ab[1m <&> ]]> {text}\n\npage 2"


@given(st.text("ab.{}nmeext", min_size=1, max_size=12))
def test_names_are_filled_in_once_and_braces_in_a_file_name_stay(name: str) -> None:
    folder = Folder(path=Path("/x"), outputs=("txt", "json"), sidecar="{name}.{ext}")
    assert sidecar.names(folder, name) == {"json": f"{name}.json", "txt": f"{name}.txt"}


def test_a_template_with_stem_drops_the_ending(tmp_path: Path) -> None:
    folder = inbox(tmp_path, outputs=("md", "json"), sidecar="{stem}_ocr.{ext}").folder
    assert sidecar.names(folder, "scan.2.jpg") == {"json": "scan.2_ocr.json", "md": "scan.2_ocr.md"}
    assert sidecar.names(folder, "scan") == {"json": "scan_ocr.json", "md": "scan_ocr.md"}
    assert sidecar.error_name("scan.jpg") == "scan.jpg.error.txt"


def test_an_error_sidecar_is_a_sentence_an_advice_and_facts() -> None:
    data = sidecar.render_error(
        "It is\nbroken.", "Replace it.", {"file": "a\nb.jpg", "model": None}, raw="half an answ"
    )
    lines = data.decode().splitlines()
    assert lines[:2] == ["It is broken.", "Replace it."]
    assert "file: a\\nb.jpg" in lines
    assert not any(line.startswith("model:") for line in lines)
    assert lines[-1] == "half an answ"


@given(
    st.sampled_from(
        [
            "{name}.{ext}",
            "{stem}.{ext}",
            "text of {stem}.{ext}",
            "{ext}-{name}",
            "{stem}{stem}_{name}.{ext}",
            "{name}{stem}.{ext}",
        ]
    ),
    st.text(st.sampled_from("ab.-\n\udce4ä"), min_size=1, max_size=8),
)
def test_a_file_begins_as_its_sidecars_say(template: str, name: str) -> None:
    folder = Folder(name="inbox", path=Path("/in"), sidecar=template, outputs=("json", "pdf"))
    for found in sidecar.names(folder, name).values():
        assert any(name == one or name.startswith(f"{one}.") for one in beginnings(folder, found)), found
    assert beginnings(folder, sidecar.error_name(name)) >= {name}
