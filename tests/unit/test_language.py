"""What people read is there in each language, whole; and what is not the program's own stays as it is."""

from __future__ import annotations

import re
import runpy
import time
from pathlib import Path
from typing import Any

import polib
import pytest
from hypothesis import given
from hypothesis import strategies as st

from glimpsed import sidecar
from glimpsed.language import chosen, told, translator
from glimpsed.sidecar.render import is_error_sidecar

ROOT = Path(__file__).parents[2]
ZH = ROOT / "daemon/glimpsed/language/zh"
CHINESE = re.compile("[\u4e00-\u9fff]")
NUMBERS = re.compile(r"\{\d+\}")
SAID = polib.pofile(str(ZH / "said.po"))
SAME = {
    "HTTP {1}",
    "HTTP {1}: {2}",
    "HTTP {1}{2}: {3}",
    ", ",
    "{0} of {1}",
    "Tokens",
}  # nothing to translate but signs


@pytest.fixture(scope="module")
def messages() -> dict[str, Any]:
    return runpy.run_path(str(ROOT / ".ci/messages.py"))


def test_no_message_is_missing_and_none_is_left_over(messages: dict[str, Any]) -> None:
    """`make messages` brings the catalogs in step; then what is new is to be translated."""
    wanted = messages["catalogs"]()
    assert {path.name for path in ZH.glob("*.po")} == set(wanted)
    for name, expected in wanted.items():
        catalog = polib.pofile(str(ZH / name))
        assert {(e.msgid, e.msgid_plural or None) for e in catalog} == set(expected), name
        assert [e.msgid for e in catalog if not e.translated() or e.fuzzy or e.obsolete] == [], name


def test_every_translation_is_chinese_and_keeps_its_values() -> None:
    for path in ZH.glob("*.po"):
        for entry in polib.pofile(str(path)):
            translation = entry.msgstr or entry.msgstr_plural[0]
            assert CHINESE.search(translation) or entry.msgid in SAME, entry.msgid
            assert translation.endswith("。") == entry.msgid.endswith("."), entry.msgid
            values = r"\{[^{}]*\}|%\(\w+\)s"
            assert sorted(re.findall(values, translation)) == sorted(
                re.findall(values, entry.msgid_plural or entry.msgid)
            ), entry.msgid


def test_the_program_s_sentences_are_found_where_they_are_made(messages: dict[str, Any]) -> None:
    """One of each way: an argument, a default, a part, a branch, a constant, a name, a result, a dict's value."""
    found = messages["said"]()
    assert {
        "Page {1} has no size: 0 by 0 points.",
        "Replace the file, or run 'glimpsed retry' on it.",
        " (given up after {1} tries)",
        "It is neither a picture nor a PDF of a kind that is known.",
        "the answer was cut off at the output limit",
        "Decoding took more than {1} s of CPU.",
        "the end marker (EOI)",
        "the model says that it cannot see an image",
        "The TIFF file cannot be decoded: its compression ({1}) is not known.",
        "{1} needs an extra that is not installed: {2}",
    } <= set(found)


plain = st.text(st.characters(categories=["L", "N"], max_codepoint=0x17F), min_size=1, max_size=8)


@given(st.sampled_from([entry for entry in SAID if "}{" not in entry.msgid]), st.data())
def test_a_sentence_is_known_with_any_values(entry: polib.POEntry, data: st.DataObject) -> None:
    values = [data.draw(plain) for _ in NUMBERS.findall(entry.msgid)]
    said, expected = entry.msgid, entry.msgstr
    for number, value in enumerate(values, 1):
        said, expected = (text.replace(f"{{{number}}}", value) for text in (said, expected))
    assert told(said, "zh") == expected
    assert told(said, "en") == said


def test_a_reason_within_a_reason_is_said_too() -> None:
    happened = "No model gave a usable answer: gpt-4o: the model refused; flash: an empty answer (given up after 12 tries)."
    assert told(happened, "zh") == (
        "没有模型给出可用的回答：gpt-4o：模型拒绝回答；flash：回答是空的（尝试 12 次后放弃）。"
    )
    both = "Not handed over: a.jpg cannot be moved: Permission denied. Look at the folder's 'move_to'."
    assert told(both, "zh") == "移交失败：无法移动 a.jpg：权限不足。请检查文件夹的 move_to。"


def test_what_is_added_to_somebody_else_s_words_is_said_too() -> None:
    happened = "No model gave a usable answer: m: HTTP 400: max_tokens (at least 1) is required (set 'max_output_tokens' for the folder)."
    assert told(happened, "zh") == (
        "没有模型给出可用的回答：m：HTTP 400：max_tokens (at least 1) is required（请为文件夹设置 max_output_tokens）。"
    )


@given(st.text("AB12 ;:.,()", max_size=200))
def test_what_is_not_the_program_s_own_stays(text: str) -> None:
    assert told(text, "zh") == text


def test_a_text_that_somebody_else_made_long_costs_no_time() -> None:
    begun = time.process_time()
    for evil in ("a: " * 50_000, "x (" * 50_000, "; " * 50_000, "HTTP 1: " * 20_000):
        told(evil, "zh")
    assert time.process_time() - begun < 5


@pytest.mark.parametrize(
    ("setting", "environ", "language"),
    [
        ("zh", {"LANG": "de_DE.UTF-8"}, "zh"),
        ("en", {"LANG": "zh_CN.UTF-8"}, "en"),
        ("auto", {"LANG": "zh_CN.UTF-8"}, "zh"),
        ("auto", {"LANG": "zh_TW"}, "zh"),
        ("auto", {"LANG": "zh_CN.UTF-8", "LC_ALL": "C.UTF-8"}, "en"),
        ("auto", {"LANG": "en_US.UTF-8", "LC_MESSAGES": "zh_CN.UTF-8"}, "zh"),
        ("auto", {"LANG": "zh_CN.UTF-8", "LC_ALL": ""}, "zh"),
        ("auto", {"LANG": "zhuang"}, "en"),
        ("auto", {}, "en"),
    ],
)
def test_auto_is_what_the_environment_says(setting: str, environ: dict[str, str], language: str) -> None:
    assert chosen(setting, environ) == language


def test_the_translator_is_gettext_s() -> None:
    assert translator("zh").gettext("folder") == "文件夹"
    assert translator("zh").ngettext("{:,} answer", "{:,} answers", 3).format(3) == "3 个回答"
    assert translator("en").ngettext("{:,} answer", "{:,} answers", 1).format(1) == "1 answer"
    assert translator("zh").gettext("of nobody's") == "of nobody's"


def test_an_error_sidecar_speaks_it_and_is_known_as_ours() -> None:
    reason, advice = "Page 3 has no size: 0 by 0 points.", "Save or scan it again."
    data = sidecar.render_error(reason, advice, {"文件": "a.pdf"}, "Sorry", "zh")
    lines = data.decode().splitlines()
    assert lines[:2] == ["第 3 页没有尺寸：0 × 0 点。", "请重新保存或重新扫描。"]
    assert "模型的回答：" in lines
    assert is_error_sidecar(data)
