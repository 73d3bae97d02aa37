"""What a log line becomes: for people, for programs, and nothing else on standard error."""

from __future__ import annotations

import json
import logging
import os
import re
import socket
import subprocess
import sys
import threading
import time
import warnings
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import structlog

from glimpsed import journal
from glimpsed.config.schema import Log
from glimpsed.journal import events, foreign, journald, sinks
from glimpsed.journal.sentence import sentence
from glimpsed.journal.writer import Writer

SECONDS = 10.0


@pytest.fixture(autouse=True)
def undo() -> Iterator[None]:
    yield
    journal.close()


def lines(capsys: pytest.CaptureFixture[str]) -> list[dict[str, Any]]:
    assert journal.flush(SECONDS)
    captured = capsys.readouterr()
    assert captured.out == ""
    return [json.loads(line) for line in captured.err.splitlines()]


def test_every_event_constant_is_in_the_table_once() -> None:
    names = {v for k, v in vars(events).items() if k.isupper() and isinstance(v, str)}
    assert names - {events.LIBRARY} == set(events.EVENTS)
    ids = [e.message_id for e in events.EVENTS.values()]
    assert len(set(ids)) == len(ids)
    assert all(len(i) == 32 and int(i, 16) for i in ids)


def test_the_events_are_those_that_the_design_names() -> None:
    said = {
        "service": "started|ready|reloaded|reload_failed|stopping|stopped",
        "folder": "watching|lost|back|degraded",
        "scan": "finished",
        "file": "queued|skipped|done|reused|retry|failed",
        "model": "paused|resumed|learned",
        "budget": "reached",
        "backlog": "waiting",
        "config": "error",
        "ledger": "shared|unavailable",
        "sidecar": "blocked",
    }
    assert {f"{k}.{v}" for k, vs in said.items() for v in vs.split("|")} <= set(events.EVENTS)


@pytest.mark.parametrize("event", events.EVENTS)
def test_a_sentence_reads_well_with_all_fields_with_none_and_with_wrong_types(event: str) -> None:
    whole = {
        "folder": "in", "file": "a.jpg", "model": "m", "seconds": 1.25, "cost": 0.5, "reason": "it rains",
        "input_tokens": 3, "output_tokens": 4, "mode": "poll", "filesystem": "cifs", "files": 9, "waiting": 2,
        "folders": 1, "version": "1", "config": "c.yaml", "path": "/in", "reused_from": "in/b.jpg",
    }  # fmt: skip
    full = sentence({"event": event, **whole})
    assert not set("[]{}?") & set(full)
    assert "\n" not in full
    required = {k: v for k, v in whole.items() if k in {"folder", "file", "model", "waiting"}}
    assert not set("[]{}?") & set(sentence({"event": event, **required}))
    assert sentence({"event": event, **dict.fromkeys(whole, "x")})
    assert sentence({"event": event})  # never raises, whatever the caller forgot


def test_a_done_file_reads_as_a_person_would_say_it() -> None:
    record = {"event": events.FILE_DONE, "folder": "in", "file": "a.jpg", "model": "local", "seconds": 2.345,
              "input_tokens": 0, "output_tokens": 0, "cost": None}  # fmt: skip
    assert sentence(record) == "in/a.jpg: done in 2.3 s by local"
    assert sentence(record | {"cost": 0.00491, "input_tokens": 5, "output_tokens": 6}).endswith(
        "by local, 5 + 6 tokens, cost 0.0049"
    )


def test_json_lines_have_event_level_timestamp_and_the_fields(capsys: pytest.CaptureFixture[str]) -> None:
    assert journal.configure(Log(target="json")) == "json"
    journal.get_logger().warning(events.FILE_RETRY, folder="in", file="ä\udcff.jpg", attempt=2, odd=object)
    (line,) = lines(capsys)
    assert list(line)[:3] == ["event", "level", "timestamp"]
    assert line["event"] == "file.retry"
    assert line["level"] == "warning"
    assert line["timestamp"].endswith("Z")
    assert (line["folder"], line["attempt"]) == ("in", 2)
    assert line["file"].startswith("ä")


