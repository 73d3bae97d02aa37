"""Every word of the page is of the language that it says it is in, but for names and what others said."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from html.parser import HTMLParser

import pytest

from glimpsed.language import translator
from glimpsed.ledger import Paused
from glimpsed.model import Doubt, DoubtfulField, Review
from history import CONFIG, History
from webpage import Reader, history, served

# What is the same in every language: names, units, formats, and what the config and the browser call things.
SAME = frozenset(
    re.split(
        r"\s+",
        """glimpsed yaml json csv token tokens kb usd gpt api chat png jpeg image ctrl enter
    invoic verify with init txt q utc inotify poll stop text schema ext xfs btrfs tmpfs overlay zfs page""",
    )
)
READ = frozenset({"alt", "title", "aria-label", "placeholder", "value"})
NOW = time.time()
VIEWS = (
    "/", "/files", "/files?q=0aa0", "/files?q=0bb0", "/files?name=11", "/files?since=2020-01-01", "/files?state=doubtful",
    "/files/1", "/files/2", "/files/3", "/files/4", "/review", "/review?after=99999", "/failures", "/workbench",
    "/workbench?file=1", "/login", "/nothing", "/files/99999",
)  # fmt: skip


class Words(HTMLParser):
    """The words that people see or hear, of the page itself."""

    def __init__(self) -> None:
        super().__init__()
        self.texts: list[str] = []
        self._inside: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        told = dict(attrs)
        kind = told.get("type")
        if tag not in {"input", "img", "br", "link", "meta", "line", "rect"}:
            self._inside.append(tag)
        for name, value in attrs:
            if name in READ and value and not (name == "value" and (tag != "input" or kind != "submit")):
                self.texts.append(value)

    def handle_endtag(self, tag: str) -> None:
        while self._inside and self._inside.pop() != tag:
            pass

    def handle_data(self, data: str) -> None:
        if not {"script", "style", "textarea"} & set(self._inside):
            self.texts.append(data)


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> Iterator[History]:
    home = tmp_path_factory.mktemp("language")
    other = "models:\n  0ee0: {api: chat, base_url: 'http://127.0.0.1:9/v1', model: x, api_key_credential: k}"
    made = history(home, CONFIG.replace("models:", other))
    made.done("invoices", "11.png", ("0aa0 22 33",), NOW)
    doubt = Doubt(by="0ee0", agreement=0.5, fields=(DoubtfulField(path="44", value="55", other="66"),))
    made.done("invoices", "12.png", ("{}",), NOW, data={"44": "55", "45": None}, told={"doubt": doubt})
    made.failed("archive", "13.png", "The file is empty.", NOW)
    made.done(
        "archive",
        "14.png",
        ("0aa0", "0bb0"),
        NOW,
        told={"review": Review(at="2026-11-26T10:00:00Z", by="99")},
    )
    made.queued("archive", "15.png", NOW)
    made.ledger.hold("archive", NOW - 60)
    made.ledger.pause(Paused("m", "429: 77", made.ledger.clock(), None, made.ledger.clock() + 500))
    yield made
    made.ledger.close()


@pytest.fixture(scope="module")
def port(told: History, tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    with served(told.config, tmp_path_factory.mktemp("cache")) as found:
        yield found


def words(html: str) -> str:
    parser = Words()
    parser.feed(html)
    return "\n".join(parser.texts)


NAMES = re.compile(
    r"invoices|archive|gpt-4o[-\d]*|0\w\w0|[\w.-]*\.png|/tmp/\S*|\bm\b|verify_with|Scan it again|Read it"
)


def english(html: str) -> set[str]:
    return {word.lower() for word in re.findall(r"[A-Za-z]{2,}", NAMES.sub("", words(html)))} - SAME


@pytest.mark.parametrize("view", VIEWS)
def test_no_english_word_stands_on_a_chinese_page_and_no_chinese_one_on_an_english(
    port: int, view: str
) -> None:
    with Reader(port, headers={"Accept-Language": "zh"}) as reader:
        assert not english(reader.get(view).text), view
    with Reader(port, headers={"Accept-Language": "en"}) as reader:
        assert not re.search("[\u3000-\u9fff\uff00-\uffef]", words(reader.get(view).text)), view


def test_what_is_asked_before_something_is_done_and_told_after_it_is_chinese_too(port: int) -> None:
    _ = translator("zh").gettext
    with Reader(port, headers={"Accept-Language": "zh"}) as reader:
        priced = reader.press("/files/1", _("Redo"))
        assert "个文件" in priced.text
        assert "USD" in priced.text
        tried = reader.send_form(reader.get("/workbench?file=1").text, _("Try"), prompt="0aa0", model="m")
        assert "USD" in tried.text
        wrong = reader.send_form(tried.text, _("Try"), prompt="0aa0")
        saved = reader.press("/files/1", _("Save"), text="0aa0 22")
        rewritten = reader.press("/files/1", _("Rewrite"))
        resumed = reader.press("/", _("Resume"))
        none = reader.send_form(reader.get("/files").text.split("</form>", 1)[1], _("Rewrite"))
        for page in (priced, tried, wrong, saved, rewritten, resumed, none):
            assert english(page.text) == set(), page.url
