"""`check` says what will not work, by name, and changes nothing."""

from __future__ import annotations

import errno
import json
import os
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from gateway import Gateway, Scripted
from glimpsed import cli, extras
from glimpsed.cli import examine

needs_permissions = pytest.mark.skipif(os.geteuid() == 0, reason="root may read and write everything")

Run = Callable[..., int]
Data = Callable[..., dict[str, Any]]


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    for name in ("STATE_DIRECTORY", "GLIMPSED_CONFIG"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(examine, "_installed", lambda _: True)
    (tmp_path / "in").mkdir(exist_ok=True)
    return tmp_path


@pytest.fixture
def check(here: Path) -> Run:
    def run(text: str, *arguments: str) -> int:
        (here / "glimpsed.yaml").write_text(text)
        with pytest.raises(SystemExit) as e:
            cli.main(["check", *arguments])
        assert isinstance(e.value.code, int)
        return e.value.code

    return run


@pytest.fixture
def data(check: Run, capsys: pytest.CaptureFixture[str]) -> Data:
    def run(text: str, *arguments: str, code: int = 0) -> dict[str, Any]:
        assert check(text, "--json", *arguments) == code
        found: dict[str, Any] = json.loads(capsys.readouterr().out)
        return found

    return run


@pytest.fixture
def gateway() -> Iterator[Gateway]:
    with Gateway() as running:
        yield running
        assert running.problems == []


GOOD = "folders: {f: {path: in}}"


def remote(gateway: Gateway, *names: str) -> str:
    entries = ", ".join(f"{name}: {{api: chat, base_url: '{gateway.base_url}'}}" for name in names)
    return f"models: {{{entries}}}\nfolders: {{f: {{path: in, model: {names[0]}, fallbacks: [{', '.join(names[1:])}]}}}}"


def test_the_documented_shape(data: Data, here: Path) -> None:
    found = data(GOOD)
    assert found["ok"] is True
    assert found["config"] == "glimpsed.yaml"
    folder = found["folders"]["f"]
    assert folder["path"] == str(here / "in")
    assert folder["mode"] in ("inotify", "poll")
    assert folder["filesystem"]
    assert folder["problem"] is None
    assert found["models"]["local"] == {"api": "local", "reachable": None, "problem": None, "seconds": None}
    assert any("ignores prompts" in note for note in found["notes"])


def test_nothing_is_created(check: Run, here: Path) -> None:
    before = sorted(here.rglob("*"))
    assert check(GOOD) == 0
    assert sorted(path for path in here.rglob("*") if path.name != "glimpsed.yaml") == before


def test_for_people_each_part_has_a_line(check: Run, capsys: pytest.CaptureFixture[str]) -> None:
    assert check("folders: {f: {path: in}, away: {path: nowhere}}") == 1
    out, err = capsys.readouterr()
    assert err == ""
    for what in ("ok    config  glimpsed.yaml", "ok    ledger", "ok    folder f", "ok    model local  local"):
        assert what in out
    assert "FAIL  folder away" in out
    assert "is not there" in out
    assert "\x1b" not in out


def test_a_bad_config_is_78_with_all_problems(check: Run, capsys: pytest.CaptureFixture[str]) -> None:
    assert check("folders: {f: {paht: in}}", "--json") == 78
    out, err = capsys.readouterr()
    assert [problem["key"] for problem in json.loads(out)["problems"]] == ["folders.f.paht", "folders.f.path"]
    assert json.loads(out)["ok"] is False
    assert "did you mean 'path'?" in err


def test_config_only_looks_at_nothing_else(check: Run, capsys: pytest.CaptureFixture[str]) -> None:
    """For a reload: a folder that is not there, a ledger that cannot be reached are no reason to keep the old config."""
    assert (
        check("state: postgresql+psycopg://x@127.0.0.1:9/x\nfolders: {f: {path: nowhere}}", "--config-only")
        == 0
    )
    assert check("folders: {f: {paht: in}}", "--config-only") == 78


@pytest.mark.parametrize(
    ("path", "problem"),
    [("nowhere", "is not there"), ("file", "is not a directory"), ("loop", "cannot be looked at")],
)
def test_a_folder_that_is_none(data: Data, here: Path, path: str, problem: str) -> None:
    (here / "file").touch()
    (here / "loop").symlink_to("loop")
    found = data(f"folders: {{f: {{path: {path}}}}}", code=1)
    assert found["ok"] is False
    assert problem in found["folders"]["f"]["problem"]
    assert found["folders"]["f"]["mode"] is None


@needs_permissions
@pytest.mark.parametrize(
    ("path", "mode", "problem"),
    [
        ("in", 0o300, "cannot be listed"),
        ("in", 0o500, "cannot be written"),
        ("in/a/b", 0o500, "subfolder a/b cannot be written"),
    ],
)
def test_permissions_are_looked_at(data: Data, here: Path, path: str, mode: int, problem: str) -> None:
    (here / path).mkdir(parents=True, exist_ok=True)
    (here / path).chmod(mode)
    try:
        assert problem in data(GOOD, code=1)["folders"]["f"]["problem"]
    finally:
        (here / path).chmod(0o700)


def test_what_the_system_denies_is_told(here: Path, monkeypatch: pytest.MonkeyPatch, data: Data) -> None:
    """As `test_permissions_are_looked_at`, also for root."""
    (here / "in" / "a" / "b").mkdir(parents=True)
    (here / "in" / ".hidden").mkdir()
    denied = {"in/a/b": os.W_OK, "in/.hidden": os.W_OK}
    monkeypatch.setattr(
        examine, "_may", lambda path, what: not what & denied.get(os.path.relpath(path, here), 0)
    )
    assert data(GOOD, code=1)["folders"]["f"]["problem"].startswith("subfolder a/b cannot be written")
    assert data("folders: {f: {path: in, recursive: false}}")["ok"]


def test_a_program_that_is_not_there(data: Data) -> None:
    found = data("folders: {f: {path: in, on_done: {command: [no-such-program, x]}}}", code=1)
    assert found["folders"]["f"]["problem"] == "on_done: there is no program no-such-program"


def test_a_program_that_may_not_be_executed_is_there(here: Path, data: Data) -> None:
    (here / "file.sh").write_text("#!/bin/sh\n")
    found = data(f"folders: {{f: {{path: in, on_done: {{command: [{here}/file.sh]}}}}}}", code=1)
    assert found["folders"]["f"]["problem"].startswith(f"on_done: {here}/file.sh may not be executed")


def test_a_hung_file_system_is_a_problem_not_a_hang(data: Data, monkeypatch: pytest.MonkeyPatch) -> None:
    from threading import Event

    never = Event()
    monkeypatch.setattr(examine, "PATIENCE", 0.05)
    monkeypatch.setattr(examine, "_folder_problem", lambda _: never.wait(30))
    try:
        assert "no answer from the file system" in data(GOOD, code=1)["folders"]["f"]["problem"]
    finally:
        never.set()


def test_an_automount_whose_server_is_away_is_a_problem_of_its_folder(
    data: Data, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It looks like a directory to stat(2), which alone does not ask for the share."""

    def away(_path: object) -> None:
        raise OSError(errno.ENODEV, os.strerror(errno.ENODEV))

    monkeypatch.setattr(os, "statvfs", away)
    assert data(GOOD, code=1)["folders"]["f"]["problem"] == "cannot be looked at: No such device"


def test_missing_extras_are_named_with_the_command_that_mends_it(
    check: Run, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(examine, "_installed", lambda _: False)
    assert check(GOOD + "\nmetrics: 127.0.0.1:1") == 1
    out = capsys.readouterr().out
    assert extras.command("ocr", "metrics") in out
    assert extras.command("pdf", "heif") in out


def test_extras_that_nothing_needs_are_not_missed(
    data: Data, monkeypatch: pytest.MonkeyPatch, gateway: Gateway
) -> None:
    monkeypatch.setattr(examine, "_installed", lambda _: False)
    assert data(remote(gateway, "m"))["missing_extras"] == []


# -- the ledger ------------------------------------------------------------------------------------------


def test_a_ledger_that_works(data: Data, here: Path) -> None:
    from glimpsed.ledger import open_ledger

    open_ledger(f"sqlite:///{here}/l.db").close()
    assert data(GOOD + "\nstate: sqlite:///l.db")["ledger"] == {"place": f"{here}/l.db", "problem": None}


def test_a_damaged_ledger(data: Data, here: Path) -> None:
    (here / "l.db").write_bytes(b"this is no database, " * 500)
    assert "l.db" in data(GOOD + "\nstate: sqlite:///l.db", code=1)["ledger"]["problem"]


def test_a_database_of_somebody_else(data: Data, here: Path) -> None:
    with sqlite3.connect(here / "l.db") as connection:
        connection.execute("CREATE TABLE files (a)")
    connection.close()
    assert data(GOOD + "\nstate: sqlite:///l.db", code=1)["ledger"]["problem"]


def test_a_ledger_that_cannot_be_created(data: Data, here: Path) -> None:
    (here / "file").touch()
    assert "cannot be created" in data(GOOD + "\nstate: sqlite:///file/l.db", code=1)["ledger"]["problem"]


def test_a_server_that_does_not_answer_and_its_password(data: Data) -> None:
    pytest.importorskip("psycopg")
    ledger = data(GOOD + "\nstate: postgresql+psycopg://u:hunter2@127.0.0.1:1/db", code=1)["ledger"]
    assert ledger["problem"]
    assert "hunter2" not in json.dumps(ledger)


def test_a_server_is_named_once_in_its_line(check: Run, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("psycopg")
    assert check(GOOD + "\nstate: postgresql+psycopg://u@127.0.0.1:1/db") == 1
    [line] = [line for line in capsys.readouterr().out.splitlines() if "FAIL" in line]
    assert line.startswith("FAIL  ledger  postgresql+psycopg://u@127.0.0.1:1/db: connection failed")


# -- models ----------------------------------------------------------------------------------------------


def test_offline_nothing_is_sent(data: Data, gateway: Gateway) -> None:
    assert data(remote(gateway, "m"))["models"]["m"]["reachable"] is None
    assert gateway.requests == []


def test_online_every_model_is_asked_about_a_tiny_image(data: Data, gateway: Gateway) -> None:
    text = remote(gateway, "m", "n").replace(
        "models: {", f"models: {{unused: {{base_url: '{gateway.base_url}'}}, "
    )
    found = data(text, "--online")
    assert {name: model["reachable"] for name, model in found["models"].items()} == {
        "m": True,
        "n": True,
        "unused": True,
    }
    assert sorted(seen.body["model"] for seen in gateway.requests) == ["m", "n", "unused"]
    (picture,) = gateway.requests[0].images
    assert (picture.format, picture.media_type) == ("JPEG", "image/jpeg")
    assert picture.bytes < 20_000


def test_online_models_are_asked_as_their_folders_will_ask_shortly_and_one_after_the_other(
    data: Data, gateway: Gateway
) -> None:
    gateway.default = Scripted(text='{"to', finish="length", delay=0.1)
    models = ", ".join(f"{n}: {{api: chat, base_url: '{gateway.base_url}', stream: true}}" for n in "mno")
    text = f"""
models: {{{models}}}
defaults: {{model: m, fallbacks: [n]}}
folders:
  f: {{path: in, system: Be exact., user: scanner, temperature: 0.5, detail: low,
      schema: {{type: object, properties: {{total: {{type: number}}}}}}}}
"""
    found = data(text, "--online")
    assert {name: model["reachable"] for name, model in found["models"].items()} == dict.fromkeys("mno", True)
    assert gateway.most_in_flight == 1
    asked = {seen.body["model"]: seen for seen in gateway.requests}
    assert len(asked) == len(gateway.requests) == 3
    for name in "mn":
        body = asked[name].body
        assert (body["temperature"], body["user"], body["stream"], body["max_tokens"]) == (
            0.5,
            "scanner",
            True,
            16,
        )
        assert (asked[name].system, asked[name].images[0].detail) == ("Be exact.", "low")
        assert body["response_format"]["type"] == "json_schema"
    assert asked["o"].system is None


def test_online_what_a_folders_schema_or_temperature_meets_is_found_out(data: Data, gateway: Gateway) -> None:
    gateway.default = lambda seen: (
        Scripted()
        if "temperature" not in seen.body
        else Scripted(status=422, body={"error": {"message": "drelm"}})
    )
    assert data(remote(gateway, "m"), "--online")["models"]["m"]["reachable"]
    gateway.default = lambda seen: (
        Scripted(status=401, body={"error": {"message": "only for those of system Q"}})
        if seen.system
        else Scripted()
    )
    text = remote(gateway, "m").replace("path: in", "path: in, system: Be exact.")
    assert "system Q" in data(text, "--online", code=69)["models"]["m"]["problem"]


def test_a_key_in_quotes_is_used_without_them_and_that_is_said(
    data: Data, gateway: Gateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("K", '"sk-abc-123"')
    found = data(remote(gateway, "m").replace("api: chat", "api: chat, api_key_env: K"), "--online")
    assert gateway.requests[0].headers["authorization"] == "Bearer sk-abc-123"
    assert "the key of model m stands in quotes: it is used without them" in found["notes"]


def test_a_model_that_no_folder_uses_and_that_cannot_be_reached_is_69_too(
    data: Data, gateway: Gateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("UNSET", raising=False)
    text = remote(gateway, "m").replace(
        "models: {",
        f"models: {{deaf: {{base_url: 'http://127.0.0.1:1/v1'}}, "
        f"keyless: {{base_url: '{gateway.base_url}', api_key_env: UNSET}}, ",
    )
    assert data(text)["models"]["deaf"]["problem"] is None
    found = data(text, "--online", code=69)
    assert {name: model["reachable"] for name, model in found["models"].items()} == {
        "m": True,
        "deaf": False,
        "keyless": None,
    }
    assert "model keyless was not asked: there is no API key in UNSET" in found["notes"]
    assert [seen.body["model"] for seen in gateway.requests] == ["m"]


def test_a_model_that_cannot_be_reached_is_69(data: Data) -> None:
    text = "models: {m: {api: chat, base_url: 'http://127.0.0.1:1/v1'}}\nfolders: {f: {path: in}}"
    found = data(text, "--online", code=69)
    assert found["ok"] is False
    assert found["models"]["m"]["reachable"] is False
    assert found["models"]["m"]["problem"]


def test_a_refused_key_is_told_and_never_shown(
    data: Data, gateway: Gateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("K", "sk-hunter2")
    gateway.default = Scripted(
        status=401, body={"error": {"message": "bad key sk-hunter2", "type": "invalid_request_error"}}
    )
    text = remote(gateway, "m").replace("api: chat", "api: chat, api_key_env: K")
    found = data(text, "--online", code=69)
    assert gateway.requests[0].headers["authorization"] == "Bearer sk-hunter2"
    assert found["models"]["m"]["reachable"] is False
    assert "hunter2" not in json.dumps(found)


def test_a_key_that_everybody_may_read_is_noted(data: Data, here: Path, gateway: Gateway) -> None:
    (here / "k").write_text("sk-1")
    (here / "k").chmod(0o644)
    text = remote(gateway, "m").replace("api: chat", "api: chat, api_key_file: k")
    assert any("chmod" in note for note in data(text)["notes"])
    (here / "k").chmod(0o600)
    assert not any("chmod" in note for note in data(text)["notes"])


def test_a_budget_that_does_not_see_a_model_is_noted(data: Data, gateway: Gateway) -> None:
    text = remote(gateway, "m") + "\nbudget: {per_day: 1}"
    assert any("has no price" in note for note in data(text)["notes"])


@pytest.mark.skipif(
    os.geteuid() != 0 or shutil.which("setpriv") is None, reason="needs root, to be less than root"
)
def test_who_may_not_look_is_told_so(tmp_path: Path) -> None:
    """As a root without its rights over others' files."""
    state, config = tmp_path / "state", tmp_path / "g.yaml"
    state.mkdir(mode=0o700)
    os.chown(state, 65534, 65534)
    (tmp_path / "in").mkdir(exist_ok=True)
    config.write_text(f"state: sqlite:///{state}/ledger.sqlite\nfolders: {{f: {{path: in}}}}\n")
    less = ["setpriv", "--bounding-set=-dac_override,-dac_read_search,-fowner", "--inh-caps=-all"]

    def glimpsed(*arguments: str) -> tuple[int, str]:
        command = [*less, sys.executable, "-m", "glimpsed", *arguments, "-c", str(config)]
        done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=tmp_path)
        return done.returncode, done.stdout + done.stderr

    code, told = glimpsed("check")
    assert code == 77
    assert "FAIL  ledger" in told
    assert "no permission in" in told
    code, told = glimpsed("status")
    assert code == 78
    assert f"cannot be written: Permission denied: {state} belongs to nobody:" in told
    assert "(mode 0700), this runs as root" in told
    os.chown(config, 65534, 65534)
    config.chmod(0o600)
    code, told = glimpsed("check")
    assert code == 78
    assert "cannot be read: Permission denied: it belongs to nobody:" in told
    os.chown(config, 0, 0)
    key = tmp_path / "key"
    key.touch(0o600)
    os.chown(key, 65534, 65534)
    with config.open("a") as more:
        more.write(
            f"models: {{m: {{base_url: 'https://h/v1', api_key_file: {key}}}}}\ndefaults: {{model: m}}\n"
        )
    code, told = glimpsed("init", "-o", f"{state}/new.yaml")
    assert code == 77
    assert f"new.yaml cannot be written: Permission denied: {state} belongs to nobody:" in told
    code, told = glimpsed("run")
    assert code == 78
    assert "cannot be read: Permission denied: it belongs to nobody:" in told