def test_lines_below_the_level_are_not_written(capsys: pytest.CaptureFixture[str]) -> None:
    journal.configure(Log(target="json", level="warning"))
    log = journal.get_logger()
    log.info(events.FILE_DONE)
    log.error(events.FILE_FAILED)
    assert [line["event"] for line in lines(capsys)] == ["file.failed"]


def test_logging_warnings_and_dying_threads_are_lines_too(capsys: pytest.CaptureFixture[str]) -> None:
    journal.configure(Log(target="json", level="debug"))
    logging.getLogger("httpx").info("not this: libraries speak from warnings on")
    logging.getLogger("watchdog").warning("limit %s", 7)
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        warnings.warn("old", DeprecationWarning, stacklevel=1)
    thread = threading.Thread(target=lambda: 1 / 0, name="worker")
    thread.start()
    thread.join()
    found = lines(capsys)
    assert {line["event"] for line in found} == {events.LIBRARY}
    assert [line["logger"] for line in found] == ["watchdog", "py.warnings", "thread worker"]
    assert found[0]["reason"] == "limit 7"
    assert "ZeroDivisionError" in found[2]["exception"]


def test_a_library_that_formats_wrongly_is_still_heard() -> None:
    heard: list[Mapping[str, Any]] = []
    foreign.listen(heard.append)
    (handler,) = [h for h in logging.getLogger().handlers if type(h).__module__ == foreign.__name__]
    foreign.let_go()
    handler.emit(logging.LogRecord("lib", logging.ERROR, "f.py", 1, "%d files", ("no number",), None))
    assert [(r["logger"], r["reason"]) for r in heard] == [("lib", "%d files")]


def test_a_caught_error_is_logged_with_its_traceback(capsys: pytest.CaptureFixture[str]) -> None:
    journal.configure(Log(target="json"))
    try:
        int("odd, Bearer abcdefghijkl")
    except ValueError:
        journal.get_logger().exception("bug")
    (line,) = lines(capsys)
    assert line["exception"].startswith("Traceback")
    assert line["exception"].endswith("odd, Bearer [removed]'")


def test_known_secrets_never_get_out(capsys: pytest.CaptureFixture[str]) -> None:
    journal.configure(Log(target="json"), secrets=["hunter2hunter2"])
    journal.get_logger().error(events.MODEL_PAUSED, model="m", reason="key hunter2hunter2 is wrong")
    assert lines(capsys)[0]["reason"] == "key [removed] is wrong"


def test_a_reload_changes_level_and_secrets_and_loses_no_line(capsys: pytest.CaptureFixture[str]) -> None:
    journal.configure(Log(target="json", level="error"))
    log = journal.get_logger()
    log.error(events.FILE_FAILED, n=1)
    journal.configure(Log(target="json", level="info"), secrets=["newsecret"])
    log.info(events.FILE_DONE, n=2, reason="newsecret")
    found = lines(capsys)
    assert [line["n"] for line in found] == [1, 2]
    assert found[1]["reason"] == "[removed]"


