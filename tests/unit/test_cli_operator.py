"""The commands beside a daemon, against a ledger with history: what they print, change and refuse."""

from __future__ import annotations

import contextlib
import datetime as dt
import json
import os
import re
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from glimpsed import cli, config
from glimpsed.ledger import Adopted, Paused, open_ledger
from glimpsed.model import FileKey, Version, Written, utc
from glimpsed.vision import memory
from history import CONFIG, History


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in ("GLIMPSED_CONFIG", "STATE_DIRECTORY", "GLIMPSED_API_KEY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "xdg"))
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def history(home: Path) -> Iterator[History]:
    (home / "glimpsed.yaml").write_text(CONFIG)
    for name in ("invoices", "archive"):
        (home / name).mkdir()
    loaded = config.load(home / "glimpsed.yaml", keys=False)
    ledger = open_ledger(config.state_url(loaded))
    yield History(loaded, ledger)
    ledger.close()


Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def run(home: Path, capsys: pytest.CaptureFixture[str]) -> Run:
    def call(*arguments: str) -> tuple[int, str, str]:
        capsys.readouterr()
        with pytest.raises(SystemExit) as e:
            cli.main(list(arguments))
        captured = capsys.readouterr()
        assert "Traceback" not in captured.err
        return int(e.value.code or 0), captured.out, captured.err

    return call


def data(run: Run, *arguments: str) -> Any:
    code, out, _ = run(*arguments, "--json")
    assert code == 0
    return json.loads(out)


def state(history: History, key: FileKey) -> str:
    row = history.ledger.find(key)
    assert row is not None
    return row.state


# -- status


def test_status_without_a_daemon_has_the_documented_shape(history: History, run: Run) -> None:
    history.done("invoices", "a.png")
    history.failed("invoices", "b.png", "It is torn.")
    history.queued("invoices", "c.png")
    shot = data(run, "status")
    assert {k: shot["daemon"][k] for k in ("running", "pid", "since")} == {
        "running": False,
        "pid": None,
        "since": None,
    }
    invoices = shot["folders"]["invoices"]
    assert (invoices["state"], invoices["watched"]) == ("degraded", False)
    assert invoices["mode"] in ("inotify", "poll")
    assert {k: invoices[k] for k in ("queued", "running", "answered", "done", "failed", "gone")} == {
        "queued": 1,
        "running": 0,
        "answered": 0,
        "done": 1,
        "failed": 1,
        "gone": 0,
    }
    assert {k: shot["models"]["m"][k] for k in ("state", "reason", "until")} == {
        "state": "ok",
        "reason": None,
        "until": None,
    }
    assert {k: shot["spend"][k] for k in ("day", "month", "currency")} == {
        "day": 0.25,
        "month": 0.25,
        "currency": "USD",
    }
    assert shot["spend"]["budgets"] == [{"per_day": 5.0, "per_month": None, "day": 0.25, "month": 0.25}]
    (failure,) = shot["failures"]
    assert (failure["folder"], failure["file"], failure["reason"]) == ("invoices", "b.png", "It is torn.")


def test_status_shows_what_the_running_daemon_told_of_its_folders(history: History, run: Run) -> None:
    now = time.time()
    report = {
        "folders": {
            "invoices": {"state": "degraded", "mode": "poll", "filesystem": "nfs4", "reason": "too many"}
        }
    }
    history.ledger.heartbeat(now, report)
    shot = data(run, "status")
    assert shot["daemon"]["running"] is True
    assert shot["daemon"]["pid"] == os.getpid()
    assert shot["daemon"]["since"] == utc(now)
    assert shot["folders"]["invoices"]["state"] == "degraded"
    assert shot["folders"]["invoices"]["mode"] == "poll"
    assert shot["folders"]["invoices"]["watched"] is True
    assert (shot["folders"]["archive"]["state"], shot["folders"]["archive"]["watched"]) == ("degraded", False)


def test_a_daemon_that_died_without_a_word_does_not_run(history: History, run: Run, home: Path) -> None:
    another = history.ledger.owner.rpartition("-")[0] + "-another"
    dead = open_ledger(config.state_url(history.config), owner=another)
    dead.heartbeat(time.time())
    dead.close()
    assert data(run, "status")["daemon"]["running"] is False


def test_a_folder_that_is_not_there_is_lost(history: History, run: Run, home: Path) -> None:
    (home / "archive").rmdir()
    archive = data(run, "status")["folders"]["archive"]
    assert archive["state"] == "lost"
    assert "no such directory" in archive["reason"]


def test_status_says_why_a_model_is_paused_and_until_when(history: History, run: Run) -> None:
    now = time.time()
    history.ledger.pause(Paused("m", "HTTP 402: no money left", now - 60, now + 600, now + 600))
    model = data(run, "status")["models"]["m"]
    assert (model["state"], model["reason"]) == ("paused", "HTTP 402: no money left")
    assert model["until"] == utc(now + 600)
    code, out, _ = run("status")
    assert code == 0
    assert "paused" in out
    assert "HTTP 402: no money left; asked again in " in out


def test_the_next_probe_of_a_pause_is_never_in_the_past(history: History, run: Run) -> None:
    now = time.time()
    history.ledger.pause(Paused("m", "HTTP 402", now - 600, now - 500, now - 500))
    model = data(run, "status")["models"]["m"]
    assert model["state"] == "paused"
    assert utc(now - 1) <= model["next_probe"] == model["until"] <= utc(time.time() + 1)


def test_resume_has_a_paused_model_probed_now(history: History, run: Run) -> None:
    now = time.time()
    assert run("resume", "m")[:2] == (0, "m is not paused\n")
    history.ledger.pause(Paused("m", "HTTP 402", now - 60, now + 600, now + 600))
    assert run("resume", "m")[:2] == (0, "no daemon is running; it begins without pauses\n")
    history.ledger.heartbeat(history.ledger.clock())
    assert run("resume", "m")[:2] == (0, "m is probed now\n")
    probe = history.ledger.pauses()["m"].next_probe
    assert probe is not None
    assert abs(probe - history.ledger.clock()) < 5


def test_resume_does_not_end_a_used_up_budget_and_knows_only_models_of_the_config(
    history: History, run: Run
) -> None:
    now = time.time()
    history.ledger.pause(Paused("m", "budget of the day reached", now, now + 600, None))
    code, out, err = run("resume", "m")
    assert (code, out) == (1, "")
    assert "budget of the day reached" in err
    code, _, err = run("resume", "x")
    assert code == 2
    assert "there is no model 'x'" in err


def test_a_budget_pause_that_is_over_is_no_pause(history: History, run: Run) -> None:
    now = time.time()
    history.ledger.pause(Paused("m", "budget reached", now - 600, now - 1, None))
    assert data(run, "status")["models"]["m"]["state"] == "ok"


def test_status_shows_what_was_learnt_about_a_model(history: History, run: Run) -> None:
    key = memory.key(history.config.models["m"])
    history.ledger.learn(key, {"edge": [1568, 1.0]}, time.time())
    assert data(run, "status")["models"]["m"]["learnt"] == {"edge": 1568}
    assert "edge: 1568" in run("status")[1]


def test_status_tells_what_was_learnt_at_the_other_api_apart(history: History, run: Run) -> None:
    entry = history.config.models["m"]
    for key, edge in zip(memory.keys(entry), (1024, 768), strict=True):
        history.ledger.learn(key, {"edge": [edge, 1.0]}, time.time())
    other = {"chat": "responses", "responses": "chat"}[entry.api]
    learnt = data(run, "status")["models"]["m"]["learnt"]
    assert set(learnt) == {"edge", f"edge ({other})"}
    assert sorted(learnt.values()) == [768, 1024]


@pytest.mark.parametrize("name", ["m", "all"])
def test_what_was_learnt_can_be_forgotten(history: History, run: Run, name: str) -> None:
    for key in memory.keys(history.config.models["m"]):
        history.ledger.learn(key, {"edge": [768, 1.0]}, time.time())
    history.ledger.learn("elsewhere gpt-4o chat", {"edge": [768, 1.0]}, time.time())
    code, out, _ = run("status", "--forget", name)
    assert (code, out) == (0, f"forgotten: {3 if name == 'all' else 2} facts\n")
    assert data(run, "status")["models"]["m"]["learnt"] == {}
    assert len(history.ledger.all_learnt(time.time())) == (0 if name == "all" else 1)


def test_only_a_model_that_there_is_can_forget(history: History, run: Run) -> None:
    code, _, err = run("status", "--forget", "gpt-40")
    assert code == 2
    assert "no model 'gpt-40'; there is: m" in err
    assert run("status", "--forget", "m", "--json")[0] == 2


def test_status_for_people_names_folders_spend_budget_and_failures(history: History, run: Run) -> None:
    history.done("invoices", "a.png")
    history.failed("invoices", "b.png", "It is torn.")
    history.ledger.hold("archive", time.time())
    assert "approve" not in run("status")[1]  # it has not been listed yet: it was away at its first start
    history.queued("archive", "a.png")
    _, out, _ = run("status")
    assert "The daemon is not running." in out
    assert "Budget: 0.25 of 5.00 USD today" in out
    assert "It is torn." in out
    assert "glimpsed approve --folder archive" in out
    assert "\x1b" not in out


def test_status_watch_is_refused_where_there_is_no_terminal(history: History, run: Run) -> None:
    assert run("status", "--watch")[0] == 2


def test_commands_ask_for_no_api_key(history: History, run: Run) -> None:
    """The config names a systemd credential, which only the service has."""
    assert run("check")[0] != 0
    for command in (["status"], ["failures"], ["estimate"], ["approve"]):
        assert run(*command)[0] == 0


def test_the_keys_of_status_json_are_those_that_its_help_lists(history: History, run: Run) -> None:
    history.failed("invoices", "a.png")
    history.done("invoices", "b.png")
    shot = data(run, "status")
    shape = " ".join(run("status", "--help")[1].partition("--json")[2].partition("Examples:")[0].split())
    parts = {
        "daemon": shot["daemon"],
        "folders": shot["folders"]["invoices"],
        "models": shot["models"]["m"],
        "spend": shot["spend"],
        "failures": shot["failures"][0],
    }
    assert set(shot) == parts.keys() | {"ledger"}
    for name, values in parts.items():
        listed = shape.partition(f'"{name}": ')[2]
        assert [key for key in values if f'"{key}"' not in listed] == []


def test_a_database_that_is_away_is_not_called_a_bug(home: Path, run: Run) -> None:
    pytest.importorskip("psycopg")
    (home / "glimpsed.yaml").write_text(
        "state: postgresql+psycopg://nobody@127.0.0.1:9/none?connect_timeout=2\n"
        "folders: {invoices: {path: invoices}}\n"
    )
    code, _, err = run("status")
    assert code == 69
    assert "bug" not in err


# -- failures, retry


def test_failures_tells_folder_file_reason_time_and_attempts(history: History, run: Run) -> None:
    history.failed("invoices", "sub/a.png", "First.", now=1_000_000.0)
    history.failed("archive", "b.png", "Second.", now=2_000_000.0)
    listed = data(run, "failures")
    assert [{k: f[k] for k in ("folder", "file", "reason", "since", "attempts")} for f in listed] == [
        {"folder": "archive", "file": "b.png", "reason": "Second.", "since": utc(2_000_000.0), "attempts": 2},
        {
            "folder": "invoices",
            "file": "sub/a.png",
            "reason": "First.",
            "since": utc(1_000_000.0),
            "attempts": 2,
        },
    ]
    assert [f["file"] for f in data(run, "failures", "--folder", "archive")] == ["b.png"]
    code, out, err = run("failures")
    assert code == 0
    assert out.index("archive/b.png") < out.index("invoices/sub/a.png")
    assert "Scan it again." in out
    assert "2 failed" in err


def test_no_failures_is_an_empty_list(history: History, run: Run) -> None:
    assert data(run, "failures") == []


def test_retry_takes_paths_and_leaves_the_others(history: History, run: Run, home: Path) -> None:
    first, second = history.failed("invoices", "a.png"), history.failed("invoices", "b.png")
    code, out, _ = run("retry", "invoices/a.png")
    assert (code, out) == (0, "queued again: 1 file\n")
    assert (state(history, first), state(history, second)) == ("queued", "failed")
    row = history.ledger.find(first)
    assert row is not None
    assert row.attempts == 0


def test_a_directory_means_all_below_it_and_not_its_neighbours(history: History, run: Run) -> None:
    names = ["2024/a.png", "2024/x/b.png", "2024-old/c.png", "20240/d.png", "2024.png"]
    keys = {name: history.failed("invoices", name) for name in names}
    assert run("retry", "invoices/2024")[1] == "queued again: 2 files\n"
    assert [n for n in names if state(history, keys[n]) == "queued"] == ["2024/a.png", "2024/x/b.png"]


def test_retry_by_folder_and_all(history: History, run: Run) -> None:
    keys = [history.failed(folder, f"{n}.png") for folder in ("invoices", "archive") for n in range(3)]
    assert run("retry", "--folder", "archive")[1] == "queued again: 3 files\n"
    assert [state(history, key) for key in keys] == ["failed"] * 3 + ["queued"] * 3
    assert run("retry", "--all")[1] == "queued again: 3 files\n"
    assert {state(history, key) for key in keys} == {"queued"}


def test_a_file_can_be_named_as_the_commands_name_it(history: History, run: Run) -> None:
    """By its folder's name, which need not be what the directory is called, nor the current one its parent."""
    config = Path("glimpsed.yaml")
    key = history.failed("invoices", "sub/a.png", "It is broken.")
    Path("invoices").rename("elsewhere")
    config.write_text(config.read_text().replace("path: invoices", "path: elsewhere"))
    told = run("failures")[1].split("  ")[0]
    assert told == "invoices/sub/a.png"
    assert run("retry", told)[1] == "queued again: 1 file\n"
    assert state(history, key) == "queued"
    code, _, err = run("retry", "invoice/sub/a.png")
    assert code == 2
    assert "in none of the folders" in err


@pytest.mark.parametrize("name", ["scan\udce9.png", "a\nb.png", "sub/\x1b[31m.png"])
def test_a_name_that_is_listed_escaped_is_known_so_too(history: History, run: Run, name: str) -> None:
    key = history.failed("invoices", name, "It is broken.")
    [told] = data(run, "failures")
    assert told["file"] != name
    assert run("retry", f"invoices/{told['file']}")[1] == "queued again: 1 file\n"
    assert state(history, key) == "queued"
    assert run("retry", "invoices/other\\n.png")[0] == 2


def test_retry_leaves_what_has_not_failed_and_says_so(history: History, run: Run) -> None:
    key = history.done("invoices", "a.png")
    code, out, err = run("retry", "invoices/a.png")
    assert (code, out) == (0, "queued again: 0 files\n")
    assert "had not failed" in err
    assert state(history, key) == "done"


@pytest.mark.parametrize(
    "arguments",
    [(), ("--all", "--folder", "invoices"), ("invoices/a.png", "--all"), ("--folder", "nonsense")],
)
def test_retry_must_be_told_exactly_which(history: History, run: Run, arguments: tuple[str, ...]) -> None:
    key = history.failed("invoices", "a.png")
    assert run("retry", *arguments)[0] == 2
    assert state(history, key) == "failed"


@pytest.mark.parametrize("command", ["retry", "redo", "rewrite", "forget", "try"])
def test_an_empty_path_is_not_the_current_directory(run: Run, command: str) -> None:
    code, _, err = run(command, "")
    assert code == 2
    assert "the path is empty" in err


def test_a_path_outside_of_all_folders_is_refused_by_naming_them(
    history: History, run: Run, home: Path
) -> None:
    code, _, err = run("retry", "/etc/passwd")
    assert code == 2
    assert f"invoices ({home}/invoices)" in err.replace("\n", "")
    assert "archive" in err


def test_a_path_that_was_never_seen_is_refused(history: History, run: Run) -> None:
    code, _, err = run("retry", "invoices/nothing.png")
    assert code == 2
    assert "no such file was seen" in err


@pytest.mark.parametrize("template", ["", ", sidecar: 'text of {stem}.{ext}'"])
def test_a_sidecar_stands_for_its_file_as_a_shell_names_all_that_is_there(
    history: History, run: Run, home: Path, template: str
) -> None:
    (home / "glimpsed.yaml").write_text(CONFIG.replace("model: m}", f"model: m{template}}}"))
    failed = [history.failed("invoices", name) for name in ("a.png", "2024/b.png")]
    history.failed("invoices", "b.png")
    done = history.done("invoices", "done.png")
    name = "text of done.txt" if template else "done.png.txt"
    (home / "invoices" / name).unlink(missing_ok=True)
    code, out, err = run(
        "retry", "invoices/a.png", "invoices/a.png.error.txt", "invoices/2024/b.png.error.txt"
    )
    assert (code, out) == (0, "queued again: 2 files\n"), err
    assert {state(history, key) for key in failed} == {"queued"}
    assert run("rewrite", f"invoices/{name}")[:2] == (0, "written anew: 1 file\n")
    assert (home / "invoices" / name).exists()
    assert state(history, done) == "done"
    assert run("retry", "invoices/notes.txt")[0] == 2


def test_a_name_that_nobody_has_does_not_read_all_names_of_its_directory(
    history: History, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("a.png", "b.png", "c.png"):
        history.failed("invoices", name)
    monkeypatch.setattr("glimpsed.ledger.Ledger.beneath", None)
    for mistyped in ("a.pgn", "a.png.tx", "a.png.error"):
        assert "no such file was seen" in run("retry", f"invoices/{mistyped}")[2]
    assert run("retry", "invoices/a.png.error.txt")[0] == 0


def test_paths_through_a_link_to_the_folder_are_understood(history: History, run: Run, home: Path) -> None:
    history.failed("invoices", "a.png")
    (home / "link").symlink_to(home / "invoices")
    assert run("retry", "link/a.png")[1] == "queued again: 1 file\n"


def test_a_name_that_is_no_utf8_is_found(history: History, run: Run, home: Path) -> None:
    name = os.fsdecode(b"caf\xe9.png")
    history.failed("invoices", name)
    assert data(run, "failures")[0]["file"] == "caf\\xe9.png"
    assert run("retry", f"invoices/{name}")[1] == "queued again: 1 file\n"


def test_status_leaves_out_the_columns_of_nothing(history: History, run: Run) -> None:
    history.done("invoices", "a.png")
    head = run("status")[1].splitlines()
    assert any({"Queued", "Done", "Failed"} <= set(line.split()) for line in head)
    assert not any({"Handing", "Gone", "Answered"} & set(line.split()) for line in head)
    history.claimed("invoices", "b.png")
    assert any("Running" in line.split() for line in run("status")[1].splitlines())


# -- a config that is broken while the daemon works on


@pytest.mark.parametrize(
    "text",
    [
        CONFIG + "drian: 5s\n",
        CONFIG.replace("folders:", "folders:\n  invoices: {path: x, path: y}\n  other: {"),
        "state: sqlite:///ledger.sqlite\nfolders: [\n",
    ],
)
def test_commands_that_only_look_work_from_the_ledger_with_a_warning(
    history: History, run: Run, home: Path, text: str
) -> None:
    key = history.failed("invoices", "a.png", "It is broken.")
    history.done("archive", "b.png", ["timber"])
    for name in ("invoices", "archive"):
        history.ledger.first_seen(name, time.time())
    where = config.state_url(history.config)
    lines = [line for line in text.splitlines() if not line.startswith("state:")]
    (home / "glimpsed.yaml").write_text(f"state: {where}\n" + "\n".join(lines) + "\n")
    for command, expected in (
        (("failures",), "It is broken."),
        (("status",), "archive"),
        (("search", "timber"), "b.png"),
        (("export",), "b.png"),
        (("report", "archive"), "b.png"),
    ):
        code, out, err = run(*command)
        assert code == 0, err
        assert expected in out
        assert "warning: the config is not usable as it is" in err
    assert json.loads(run("status", "--json")[1])["folders"]["invoices"]["failed"] == 1
    assert run("retry", "--all")[0] == 78  # what changes something is not done by halves
    assert run("-c", "nowhere.yaml", "status")[0] == 78
    assert state(history, key) == "failed"


def test_status_does_not_miss_a_folder_whose_place_a_broken_config_does_not_tell(
    history: History, run: Run, home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    history.done("archive", "b.png")
    history.ledger.first_seen("archive", time.time())
    where = config.state_url(history.config)
    (home / "glimpsed.yaml").write_text(f"state: {where}\nfolders: [\n")
    for place in (home, tmp_path):  # also where a directory of that name happens to be
        monkeypatch.chdir(place)
        told = json.loads(run("-c", str(home / "glimpsed.yaml"), "status", "--json")[1])["folders"]["archive"]
        assert (told["state"], told["mode"]) == ("degraded", None)
        assert told["reason"] == "the config does not say where it is"


def test_a_config_that_cannot_be_read_is_no_reason_to_look_at_another_ledger(run: Run, home: Path) -> None:
    (home / "unreadable.yaml").mkdir()
    for command in ("status", "failures", "export"):
        code, out, err = run("-c", "unreadable.yaml", command)
        assert (code, out) == (78, "")
        assert err.count("unreadable.yaml: cannot be read: ") == 1


def test_a_directory_called_like_a_folder_is_not_taken_for_it(history: History, run: Run) -> None:
    """A config that cannot be parsed does not say where its folders are."""
    history.done("invoices", "a.png")
    history.ledger.first_seen("invoices", time.time())
    Path("glimpsed.yaml").write_text("state: sqlite:///ledger.sqlite\nfolders: [\n")
    for command in (("export",), ("report", "invoices", "-o", "page.html")):
        code, _, err = run(*command)
        assert code == 0
        assert "invoices cannot be looked at now: the config does not say where it is" in err


def test_the_size_of_a_small_report_is_not_nothing(history: History, run: Run) -> None:
    assert re.search(r": 0 files, [1-9][\d.]* kB$", run("report", "invoices", "-o", "page.html")[2])


def test_a_page_whose_port_is_taken_says_how_to_have_another(history: History, run: Run) -> None:
    pytest.importorskip("starlette")
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        code, _, err = run("web", "--listen", f"127.0.0.1:{taken.getsockname()[1]}")
    assert code == 78
    assert "Address already in use" in err
    assert "--listen HOST:PORT chooses another" in err


# -- redo


def test_redo_tells_the_price_and_where_nobody_can_be_asked_needs_to_be_told(
    history: History, run: Run
) -> None:
    key = history.done("invoices", "a.png")
    code, out, err = run("redo", "invoices/a.png")
    assert code == 2
    assert "invoices: 1 file, 1 page" in out
    assert "USD" in out
    assert "needs --yes" in err
    assert state(history, key) == "done"
    assert run("redo", "invoices/a.png", "--yes")[0] == 0
    assert state(history, key) == "queued"


def test_redo_without_a_standard_input_queues_nothing(history: History) -> None:
    """`0<&-`, as some schedulers start what they run."""
    key = history.done("invoices", "a.png")
    run_it = f"{sys.executable} -m glimpsed redo invoices/a.png <&-"
    done = subprocess.run(["bash", "-c", run_it], capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "needs --yes" in done.stderr
    assert state(history, key) == "done"


def test_redo_is_taken_back_and_what_was_answered_stands(history: History, run: Run) -> None:
    done = history.done("invoices", "a.png")
    other = history.done("archive", "c.png")
    failed = history.failed("invoices", "b.png")
    waiting = history.queued("invoices", "d.png")
    before = history.ledger.find(done)
    assert before is not None
    for _ in range(2):  # said twice, it is taken back all the same
        assert run("redo", "--folder", "invoices", "--yes")[0] == 0
    assert run("redo", "archive/c.png", "--yes")[0] == 0
    assert run("redo", "--cancel", "--folder", "archive")[1] == "taken back: 1 file\n"
    assert [state(history, key) for key in (done, other)] == ["queued", "done"]
    assert run("redo", "--cancel")[1] == "taken back: 1 file\n"
    assert [state(history, key) for key in (done, failed, waiting)] == ["done", "queued", "queued"]
    after = history.ledger.find(done)
    assert after is not None
    assert (after.sha256, after.written) == (before.sha256, before.written)
    assert before.sha256 is not None
    assert run("redo", "--cancel")[1] == "taken back: 0 files\n"
    assert run("redo", "--stale", "--yes")[2] == "nothing is stale\n"  # its question is on record still
    assert run("redo", "invoices/a.png", "--cancel", "--folder", "invoices")[0] == 2


def test_what_is_in_flight_is_not_taken_back(history: History, run: Run) -> None:
    key = history.done("invoices", "a.png")
    assert run("redo", "invoices/a.png", "--yes")[0] == 0
    assert history.ledger.claim(folders=["invoices"], limit=1, now=time.time())
    assert run("redo", "--cancel")[1] == "taken back: 0 files\n"
    assert state(history, key) == "running"


def test_redo_of_a_folder_takes_all_that_is_not_gone(history: History, run: Run) -> None:
    keys = [
        history.done("invoices", "a.png"),
        history.failed("invoices", "b.png"),
        history.done("archive", "c.png"),
    ]
    assert run("redo", "--folder", "invoices", "-y")[1].endswith("queued again: 2 files\n")
    assert [state(history, key) for key in keys] == ["queued", "queued", "done"]


def test_redo_of_a_folder_of_which_nothing_was_asked_yet_tells_its_price(history: History, run: Run) -> None:
    history.queued("invoices", "a.png")
    history.queued("invoices", "b.png")
    told = run("redo", "--folder", "invoices")[1]
    assert re.search(r"invoices: 2 files, 2 pages, [\d,]+ \+ [\d,]+ tokens, about [\d.]+ USD", told)


def test_redo_stale_finds_what_was_asked_otherwise(history: History, run: Run) -> None:
    fresh = history.done("invoices", "fresh.png")
    stale = [
        history.done("invoices", "prompt.png", prompt="Read all of it."),
        history.done("invoices", "system.png", system="You are another."),
        history.done("invoices", "schema.png", schema_={"type": "object"}),
    ]
    code, out, _ = run("redo", "--stale", "--yes")
    assert code == 0
    assert "invoices: 3 files" in out
    assert state(history, fresh) == "done"
    assert {state(history, key) for key in stale} == {"queued"}
    assert run("redo", "--stale", "--yes")[2] == "nothing is stale\n"


def test_redo_stale_asks_the_sidecars_of_what_was_adopted(history: History, run: Run, home: Path) -> None:
    for name in ("same.png", "other.png", "torn.png"):
        history.done("invoices", name, prompt="Read all of it." if name == "other.png" else "Read it.")
    (home / "invoices/torn.png.json").write_text("{")
    history.ledger.close()
    (home / "ledger.sqlite").unlink()
    with contextlib.closing(open_ledger(f"sqlite:///{home}/ledger.sqlite")) as new:
        found = []
        for name in ("same.png", "other.png", "torn.png"):
            status = (home / "invoices" / name).stat()
            written = (Written(f"{name}.json", 1, 1),)
            version = Version(status.st_size, status.st_mtime_ns)
            found.append(Adopted(FileKey("invoices", name), version, written))
        new.adopt(found, time.time())
        new.ignore({FileKey("invoices", "ignored.png"): Version(1, 1)}, time.time())
        code, out, _ = run("redo", "--stale", "--yes")
        assert (code, out.splitlines()[-1]) == (0, "queued again: 1 file")
        assert [k for k, v in new.known("invoices", "").items() if v.state == "queued"] == ["other.png"]
        assert run("redo", "--stale", "--yes")[2] == "nothing is stale\n"
        shutil.move(home / "invoices", home / "away")
        assert "answers that were adopted are not looked at" in run("redo", "--stale", "--yes")[2]


def test_redo_stale_asks_what_was_adopted_and_does_not_meet_the_schema_of_now(
    history: History, run: Run, home: Path
) -> None:
    answers = {"same.png": {"total": 1.5}, "older.png": {"sum": 1.5}}
    for name, value in answers.items():
        history.done("invoices", name)
        own = json.loads((home / "invoices" / f"{name}.json").read_text())
        (home / "invoices" / f"{name}.json").write_text(json.dumps(own | {"data": value}))
    history.ledger.close()
    (home / "ledger.sqlite").unlink()
    schema = "{type: object, properties: {total: {type: number}}, required: [total]}"
    text = CONFIG.replace("prompt: Read it., model: m}", f"prompt: Read it., model: m, schema: {schema}}}", 1)
    (home / "glimpsed.yaml").write_text(text)
    with contextlib.closing(open_ledger(f"sqlite:///{home}/ledger.sqlite")) as new:
        found = []
        for name in answers:
            status = (home / "invoices" / name).stat()
            version = Version(status.st_size, status.st_mtime_ns)
            found.append(Adopted(FileKey("invoices", name), version, (Written(f"{name}.json", 1, 1),)))
        new.adopt(found, time.time())
        assert run("redo", "--stale", "--yes")[0] == 0
        assert [k for k, v in new.known("invoices", "").items() if v.state == "queued"] == ["older.png"]


def test_status_without_a_daemon_says_that_nobody_watches(history: History, run: Run, home: Path) -> None:
    (home / "archive").rmdir()
    _, out, _ = run("status")
    assert "The daemon is not running." in out
    rows = {line.split()[0]: line for line in out.splitlines() if line.startswith(("invoices", "archive"))}
    assert "not watched" in rows["invoices"]
    assert "watching" not in out
    assert "archive: there is no such directory" in out


def test_an_answer_of_a_fallback_is_not_stale(history: History, run: Run, home: Path) -> None:
    key = history.done("invoices", "a.png")
    changed = CONFIG.replace("model: m}", "model: other, fallbacks: [m]}").replace(
        "folders:", "  other: {api: chat, base_url: http://127.0.0.1:9/v1, model: gpt-5}\nfolders:"
    )
    (home / "glimpsed.yaml").write_text(changed)
    assert run("redo", "--stale", "--yes", "--folder", "invoices")[2] == "nothing is stale\n"
    assert state(history, key) == "done"


@pytest.mark.parametrize(
    "arguments", [(), ("invoices/a.png", "--stale"), ("invoices/a.png", "--folder", "x")]
)
def test_redo_must_be_told_which(history: History, run: Run, arguments: tuple[str, ...]) -> None:
    history.done("invoices", "a.png")
    assert run("redo", *arguments)[0] == 2


# -- approve


def test_approve_releases_the_backlogs_that_wait(history: History, run: Run) -> None:
    history.queued("archive", "a.png")
    for name in ("archive", "invoices"):
        history.ledger.hold(name, time.time())
    assert run("approve", "--folder", "archive")[1] == "archive: 1 file released\n"
    assert list(history.ledger.held()) == ["invoices"]
    history.ledger.first_seen("archive", time.time())
    code, out, err = run("approve")  # of invoices nothing is listed yet: who knows how much that will be
    assert (code, out, err) == (0, "", "not listed by the daemon yet: invoices; try again in a moment\n")
    assert list(history.ledger.held()) == ["invoices"]
    assert run("approve", "--folder", "archive")[2] == "no backlog waits to be approved\n"


def test_approve_before_the_daemon_has_listed_anything_says_so(history: History, run: Run) -> None:
    code, out, err = run("approve")
    assert (code, out) == (0, "")
    assert err == "not listed by the daemon yet: invoices, archive; try again in a moment\n"
    assert not history.ledger.held()


# -- search


def test_search_gives_file_page_and_line(history: History, run: Run) -> None:
    history.done("invoices", "a.png", ["Nothing here.", "Dear Sir,\nTwelve oak planks\nYours"])
    history.done("archive", "b.png", ["An oak [red]tree[/red]"])
    found = data(run, "search", "oak", "planks")
    assert found == [{"folder": "invoices", "file": "a.png", "page": 2, "line": "Twelve oak planks"}]
    assert run("search", "oak planks")[1] == "invoices/a.png:2: Twelve oak planks\n"
    assert run("search", "oak", "--folder", "archive")[1] == "archive/b.png:1: An oak [red]tree[/red]\n"
    assert data(run, "search", "beech") == []


def test_search_without_an_index_says_so(history: History, run: Run, home: Path) -> None:
    (home / "glimpsed.yaml").write_text(CONFIG + "search: false\n")
    code, _, err = run("search", "oak")
    assert code == 2
    assert "search: false" in err


# -- no config, no ledger


def test_without_a_config_the_folders_are_those_that_were_run(home: Path, run: Run) -> None:
    (home / "in").mkdir()
    alone = config.for_folder(home / "in")
    (name,) = alone.folders
    ledger = open_ledger(config.state_url(alone))
    ledger.first_seen(name, time.time())
    History(alone, ledger).failed(name, "a.png")
    ledger.close()
    assert data(run, "status")["folders"][name]["failed"] == 1
    assert data(run, "failures", "--folder", "in")[0]["file"] == "a.png"
    assert run("retry", "in/a.png")[1] == "queued again: 1 file\n"


def test_looking_leaves_no_ledger_behind(home: Path, run: Run) -> None:
    (home / "invoices").mkdir()
    (home / "archive").mkdir()
    (home / "glimpsed.yaml").write_text(CONFIG)
    for command in (["status"], ["failures"], ["estimate"], ["search", "x"], ["retry", "--all"]):
        assert run(*command)[0] == 0
    assert sorted(p.name for p in home.iterdir()) == ["archive", "glimpsed.yaml", "invoices"]


@pytest.mark.parametrize(
    "command",
    [
        ["status"],
        ["failures"],
        ["search", "x"],
        ["export"],
        ["estimate"],
        ["retry", "--all"],
        ["redo", "--stale"],
    ],
)
def test_zeros_of_a_ledger_that_is_not_there_say_so(home: Path, run: Run, command: list[str]) -> None:
    """It is another one than the daemon's, or lost: not one in which nothing failed."""
    _, _, err = run(*command)
    assert f"no ledger at {home}/state/glimpsed/ledger.sqlite: no folder has run without a config here" in err
    for name in ("invoices", "archive"):
        (home / name).mkdir()
    (home / "glimpsed.yaml").write_text(CONFIG)
    _, _, err = run(*command)
    assert f"no ledger at {home}/ledger.sqlite: glimpsed.yaml has not run yet" in err


def test_a_ledger_that_is_none_is_no_traceback(home: Path, run: Run) -> None:
    (home / "invoices").mkdir()
    (home / "archive").mkdir()
    (home / "glimpsed.yaml").write_text(CONFIG)
    (home / "ledger.sqlite").write_text("something else entirely" * 100)
    assert run("status")[0] == 78


@pytest.mark.parametrize(
    ("arguments", "besides"),
    [
        (("status", "--json"), set()),
        (("status",), {"rich", "humanize"}),
        (("failures", "--json"), set()),
        (("retry", "--all"), set()),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else "",
)
def test_a_look_at_the_ledger_imports_nothing_that_only_the_daemon_needs(
    history: History, arguments: tuple[str, ...], besides: set[str]
) -> None:
    history.failed("invoices", "a.png", "It is broken.", now=time.time())
    heavy = {"rich", "humanize", "httpx", "h11", "PIL", "structlog", "watchdog", "pathspec", "jsonschema",
             "sqlalchemy.dialects.postgresql", "glimpsed.pipeline", "glimpsed.vision.pacing"}  # fmt: skip
    code = (
        f"import sys\nfrom glimpsed.cli import main\ntry: main({list(arguments)})\nexcept SystemExit: pass\n"
        f"print(sorted({heavy - besides} & set(sys.modules)), file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stderr.splitlines()[-1] == "[]"
    assert done.stdout


def test_an_estimate_has_each_folder_s_name_whole_on_a_line_of_its_own(history: History, run: Run) -> None:
    """However narrow the terminal is."""
    _, printed, _ = run("estimate")
    lines = printed.splitlines()
    for name in history.config.folders:
        (at,) = [n for n, line in enumerate(lines) if line.startswith(f"{name}  ")]
        assert re.match(r"  [\d,]+ files?, [\d,]+ pages?, ", lines[at + 1])


def test_an_estimate_of_no_folders_is_not_silent(home: Path, run: Run) -> None:
    assert "No folders yet" in run("estimate")[1]
    (home / "glimpsed.yaml").write_text("folders: {}")
    code, out, _ = run("estimate")
    assert code == 0
    assert "No folders yet" in out


def test_failures_are_told_in_the_machine_s_own_time(
    history: History, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    history.failed("invoices", "a.png")
    (row,) = data(run, "failures")
    monkeypatch.setenv("TZ", "Asia/Shanghai")
    time.tzset()
    try:
        _, printed, told = run("failures")
    finally:
        monkeypatch.undo()
        time.tzset()
    then = dt.datetime.fromisoformat(row["since"]).astimezone(dt.timezone(dt.timedelta(hours=8)))
    assert f"{then:%Y-%m-%d %H:%M:%S} +08:00" in printed
    assert told == "1 failed: 'glimpsed retry --all' puts it back into the queue\n"
