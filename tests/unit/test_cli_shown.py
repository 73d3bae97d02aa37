"""Whatever a file name, an answer or a server says: no command lets it tell the terminal anything."""

from __future__ import annotations

import io
import json
import re
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from daemon import glimpsed
from gateway import Gateway, Scripted
from glimpsed import cli
from glimpsed.cli import common
from glimpsed.cli.status import view
from glimpsed.model import json_shown, on_terminal, shown
from pictures import picture
from terminal import Terminal

EVIL = "[red]a\x1b[31mb\x1b]8;;http://x\x07c\x9b2Jd\r\x08\x7fe\u202ef\u2066g\u2028h\x00"
UNSEEN_SOME = "\ufeff\u200f\u061c\U000e0001\U000e0041\U000e007f\u206a\ufff9"
UNSEEN = re.compile("[\u061c\u200e\u200f\ufeff\U000e0000-\U000e007f\u206a-\u206f\ufff9-\ufffb]")
UNSAFE = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069]")


def test_lines_and_tabs_of_an_answer_stay_and_all_else_is_escaped() -> None:
    text = f"one\r\n\ttwo\n{EVIL}\ud800\udcff"
    told = shown(text, lines=True)
    assert told.startswith("one\n\ttwo\n[red]a\\x1b[31mb")
    assert not UNSAFE.search(told)
    assert "\n" not in shown(text)
    told.encode()


@given(st.text(st.one_of(st.characters(), st.sampled_from(UNSEEN_SOME))))
def test_nothing_unseen_reaches_a_terminal_and_data_keep_it(text: str) -> None:
    told = on_terminal(text)
    told.encode()
    assert not UNSAFE.search(told)
    assert not UNSEEN.search(told)
    if not UNSAFE.search(text) and not UNSEEN.search(text) and text.isprintable():
        assert told == text
    data = json_shown(json.dumps(text, ensure_ascii=False))
    assert json.loads(data) == text
    assert not UNSEEN.search(data)


@pytest.mark.parametrize(
    "command",
    [("try", "one.png"), ("try", "one.png", "--json"), ("export",), ("export", "--format", "jsonl")],
)
def test_unseen_characters_of_an_answer_are_seen_on_a_terminal(there: Path, command: tuple[str, ...]) -> None:
    with Gateway(default=Scripted(text=f"Total {UNSEEN_SOME} 9.80")) as gateway:
        (there / "glimpsed.yaml").write_text(
            f"models: {{m: {{api: chat, base_url: '{gateway.base_url}'}}}}\n"
            f"folders: {{f: {{path: in, model: m, settle: 0}}}}\n"
        )
        (there / "in" / "one.png").write_bytes(picture())
        if command[0] == "export":
            assert glimpsed("once", "-q", home=there).returncode == 0
        with Terminal(there, *command) as terminal:
            assert terminal.end() == 0
        piped = glimpsed(*command, home=there)
    assert "9.80" in terminal.raw
    assert "feff" in terminal.raw
    assert not UNSEEN.search(terminal.raw)
    assert piped.returncode == 0
    if "--json" not in command:
        assert UNSEEN_SOME in piped.stdout, "what goes to a program is the answer as it is"


@given(st.text(st.characters()))
def test_any_text_can_be_shown(text: str) -> None:
    for told in (shown(text), shown(text, lines=True)):
        told.encode()
        assert not UNSAFE.search(told)
    if not UNSAFE.search(text) and text.isprintable():
        assert shown(text) == text


def test_json_for_programs_is_the_same_value_and_safe_to_look_at(capsys: pytest.CaptureFixture[str]) -> None:
    common.print_json({EVIL: [EVIL, "é\n"]})
    out = capsys.readouterr().out
    assert json.loads(out) == {EVIL: [EVIL, "é\n"]}
    assert not UNSAFE.search(out)
    assert "é" in out


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> io.StringIO:
    """What is printed for people, as on a terminal with colours."""
    written = io.StringIO()
    console = common._console(stderr=False)
    monkeypatch.setattr(console, "_file", written, raising=False)
    console.file = written
    console._force_terminal = True
    monkeypatch.setattr(common, "out", lambda: console)
    return written