def test_the_console_shows_time_and_sentence_without_colour_off_a_terminal(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert journal.configure(Log(target="console")) == "console"
    journal.get_logger().info(events.FILE_DONE, folder="in", file="a.jpg")
    journal.get_logger().warning(events.FOLDER_LOST, folder="in", reason="gone")
    assert journal.flush(SECONDS)
    first, second = capsys.readouterr().err.splitlines()
    assert first[8:] == " in/a.jpg: done"
    assert second[8:] == " WARNING: in: lost: gone"


def test_a_terminal_gets_colours_unless_told_otherwise() -> None:
    program = (
        "from glimpsed import journal; from glimpsed.config.schema import Log\n"
        "print(journal.configure(Log())); journal.get_logger().error('file.failed', folder='in', file='a')"
    )
    seen = {}
    for no_color in ("", "1"):
        main, secondary = os.openpty()
        env = os.environ | {"NO_COLOR": no_color, "TERM": "xterm"}
        done = subprocess.run([sys.executable, "-c", program], stdout=subprocess.PIPE, stderr=secondary, env=env,
                              timeout=180, check=True)  # fmt: skip
        os.close(secondary)
        seen[no_color] = os.read(main, 4096).decode()
        os.close(main)
        assert done.stdout == b"console\n"
        assert "in/a: failed" in seen[no_color]
    assert "\x1b[31m" in seen[""]
    assert "\x1b" not in seen["1"]


def test_under_a_journald_that_cannot_be_reached_lines_carry_their_priority(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(journald, "SOCKET", str(tmp_path / "none"))
    with (tmp_path / "stream").open("w+") as stream:
        status = os.fstat(stream.fileno())
        monkeypatch.setattr(sys, "stderr", stream)
        env = {"JOURNAL_STREAM": f"{status.st_dev}:{status.st_ino}"}
        assert journal.configure(Log(), env=env) == "stderr"
        journal.get_logger().error(events.FILE_FAILED, folder="in", file="a", reason="x\ny")
        assert journal.flush(SECONDS)
        stream.seek(0)
        told, failed = stream.read().splitlines()
    assert told.startswith("<4>glimpsed.journal: There is no journal")
    assert failed == "<3>in/a: failed: x y"


@pytest.mark.parametrize("reads", [True, False])
def test_without_the_extra_lines_carry_their_priority_and_one_says_why(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, reads: bool
) -> None:
    monkeypatch.setitem(sys.modules, "systemd.journal", None)
    monkeypatch.setattr(journald, "SOCKET", str(tmp_path / "socket"))
    with (
        (tmp_path / "stream").open("w+") as stream,
        socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as server,
    ):
        server.bind(journald.SOCKET)
        status = os.fstat(stream.fileno())
        monkeypatch.setattr(sys, "stderr", stream)
        env = {"JOURNAL_STREAM": f"{status.st_dev}:{status.st_ino}"} if reads else {}
        assert journal.configure(Log(target="auto" if reads else "journald"), env=env) == "stderr"
        journal.get_logger().error(events.FILE_FAILED, folder="in", file="a", reason="x")
        assert journal.flush(SECONDS)
        stream.seek(0)
        told, failed = stream.read().splitlines()
    assert told.startswith(
        "<4>glimpsed.journal: logging to stderr, without fields: the journal needs an extra"
    )
    assert failed == "<3>in/a: failed: x"


def test_what_a_sink_does_not_take_is_counted_and_told_when_it_works_again() -> None:
    written: list[Mapping[str, Any]] = []
    broken = True

    def sink(record: Mapping[str, Any]) -> None:
        if broken:
            raise OSError("nobody there")
        written.append(record)

    writer = Writer(sink)
    for n in range(3):
        writer.put({"event": "e", "n": n})
    assert writer.flush(SECONDS)
    broken = False
    writer.put({"event": "e", "n": 3})
    assert writer.flush(SECONDS)
    writer.close(SECONDS)
    assert written[0]["n"] == 3
    assert written[1]["reason"].startswith("3 log lines were dropped")
    assert len(written) == 2


def test_a_journal_stream_that_is_not_ours_does_not_count() -> None:
    assert not sinks.journald_reads(2, "1:2")
    assert not sinks.journald_reads(2, None)
    assert not sinks.journald_reads(-1, "1:2")


def test_journal_entries_have_native_fields() -> None:
    fields = sinks.journal_fields(
        {"event": "file.failed", "level": "error", "timestamp": "t", "folder": "in", "file": "a", "reason": "r",
         "attempt": 3, "cost": None, "code_file": "f.py", "code_line": 7, "code_func": "go", "Bad-name": 1}
    )  # fmt: skip
    assert fields == {
        "MESSAGE": "in/a: failed: r",
        "PRIORITY": "3",
        "SYSLOG_IDENTIFIER": "glimpsed",
        "MESSAGE_ID": events.EVENTS["file.failed"].message_id,
        "CODE_FILE": "f.py",
        "CODE_LINE": "7",
        "CODE_FUNC": "go",
        "GLIMPSED_EVENT": "file.failed",
        "GLIMPSED_FOLDER": "in",
        "GLIMPSED_FILE": "a",
        "GLIMPSED_REASON": "r",
        "GLIMPSED_ATTEMPT": "3",
    }


def test_a_reader_that_hangs_holds_up_nobody_and_the_loss_is_told() -> None:
    free, stuck, written = threading.Event(), threading.Event(), []

    def slow(record: Mapping[str, Any]) -> None:
        stuck.set()
        free.wait(SECONDS)
        written.append(record)

    writer = Writer(slow, limit=10)
    writer.put({"event": "first"})
    assert stuck.wait(SECONDS)
    began = time.monotonic()
    for n in range(10_000):
        writer.put({"event": "x", "n": n})
    assert not writer.flush(0.01)
    assert time.monotonic() - began < SECONDS / 2
    free.set()
    writer.close(SECONDS)
    assert [r.get("n") for r in written if r["event"] == "x"] == list(range(10))
    (told,) = [r for r in written if r["event"] == events.LIBRARY]
    assert told["reason"].startswith("9990 log lines were dropped")


def test_a_sink_that_fails_does_not_end_the_log() -> None:
    written: list[Mapping[str, Any]] = []

    def sink(record: Mapping[str, Any]) -> None:
        if record["event"] == "bad":
            raise BrokenPipeError
        written.append(record)

    writer = Writer(sink)
    for event in ("bad", "good"):
        writer.put({"event": event})
    writer.close(SECONDS)
    assert [r["event"] for r in written] == ["good", "library"]
    assert written[1]["reason"].startswith("1 log lines were dropped")


def test_what_was_kept_back_is_said_at_the_end(capsys: pytest.CaptureFixture[str]) -> None:
    journal.configure(Log(target="json"))
    for n in range(100):
        journal.get_logger().warning(events.FOLDER_LOST, folder="in", reason=f"try {n}")
    journal.close()
    found = [json.loads(line) for line in capsys.readouterr().err.splitlines()]
    assert len(found) == 6
    assert found[-1]["reason"] == "try 99"
    assert found[-1]["repeated"] == 94


def test_silence_is_silence_for_libraries_too_until_the_log_is_set_up(
    capsys: pytest.CaptureFixture[str],
) -> None:
    journal.configure(Log(target="json"))
    journal.silence()
    journal.get_logger().critical("bug")
    logging.getLogger("httpx").error("a library")
    journal.configure(Log(target="json"))
    journal.get_logger().info(events.FILE_DONE)
    assert [line["event"] for line in lines(capsys)] == ["file.done"]


def test_after_close_everything_is_as_before() -> None:
    hook = threading.excepthook
    journal.configure(Log(target="json"))
    journal.close()
    journal.close()
    assert threading.excepthook is hook
    assert not structlog.is_configured()
    assert not any(type(h).__module__ == "glimpsed.journal.foreign" for h in logging.getLogger().handlers)


EVIL = "[red]a\x1b[31mb\x1b]8;;http://x\x07c\x9b2Jd\r\x08\x7fe\u202ef\u2066g\u2028h\x00"


@pytest.mark.parametrize("target", ["console", "json"])
def test_what_anybody_wrote_tells_a_terminal_nothing(target: str, capfd: pytest.CaptureFixture[str]) -> None:
    journal.configure(Log(target=target, level="debug"))  # type: ignore[arg-type]
    log = journal.get_logger()
    log.warning(events.FILE_FAILED, folder=EVIL, file=EVIL, reason=EVIL, odd=EVIL)
    try:
        int(EVIL)
    except ValueError:
        log.exception("bug", folder=EVIL)
    journal.flush()
    told = capfd.readouterr().err
    assert not re.search("[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069]", told)
    assert "[red]a" in told
    if target == "json":
        assert json.loads(told.splitlines()[0])["reason"] == EVIL
