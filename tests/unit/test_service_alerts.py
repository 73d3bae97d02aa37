"""What people hear of: together, not too often, nothing lost, no secret."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule
from pydantic import SecretStr

from glimpsed.clock import elapsed
from glimpsed.config.schema import Notify
from glimpsed.errors import ConfigError
from glimpsed.service import alerts
from glimpsed.service.alerts import GATHER, Alerts, Digest, Outbox, connected


def failed(name: str, folder: str = "bills") -> dict[str, Any]:
    return {"event": "file.failed", "folder": folder, "file": name, "reason": "no picture"}


def paused(model: str = "gpt") -> dict[str, Any]:
    return {"event": "model.paused", "model": model, "reason": "no credit"}


def test_failed_files_are_counted_and_some_named() -> None:
    digest = Digest()
    for number in range(12):
        digest.add(failed(f"{number}.jpg"))
    digest.add(paused())
    title, text = digest.told()
    assert "12 files failed" in title
    assert "bills: 12 files failed\n  0.jpg: no picture" in text
    assert "and 7 more" in text
    assert "no credit" in text
    assert len(text.splitlines()) == 8


def test_what_waits_for_a_service_that_is_down_for_long_has_its_bound() -> None:
    """Each time that it is tried in vain, more has come meanwhile."""
    outbox = Outbox(digest=1)
    for hour in range(5):
        for number in range(40):
            outbox.add(paused(f"m{hour}-{number}"), now=hour)
        taken = outbox.take(float("inf"))
        assert taken
        for number in range(40):
            outbox.add(paused(f"n{hour}-{number}"), now=hour)
        outbox.kept(taken, now=hour)
    assert len(outbox.waiting.lines) <= alerts.LINES + 1
    assert sum(outbox.waiting.lines.values()) == 400


def test_the_first_waits_a_moment_and_the_next_for_the_digest() -> None:
    outbox = Outbox(digest=900)
    outbox.add(failed("a"), now=100)
    assert outbox.take(100) is None
    assert outbox.take(100 + GATHER) is not None
    outbox.sent(103)
    outbox.add(failed("b"), now=110)
    assert outbox.take(900) is None
    assert outbox.take(1003) is not None


def test_a_service_that_is_down_gets_everything_later() -> None:
    outbox = Outbox(digest=60)
    outbox.add(failed("a"), now=0)
    taken = outbox.take(GATHER)
    assert taken is not None
    outbox.add(failed("b"), now=3)
    outbox.kept(taken, now=4)
    assert outbox.take(5) is None
    later = outbox.take(4 + alerts.AGAIN)
    assert later is not None
    assert later.failed == {"bills": 2}
    assert later.named["bills"] == ["a: no picture", "b: no picture"]


class Messages(RuleBasedStateMachine):
    """Whatever comes, and however often the service is down: each failure is told once."""

    def __init__(self) -> None:
        super().__init__()
        self.now, self.added, self.told = 0.0, 0, 0
        self.outbox = Outbox(digest=60)

    @rule(seconds=st.floats(0, 2000))
    def wait(self, seconds: float) -> None:
        self.now += seconds

    @rule()
    def fail(self) -> None:
        self.outbox.add(failed(str(self.added)), self.now)
        self.added += 1

    @rule(up=st.booleans(), meanwhile=st.booleans())
    def send(self, *, up: bool, meanwhile: bool) -> None:
        taken = self.outbox.take(self.now)
        if taken is None:
            return
        if meanwhile:
            self.fail()
        if up:
            self.told += taken.failed["bills"]
            self.outbox.sent(self.now)
        else:
            self.outbox.kept(taken, self.now)

    @invariant()
    def nothing_is_lost(self) -> None:
        assert self.told + self.outbox.waiting.failed["bills"] == self.added
        assert (self.outbox.due is not None) == bool(self.outbox.waiting)


TestMessages = Messages.TestCase


@given(st.lists(st.sampled_from(["a", "b", "c"]), max_size=300))
def test_a_digest_is_short_whatever_happens(models: list[str]) -> None:
    digest = Digest()
    for number, model in enumerate(models):
        digest.add(paused(f"{model}{number}"))
    assert len(digest.told()[1].splitlines()) <= alerts.LINES + 1
    assert sum(digest.lines.values()) == len(models)


def test_an_address_that_is_none_is_a_config_error_that_does_not_show_it() -> None:
    pytest.importorskip("apprise")
    with pytest.raises(ConfigError) as e:
        connected(
            Notify(urls=[SecretStr("json://127.0.0.1/ok"), SecretStr("nonsense://user:hunter2hunter2@host")])
        )
    assert "notify.urls[1]" in str(e.value)
    assert "hunter2" not in str(e.value)


def test_what_was_not_told_is_told_after_the_next_start(tmp_path: Path) -> None:
    spool = tmp_path / "ledger.notices"
    before = {"JSON (1)": Outbox(60)}
    before["JSON (1)"].add(failed("a"), 0)
    alerts._write(spool, alerts._left(before))
    assert spool.stat().st_mode & 0o777 == 0o600
    after = {"JSON (1)": Outbox(60)}
    alerts._load(spool, after)
    assert after["JSON (1)"].waiting.failed == {"bills": 1}
    assert after["JSON (1)"].due is not None
    alerts._write(spool, alerts._left({"JSON (1)": Outbox(60)}))
    assert not spool.exists()


def test_what_was_not_told_goes_to_its_service_wherever_that_stands_in_the_list(tmp_path: Path) -> None:
    """The list was turned round while one of two was down: the other is not told what it has heard already."""
    pytest.importorskip("apprise")
    urls = [SecretStr("json://127.0.0.1:9/a?token=sk-hidden"), SecretStr("json://127.0.0.1:9/b")]
    spool = tmp_path / "ledger.notices"
    before = {name: Outbox(60) for name in connected(Notify(urls=urls))}
    down, _ = before
    before[down].add(failed("a"), 0)
    alerts._write(spool, alerts._left(before))
    assert "hidden" not in spool.read_text()
    after = {name: Outbox(60) for name in connected(Notify(urls=urls[::-1]))}
    alerts._load(spool, after)
    assert [bool(outbox.waiting) for outbox in after.values()] == [False, True]


def test_a_digest_that_is_being_sent_is_still_to_be_told(tmp_path: Path) -> None:
    """A service that hangs is stopped with the daemon, and nobody knows what it took."""
    outbox = Outbox(60)
    outbox.add(failed("a"), 0)
    taken = outbox.take(10)
    assert taken
    outbox.add(failed("b"), 11)
    assert alerts._left({"x": outbox})["x"]["failed"] == {"bills": 2}
    outbox.sent(12)
    assert alerts._left({"x": outbox})["x"]["failed"] == {"bills": 1}


def test_a_service_that_hangs_holds_up_no_other() -> None:
    hung, told = threading.Event(), threading.Event()

    def hangs(_title: str, _text: str) -> bool:
        hung.set()
        return told.wait(60)

    def takes(_title: str, _text: str) -> bool:
        told.set()
        return True

    outboxes = {"A (1)": Outbox(0), "B (2)": Outbox(0)}
    with Alerts(["model.paused"], outboxes, {"A (1)": hangs, "B (2)": takes}) as heard:
        outboxes["B (2)"].quiet_until = elapsed() + 3600  # B is not due before A hangs
        heard.hear(paused())
        assert hung.wait(60)
        with heard._changed:
            outboxes["B (2)"].due = 0.0
            heard._changed.notify_all()
        assert told.wait(60)


def test_a_spool_that_is_damaged_is_no_reason_not_to_start(tmp_path: Path) -> None:
    spool = tmp_path / "ledger.notices"
    spool.write_text('{"JSON (1)": 3}')
    after = {"JSON (1)": Outbox(60)}
    alerts._load(spool, after)
    assert not after["JSON (1)"].waiting