def test_a_console_shows_text_from_outside_safely_in_tables_rules_and_lines(terminal: io.StringIO) -> None:
    from rich.table import Table
    from rich.text import Text

    table = Table("a", EVIL)
    table.add_row(EVIL, Text(EVIL, style="red"))
    console = common.out()
    for part in (table, EVIL, Text(EVIL)):
        console.print(part)
    console.rule(EVIL)
    _is_safe(terminal.getvalue())


def _is_safe(printed: str) -> None:
    own = re.sub(r"\x1b\[[0-9;]*m", "", printed)  # rich's colours
    assert not UNSAFE.search(own)
    assert "\\x1b" in printed
    assert "\x1b[31mb" not in printed
    assert "[red]a" in printed.replace("\n", "")


def test_status_shows_reasons_hosts_and_facts_safely(terminal: io.StringIO) -> None:
    now = "2026-11-22T10:00:00Z"
    folder: dict[str, Any] = dict.fromkeys(
        ("settling", "queued", "running", "answered", "handing", "done", "doubtful", "failed", "gone"), 1
    )
    folder |= {
        "state": "lost",
        "mode": EVIL,
        "reason": EVIL,
        "settling_reason": EVIL,
        "watched": True,
        "waits_since": now,
        "backlog": EVIL,
    }
    model = {"state": "paused", "reason": EVIL, "next_probe": now, "until": None, "learnt": {EVIL: EVIL}}
    shot = {
        "daemon": {"running": True, "pid": 1, "host": EVIL, "since": now, "others": []},
        "ledger": EVIL,
        "folders": {EVIL: folder},
        "models": {EVIL: model},
        "spend": {"day": 0.0, "month": 0.0, "currency": EVIL, "all": {}, "budgets": []},
        "failures": [{"folder": EVIL, "file": EVIL, "reason": EVIL, "since": now}],
    }
    for part in view(shot, 1_795_000_000.0):
        common.out().print(part)
    _is_safe(terminal.getvalue())


@pytest.fixture
def there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("GLIMPSED_CONFIG", raising=False)
    (tmp_path / "in").mkdir()
    (tmp_path / "one.png").write_bytes(picture())
    return tmp_path


def run(*arguments: str) -> int:
    common.out.cache_clear()
    common.err.cache_clear()
    with pytest.raises(SystemExit) as e:
        cli.main(list(arguments))
    sys.stdout.flush()
    common.out.cache_clear()
    common.err.cache_clear()
    assert isinstance(e.value.code, int)
    return e.value.code


@pytest.mark.parametrize("options", [(), ("--model", "m", "--model", "n"), ("--json",)])
def test_try_prints_answers_without_their_escapes(
    there: Path, capsys: pytest.CaptureFixture[str], options: tuple[str, ...]
) -> None:
    with Gateway(default=Scripted(text=f"Total\t9.80\n{EVIL}")) as gateway:
        entry = f"{{api: chat, base_url: '{gateway.base_url}'}}"
        (there / "glimpsed.yaml").write_text(
            f"models: {{m: {entry}, n: {entry}}}\nfolders: {{f: {{path: in, model: m}}}}\n"
        )
        assert run("try", "one.png", *options) == 0
    out, err = capsys.readouterr()
    assert not UNSAFE.search(out + err)
    assert "[red]a" in out
    if not options:
        assert out.startswith("Total\t9.80\n[red]a\\x1b[31mb")


def test_try_shows_what_a_server_says_without_its_escapes(
    there: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    error = {"error": {"message": EVIL, "code": EVIL, "type": "invalid_api_key"}}
    with Gateway(default=Scripted(status=401, body=error)) as gateway:
        entry = f"{{api: chat, base_url: '{gateway.base_url}'}}"
        (there / "glimpsed.yaml").write_text(
            f"models: {{m: {entry}}}\nfolders: {{f: {{path: in, model: m}}}}\n"
        )
        assert run("try", "one.png") == 69
        assert run("check", "--online") == 69
    out, err = capsys.readouterr()
    assert not UNSAFE.search(out + err)


@pytest.mark.parametrize(
    "arguments", [("try", EVIL[:-1]), ("status", "--x" + EVIL), (EVIL,), ("-c", EVIL[:-1], "check")]
)
def test_what_a_shell_made_of_a_star_is_shown_safely(
    there: Path, capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...]
) -> None:
    assert run(*arguments)
    out, err = capsys.readouterr()
    assert not UNSAFE.search(out + err)
    assert "\\x1b" in err
