"""What was typed into the live page outlives the session that it was typed in, and is done only once somebody says so."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from glimpsed.web import guard, login
from glimpsed.web.sessions import SESSION
from history import History
from webpage import INPUT, Reader, history, served

PASSWORD = "correct horse"
TYPED = 'Corrected <b>"it"</b>\n\n  & more 金额'


@pytest.fixture
def told(tmp_path: Path) -> Iterator[History]:
    made = history(tmp_path)
    made.done("invoices", "a.png", ("As the model read it",))
    made.failed("archive", "b.png")
    yield made
    made.ledger.close()


@pytest.fixture
def port(told: History, tmp_path: Path) -> Iterator[int]:
    with served(told.config, tmp_path, PASSWORD, base_path="/scans") as found:
        yield found


def browser(port: int) -> Reader:
    """Somebody whose program says, as browsers do, where a form stood."""
    return Reader(port, headers={"Origin": f"http://127.0.0.1:{port}"})


def log_in(reader: Reader) -> None:
    assert reader.press("/scans/login", "Log in", password=PASSWORD).status_code == 200


def text(home: Path) -> str:
    return (home / "invoices" / "a.png.txt").read_text()


def sent(reader: Reader, port: int, **fields: Any) -> str:
    """The reply to a correction whose session is over."""
    form = reader.get("/scans/files/1").text
    with Reader(port, headers=reader.headers, cookies=reader.cookies) as another_window:
        another_window.press("/scans/", "Log out")
    return reader.send_form(form, "Save", text=TYPED, **fields).text


def test_what_was_typed_is_there_after_the_login_and_is_saved_when_it_is_pressed_again(
    port: int, tmp_path: Path
) -> None:
    with browser(port) as reader:
        log_in(reader)
        before = text(tmp_path)
        page = sent(reader, port)
        assert "You are logged out" in page
        wrong = reader.send_form(page, "Log in", password="wrong")
        assert wrong.status_code == 401
        page = reader.send_form(wrong.text, "Log in", password=PASSWORD).text
        assert "Corrected &lt;b&gt;&#34;it&#34;&lt;/b&gt;\n\n  &amp; more 金额" in page
        assert text(tmp_path) == before  # nobody has pressed it
        assert "Saved." in reader.send_form(page, "Save").text
        assert text(tmp_path) == f"{TYPED}\n"


def test_a_form_of_an_earlier_session_asks_once_more(port: int, tmp_path: Path) -> None:
    with browser(port) as reader:
        log_in(reader)
        form = reader.get("/scans/files/1").text
        reader.press("/scans/", "Log out")
        log_in(reader)  # in another window
        before = text(tmp_path)
        got = reader.send_form(form, "Save", text=TYPED)
        assert (got.status_code, text(tmp_path)) == (403, before)
        assert "Not done yet" in got.text
        assert "Saved." in reader.send_form(got.text, "Save").text
        assert text(tmp_path) == f"{TYPED}\n"


def test_what_changed_meanwhile_is_not_overwritten_by_what_was_held(port: int, tmp_path: Path) -> None:
    with browser(port) as reader, browser(port) as other:
        log_in(reader)
        page = sent(reader, port)
        log_in(other)
        other.press("/scans/files/1", "Save", text="Another hand")
        page = reader.send_form(page, "Log in", password=PASSWORD).text
        assert reader.send_form(page, "Save").status_code == 409
        assert text(tmp_path) == "Another hand\n"


def test_another_site_has_nothing_held_and_neither_has_who_says_nothing(port: int, tmp_path: Path) -> None:
    before = text(tmp_path)
    strangers: list[dict[str, str]] = [
        {"Origin": "http://evil.example"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Origin": "null"},
        {},
    ]
    for logged_in in (False, True):
        for headers in strangers:
            with Reader(port) as reader:
                if logged_in:
                    log_in(reader)
                got = reader.post("/scans/files/1/save", data={"text": TYPED, "token": "x"}, headers=headers)
                assert got.status_code in {401, 403}
                assert "Corrected" not in got.text
    assert text(tmp_path) == before


def test_where_nothing_was_typed_the_button_alone_comes_back(port: int) -> None:
    with browser(port) as reader:
        log_in(reader)
        form = reader.get("/scans/files/2").text
        reader.press("/scans/", "Log out")
        page = reader.send_form(form, "Retry")
        assert page.status_code == 401
        page = reader.send_form(page.text, "Log in", password=PASSWORD)
        assert "<dl" not in page.text
        assert reader.get("/scans/failures").text.count("<article") == 1
        assert "Queued again" in reader.send_form(page.text, "Retry").text
        form = reader.get("/scans/files/2").text
        reader.press("/scans/", "Log out")
        assert reader.send_form(form, "Log out").url.path == "/scans/login"


def test_who_was_in_may_have_typed_much_and_a_stranger_little(
    port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    with browser(port) as reader:
        log_in(reader)
        form = reader.get("/scans/files/1").text
        much = "金" * 50_000
        monkeypatch.setattr(login, "elapsed", lambda: 1e9)
        monkeypatch.setattr(guard, "elapsed", lambda: 1e9 + SESSION)
        page = reader.send_form(form, "Save", text=much)
        assert page.status_code == 401
        assert much in reader.send_form(page.text, "Log in", password=PASSWORD).text
        # Logged in meanwhile, in another window.
        monkeypatch.undo()
        assert much in reader.send_form(page.text, "Log in", password="").text
    with browser(port) as stranger:
        fields = dict(INPUT.findall(stranger.get("/scans/login").text))
        assert stranger.post("/scans/files/1/save", data={**fields, "text": much}).status_code == 413
        many = {f"x{number}": "" for number in range(2000)}
        assert stranger.post("/scans/files/1/save", data={**fields, **many}).status_code == 400


def test_a_login_leads_nowhere_else(port: int) -> None:
    with browser(port) as reader:
        page = reader.get("/scans/login").text
        for to in ("//evil.example", "https://evil.example/", "/\\evil.example", "javascript:alert(1)"):
            got = reader.send_form(page, "Log in", password=PASSWORD, to=to, **{"held.text": "x"})
            assert "evil" not in got.text
            assert "javascript" not in got.text
            assert 'action="/scans/"' in got.text
            reader.press("/scans/", "Log out")
            page = reader.get("/scans/login").text
