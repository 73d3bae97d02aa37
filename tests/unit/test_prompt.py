"""Prompt templates: seven names are filled in, everything else is literal."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from glimpsed.prompt import NAMES, fill, names_file, near_misses

VALUES = {
    "filename": "scan.jpg",
    "stem": "scan",
    "folder": "invoices",
    "relpath": "2026/scan.jpg",
    "date": "2026-11-22",
    "page": "1-3",
    "pages": 3,
}
text = st.text(st.characters(codec="utf-8"))


def filled(template: str, **values: object) -> str:
    return fill(template, **{**VALUES, **values})  # type: ignore[arg-type]


def test_every_name_is_filled_in() -> None:
    template = " ".join(f"{{{name}}}" for name in NAMES)
    assert filled(template) == "scan.jpg scan invoices 2026/scan.jpg 2026-11-22 1-3 3"


@pytest.mark.parametrize(
    "template",
    [
        '{"total": 1}',
        "{}",
        "{total}",
        "{{",
        "}",
        "{0}",
        "{filename",
        "{ filename }",
        "{filename!r}",
        "{{x}}",
        "数 {合计}",
    ],
)
def test_every_other_brace_is_literal(template: str) -> None:
    assert filled(template) == template


def test_json_may_hold_names() -> None:
    assert filled('{"file": "{filename}", "page": {page}}') == '{"file": "scan.jpg", "page": 1-3}'


@given(filename=text, folder=text)
def test_what_was_filled_in_is_not_filled_in_again(filename: str, folder: str) -> None:
    name = "{folder}{pages}" + filename
    assert filled("{filename}|{folder}", filename=name, folder=folder) == f"{name}|{folder}"


@given(text)
def test_a_template_without_braces_stays_as_it_is(template: str) -> None:
    plain = template.replace("{", "").replace("}", "")
    assert filled(plain) == plain
    assert list(near_misses(plain)) == []


@pytest.mark.parametrize(
    ("word", "meant"),
    [
        ("{file_name}", "filename"),
        ("{Filename}", "filename"),
        ("{FILENAME}", "filename"),
        ("{filenme}", "filename"),
        ("{name}", "filename"),
        ("{ filename }", "filename"),
        ("{rel_path}", "relpath"),
        ("{path}", "relpath"),
        ("{dates}", "date"),
        ("{pagess}", "pages"),
        ("{page-s}", "pages"),
        ("{folders}", "folder"),
    ],
)
def test_a_word_that_is_nearly_a_name_is_named(word: str, meant: str) -> None:
    assert list(near_misses(f"Read {word} well, {{filename}}.")) == [(word, meant)]


@pytest.mark.parametrize(
    "word", ["{total}", "{invoice}", "{x}", "{image}", "{ data }", "{a b}", '{"date"}', "{{", "{1}"]
)
def test_other_words_are_nobodys_mistake(word: str) -> None:
    assert list(near_misses(word)) == []


def test_each_mistake_is_named_once() -> None:
    assert list(near_misses("{dat} {dat} {fodler}")) == [("{dat}", "date"), ("{fodler}", "folder")]


@given(text)
def test_a_near_miss_is_never_filled_in(template: str) -> None:
    for word, _ in near_misses(template):
        assert word in filled(
            template, filename="", stem="", folder="", relpath="", date="", page="", pages=0
        )


@pytest.mark.parametrize(
    ("template", "names"),
    [
        ("{filename}", True),
        ("of {date}", True),
        ("{stem}{page}", True),
        ("in {folder}", True),
        ("at {relpath}", True),
        ("{page} of {pages}", False),
        ('{"total": 1, "filename": ""}', False),
        ("{ filename }", False),
        ("", False),
    ],
)
def test_which_templates_say_something_of_the_file(template: str, names: bool) -> None:
    assert names_file(template) == names
