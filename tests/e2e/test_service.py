"""The daemon over its life: reload, drain, pause, budget, backlog, beside commands."""

from __future__ import annotations

import contextlib
import io
import itertools
import json
import os
import re
import shlex
import signal
import socket
import subprocess
import urllib.request
from pathlib import Path

import pytest
from PIL import Image

from daemon import Daemon, glimpsed, status_when, wait_until
from gateway import Gateway, Scripted, Seen
from pictures import drop, picture

REPO = Path(__file__).parents[2]
CONFIG = """
models:
  m: {{api: chat, base_url: "{url}", api_key_env: GLIMPSED_API_KEY, {model}}}
folders:
  inbox: {{path: {inbox}, settle: 50ms, settle_limit: 1s, prompt: "{prompt}", {folder}}}
log: {{target: json, level: debug}}
{top}
"""


def config(
    gateway: Gateway, inbox: Path, *, prompt: str = "Say.", model: str = "", folder: str = "", top: str = ""
) -> str:
    return CONFIG.format(
        url=gateway.base_url, inbox=inbox, prompt=prompt, model=model, folder=folder, top=top
    )


def test_sighup_brings_a_new_prompt_and_a_new_folder_and_a_bad_config_changes_nothing(
    tmp_path: Path, inbox: Path
) -> None:
    more = tmp_path / "more"
    more.mkdir()
    with Gateway() as gateway, Daemon(config(gateway, inbox), tmp_path) as daemon:
        drop(inbox, "one.png", picture(seed=1))
        daemon.wait_event("file.done", file="one.png")
        new = config(gateway, inbox, prompt="New prompt.")
        new = new.replace("log:", f"  more: {{path: {more}, settle: 50ms}}\nlog:")
        daemon.config.write_text(new)
        daemon.process.send_signal(signal.SIGHUP)
        daemon.wait_event("service.reloaded")
        drop(inbox, "two.png", picture(seed=2))
        daemon.wait_event("file.done", file="two.png")
        drop(more, "three.png", picture(seed=3))
        daemon.wait_event("file.done", folder="more", file="three.png")
        daemon.config.write_text(new.replace("settle:", "setle:"))
        daemon.process.send_signal(signal.SIGHUP)
        daemon.wait_event("service.reload_failed")
        assert any("setle" in e["reason"] for e in daemon.seen("config.error"))
        drop(inbox, "four.png", picture(seed=4))
        daemon.wait_event("file.done", file="four.png")
        assert daemon.stop() == 0
    assert [r.prompt for r in gateway.requests][:2] == ["Say.", "New prompt."]
    assert len(gateway.requests) == 4


def reload(daemon: Daemon, runtime: Path) -> tuple[int, str]:
    """What the unit's ExecReload= do, one after the other; how they end and what they say."""
    env = {**os.environ, "RUNTIME_DIRECTORY": str(runtime), "MAINPID": str(daemon.process.pid)}
    unit = re.sub(r"\\\n\s*", "", (REPO / "systemd/glimpsed.service").read_text())
    for line in re.findall(r"(?m)^ExecReload=(.*)$", unit):
        done = subprocess.run(
            shlex.split(line), env=env, capture_output=True, text=True, timeout=100, check=False
        )
        if done.returncode != 0:
            return done.returncode, done.stderr
    return 0, done.stderr


def test_a_reload_by_the_unit_fails_with_what_the_daemon_says_of_it(tmp_path: Path, inbox: Path) -> None:
    runtime = tmp_path / "runtime"
    runtime.mkdir()
    with Gateway() as gateway:
        text = config(gateway, inbox)
        with Daemon(text, tmp_path, "inbox", env={"RUNTIME_DIRECTORY": str(runtime)}) as daemon:
            daemon.wait_event("service.ready")
            assert reload(daemon, runtime) == (0, "")
            daemon.config.write_text(text.replace("settle:", "setle:"))
            code, told = reload(daemon, runtime)
            assert (code, "setle: unknown key" in told) == (1, True)
            # The folder that it was told to watch is not in it: a config without a mistake, to anybody but this daemon.
            daemon.config.write_text(text.replace(f"inbox: {{path: {inbox}", f"other: {{path: {tmp_path}"))
            code, told = reload(daemon, runtime)
            assert (code, "inbox" in told) == (1, True)
            daemon.config.write_text(text)
            assert reload(daemon, runtime) == (0, "")
            assert daemon.stop() == 0
            assert reload(daemon, runtime)[0] != 0


def test_a_reload_that_cannot_be_taken_over_changes_nothing(tmp_path: Path, inbox: Path) -> None:
    with Gateway() as gateway:
        text = config(gateway, inbox)
        with Daemon(text, tmp_path, "inbox") as daemon:
            daemon.wait_event("service.ready")
            elsewhere = text.replace(f"inbox: {{path: {inbox}", f"other: {{path: {tmp_path}")
            local = text.replace("{api: chat,", "{api: local, model: tesseract, extra: {languages: eng}} #")
            for number, bad in enumerate((elsewhere, local)):
                daemon.config.write_text(bad)
                daemon.process.send_signal(signal.SIGHUP)
                daemon.wait_event("service.reload_failed", count=number + 1)
                drop(inbox, f"{number}.png", picture(seed=number))
                daemon.wait_event("file.done", file=f"{number}.png", model="m")
            assert daemon.stop() == 0
        assert len(gateway.requests) == 2


def test_a_config_without_folders_is_told_as_a_warning(tmp_path: Path, inbox: Path) -> None:
    """As a disk that was full when it was written leaves it: else nobody hears that nothing is watched any more."""
    with Gateway() as gateway, Daemon(config(gateway, inbox), tmp_path) as daemon:
        assert "reason" not in daemon.wait_event("service.ready", level="info")
        daemon.config.write_text("")
        daemon.process.send_signal(signal.SIGHUP)
        assert "no folders" in daemon.wait_event("service.reloaded", level="warning")["reason"]
        daemon.config.write_text(config(gateway, inbox))
        daemon.process.send_signal(signal.SIGHUP)
        daemon.wait_event("service.reloaded", level="info")
        assert daemon.stop() == 0


def test_a_reload_from_a_file_system_that_hangs_does_not_hold_up_the_stop(
    tmp_path: Path, inbox: Path
) -> None:
    with Gateway() as gateway, Daemon(config(gateway, inbox), tmp_path) as daemon:
        daemon.wait_event("service.ready")
        daemon.config.unlink()
        os.mkfifo(daemon.config)  # whoever opens it to read waits for somebody who writes
        daemon.process.send_signal(signal.SIGHUP)
        drop(inbox, "one.png", picture())
        daemon.wait_event("file.done", file="one.png")
        assert daemon.stop(seconds=20) == 0


def test_a_reload_does_not_drop_the_request_in_flight(tmp_path: Path, inbox: Path) -> None:
    with Gateway(Scripted(delay=1.5)) as gateway, Daemon(config(gateway, inbox), tmp_path) as daemon:
        drop(inbox, "one.png", picture())
        gateway.wait_for(1)
        daemon.config.write_text(config(gateway, inbox, prompt="Another prompt."))
        daemon.process.send_signal(signal.SIGHUP)
        daemon.wait_event("service.reloaded")
        daemon.wait_event("file.done", file="one.png")
        assert daemon.stop() == 0
    assert len(gateway.requests) == 1
    assert (inbox / "one.png.txt").exists()


def test_sigterm_lets_the_request_in_flight_finish_and_claims_nothing_more(
    tmp_path: Path, inbox: Path
) -> None:
    with Gateway(default=Scripted(delay=1.0)) as gateway:
        text = config(gateway, inbox, model="concurrency: 1")
        with Daemon(text, tmp_path) as daemon:
            for number in range(12):
                drop(inbox, f"{number}.png", picture(seed=number))
            gateway.wait_for(1)
            assert daemon.stop() == 0
        done = len(list(inbox.glob("*.png.txt")))
        assert done == len(gateway.requests)
        assert done < 12
        gateway.default = Scripted()
        with Daemon(text, tmp_path) as daemon:
            wait_until(lambda: len(list(inbox.glob("*.png.txt"))) == 12, "not all were done")
        assert len(gateway.requests) == 12


def test_a_second_sigterm_stops_at_once_and_the_lease_is_given_back(tmp_path: Path, inbox: Path) -> None:
    with Gateway(Scripted(fault="hang")) as gateway:
        with Daemon(config(gateway, inbox), tmp_path) as daemon:
            drop(inbox, "one.png", picture())
            gateway.wait_for(1)
            daemon.process.send_signal(signal.SIGTERM)
            daemon.wait_event("service.stopping")
            assert daemon.stop(seconds=10) == 0
        with Daemon(config(gateway, inbox), tmp_path) as daemon:
            daemon.wait_event("file.done", file="one.png", seconds=20)


def test_a_401_pauses_the_model_costs_no_attempt_and_a_reload_with_another_key_goes_on(
    tmp_path: Path, inbox: Path
) -> None:
    with Gateway(key="sk-right") as gateway:
        text = config(gateway, inbox).replace(
            "api_key_env: GLIMPSED_API_KEY", f"api_key_file: {tmp_path}/key"
        )
        (tmp_path / "key").write_text("sk-wrong-0123456789\n")
        with Daemon(text, tmp_path) as daemon:
            drop(inbox, "one.png", picture())
            paused = daemon.wait_event("model.paused", model="m")
            assert "sk-wrong" not in json.dumps(daemon.events)
            assert paused["reason"]
            status_when(lambda told: told["folders"]["inbox"]["queued"] == 1, tmp_path)
            status_when(lambda told: told["models"]["m"]["state"] == "paused", tmp_path)
            (tmp_path / "key").write_text("sk-right")
            daemon.process.send_signal(signal.SIGHUP)
            daemon.wait_event("file.done", file="one.png")
            assert daemon.stop() == 0
        assert json.loads((inbox / "one.png.json").read_text())["attempts"] == 1


def test_a_budget_stops_the_spending_and_is_told_once(tmp_path: Path, inbox: Path) -> None:
    with Gateway() as gateway:
        text = config(
            gateway,
            inbox,
            model="price: {input: 1000, output: 1000}, concurrency: 1",
            top="budget: {per_day: 2}\nbacklog_confirm: 1000",
        )
        with Daemon(text, tmp_path) as daemon:
            for number in range(8):
                drop(inbox, f"{number}.png", picture(seed=number))
            daemon.wait_event("budget.reached")
            asked = len(gateway.requests)
            drop(inbox, "late.png", picture(seed=99))
            daemon.wait_event("file.queued", file="late.png")
            status = status_when(lambda told: told["models"]["m"]["state"] == "paused", tmp_path)
            assert status["spend"]["day"] >= 2
            assert len(daemon.seen("budget.reached")) == 1
            assert daemon.stop() == 0
        # 1.126 an answer: two reach it.
        assert asked == len(gateway.requests) == 2


@pytest.mark.parametrize("whose", ["everybody's", "the folder's", "the model's"])
def test_a_used_up_budget_is_told_once_and_again_when_another_one_is(
    tmp_path: Path, inbox: Path, whose: str
) -> None:
    def limited(**limits: int) -> str:
        said = f"budget: {json.dumps(limits)}"
        price = "price: {input: 1000, output: 1000}, concurrency: 1"
        return config(
            gateway,
            inbox,
            model=f"{price}, {said}" if whose == "the model's" else price,
            folder=said if whose == "the folder's" else "",
            top=said if whose == "everybody's" else "",
        )

    with Gateway() as gateway:
        with Daemon(limited(per_day=1, per_month=1), tmp_path) as daemon:

            def used_up(limits: dict[str, int], times: int) -> str:
                daemon.config.write_text(limited(**limits))
                reloads = len(daemon.seen("service.reloaded"))
                daemon.process.send_signal(signal.SIGHUP)
                daemon.wait_event("service.reloaded", count=reloads + 1)
                for _ in range(3):  # the budgets are looked at for each
                    drop(inbox, f"{(number := next(numbers))}.png", picture(seed=number))
                    daemon.wait_event("file.queued", file=f"{number}.png")
                told = daemon.wait_event("budget.reached", count=times)["reason"]
                assert len(daemon.seen("budget.reached")) == times
                return str(told)

            numbers = itertools.count()
            drop(inbox, "first.png", picture(seed=100))  # 1.126 an answer
            assert "this month is used up (1.13 of 1.00" in daemon.wait_event("budget.reached")["reason"]
            daemon.wait_event("file.done", file="first.png")
            assert "this day is used up (2.25 of 2.00" in used_up({"per_day": 2, "per_month": 9}, 2)
            assert "this month is used up (2.25 of 2.00" in used_up({"per_day": 2, "per_month": 2}, 3)
            assert daemon.stop() == 0
        assert len(gateway.requests) == 2


def book(pages: int) -> bytes:
    first, *rest = [Image.new("RGB", (60, 40), (n * 20, 0, 0)) for n in range(pages)]
    first.save(file := io.BytesIO(), "TIFF", save_all=True, append_images=rest)
    return file.getvalue()


@pytest.mark.parametrize("whose", ["everybody's", "the folder's"])
def test_a_budget_ends_in_the_middle_of_a_document_that_is_asked_about_page_by_page(
    tmp_path: Path, inbox: Path, whose: str
) -> None:
    limit = "budget: {per_day: 2}"
    with Gateway() as gateway:
        model, each = "price: {input: 1000, output: 1000}", "pages: each"
        folder, top = (each, limit) if whose == "everybody's" else (f"{each}, {limit}", "")
        text = config(gateway, inbox, model=model, folder=folder, top=top)
        with Daemon(text, tmp_path) as daemon:
            drop(inbox, "book.tif", book(10))
            daemon.wait_event("budget.reached")
            status_when(lambda told: told["folders"]["inbox"]["queued"] == 1, tmp_path)
            assert len(gateway.requests) == 2
            daemon.config.write_text(config(gateway, inbox, model=model, folder=each))
            daemon.process.send_signal(signal.SIGHUP)
            daemon.wait_event("file.done", file="book.tif")
            assert daemon.stop() == 0
        assert len(gateway.requests) == 10


@pytest.mark.parametrize("whose", ["everybody's", "the folder's"])
def test_a_budget_binds_the_fallback_that_costs_something_behind_a_model_that_does_not(
    tmp_path: Path, inbox: Path, whose: str
) -> None:
    limit = "budget: {per_day: 2}"

    def answer(seen: Seen) -> Scripted:
        return (
            Scripted()
            if seen.body["model"] == "dear"
            else Scripted(text="I'm sorry, I can't help with that.")
        )

    with Gateway(default=answer) as gateway:
        folder = "model: m, pages: each, fallbacks: [dear]"
        folder, top = (folder, limit) if whose == "everybody's" else (f"{folder}, {limit}", "")
        text = config(gateway, inbox, folder=folder, top=top)
        # One at a time: what is in flight when a budget is reached is paid for as well.
        price = "concurrency: 1, price: {input: 1000, output: 1000}"
        dear = f"  dear: {{api: chat, base_url: '{gateway.base_url}', {price}}}\n"
        text = text.replace("folders:", f"{dear}folders:", 1)
        with Daemon(text, tmp_path) as daemon:
            drop(inbox, "book.tif", book(6))
            drop(inbox, "more.tif", book(6) + b"another")
            daemon.wait_event("budget.reached")
            status_when(lambda told: told["folders"]["inbox"]["queued"] == 2, tmp_path)
            assert sum(seen.body["model"] == "dear" for seen in gateway.requests) == 2
            assert daemon.stop() == 0


@pytest.mark.parametrize("whose", ["everybody's", "the folder's"])
@pytest.mark.parametrize("asked_as", ["fallbacks: [dear]", "verify_with: dear"])
def test_nobody_who_waits_for_a_fallback_or_second_reader_is_served_when_the_budget_is_used_up(
    tmp_path: Path, inbox: Path, asked_as: str, whose: str
) -> None:
    def answer(seen: Seen) -> Scripted:
        refusal = seen.body["model"] == "m" and asked_as.startswith("fallbacks")
        return Scripted(text="I'm sorry, I can't help with that.") if refusal else Scripted()

    limit = "budget: {per_day: 2}"
    with Gateway(default=answer) as gateway:
        folder, top = (asked_as, limit) if whose == "everybody's" else (f"{asked_as}, {limit}", "")
        text = config(gateway, inbox, folder=f"model: m, {folder}", top=top)
        dear = f"base_url: '{gateway.base_url}', price: {{input: 1000, output: 1000}}, concurrency: 1"
        text = text.replace("folders:", f"  dear: {{api: chat, {dear}}}\nfolders:", 1)
        for number in range(8):
            drop(inbox, f"{number}.png", picture(seed=number))
        with Daemon(text, tmp_path) as daemon:
            daemon.wait_event("budget.reached")
            wait_until(
                lambda: sum(seen.body["model"] == "m" for seen in gateway.requests) >= 8, "not all asked"
            )
            left = {"fallbacks": ("queued", 6), "verify_wi": ("done", 8)}[asked_as[:9]]
            status_when(lambda told: told["folders"]["inbox"][left[0]] == left[1], tmp_path)
            assert daemon.stop() == 0
        # 1.126 an answer, one after the other: two reach it.
        assert sum(seen.body["model"] == "dear" for seen in gateway.requests) == 2


def test_a_reload_without_the_budget_lifts_its_pause(tmp_path: Path, inbox: Path) -> None:
    with Gateway() as gateway:
        text = config(gateway, inbox, model="price: {input: 1000, output: 1000}, concurrency: 1")
        with Daemon(text + "budget: {per_day: 1}\n", tmp_path) as daemon:
            drop(inbox, "one.png", picture(seed=1))
            daemon.wait_event("budget.reached")
            drop(inbox, "two.png", picture(seed=2))
            daemon.config.write_text(text)
            daemon.process.send_signal(signal.SIGHUP)
            daemon.wait_event("file.done", file="two.png")
            assert daemon.stop() == 0


@pytest.mark.parametrize(
    "now", [("model: m}", "model: free}"), (", price: {input: 1, output: 1}", "")], ids=["model", "price"]
)
def test_a_backlog_waits_for_nobody_once_its_folders_model_costs_nothing(
    tmp_path: Path, inbox: Path, now: tuple[str, str]
) -> None:
    with Gateway() as gateway:
        price, top = "price: {input: 1, output: 1}", "backlog_confirm: 3"
        for number in range(5):
            drop(inbox, f"{number}.png", picture(seed=number))
        text = config(gateway, inbox, model=price, top=top, folder="model: m")
        free = f"  free: {{api: chat, base_url: '{gateway.base_url}', api_key_env: GLIMPSED_API_KEY}}\n"
        text = text.replace("folders:", f"{free}folders:", 1)
        with Daemon(text, tmp_path) as daemon:
            daemon.wait_event("backlog.waiting")
            assert now[0] in text
            daemon.config.write_text(text.replace(*now))
            daemon.process.send_signal(signal.SIGHUP)
            daemon.wait_event("file.done", count=5)
            assert daemon.stop() == 0


def test_a_large_first_backlog_of_a_priced_model_waits_for_approval_while_arrivals_are_served(
    tmp_path: Path, inbox: Path
) -> None:
    with Gateway() as gateway:
        text = config(gateway, inbox, model="price: {input: 1, output: 1}", top="backlog_confirm: 3")
        for number in range(5):
            drop(inbox, f"{number}.png", picture(seed=number))
        with Daemon(text, tmp_path) as daemon:
            assert daemon.wait_event("backlog.waiting", folder="inbox")["waiting"] == 5
            drop(inbox, "new.png", picture(seed=100))
            daemon.wait_event("file.done", file="new.png")
            assert len(gateway.requests) == 1
            approved = glimpsed("approve", home=tmp_path)
            assert approved.returncode == 0, approved.stderr
            wait_until(lambda: len(list(inbox.glob("*.txt"))) == 6, "the backlog did not follow")


def test_retry_and_redo_beside_the_daemon_are_acted_on(tmp_path: Path, inbox: Path) -> None:
    refuse = Scripted(status=400, body={"error": {"code": "image_content_policy_violation", "message": "no"}})
    with Gateway(refuse, refuse) as gateway, Daemon(config(gateway, inbox), tmp_path) as daemon:
        image = drop(inbox, "one.png", picture())
        daemon.wait_event("file.failed", file="one.png")
        wait_until((inbox / "one.png.error.txt").exists, "no error sidecar")
        assert glimpsed("retry", image, home=tmp_path).returncode == 0
        daemon.wait_event("file.done", file="one.png")
        assert not (inbox / "one.png.error.txt").exists()
        asked = len(gateway.requests)
        gateway.default = Scripted(text="Second reading.")
        assert glimpsed("redo", image, "--yes", home=tmp_path).returncode == 0
        daemon.wait_event("file.done", file="one.png", count=2)
        assert len(gateway.requests) == asked + 1
        assert (inbox / "one.png.txt").read_text() == "Second reading.\n"


def test_a_second_daemon_on_the_same_ledger_says_so_and_nothing_is_asked_twice(
    tmp_path: Path, inbox: Path
) -> None:
    with Gateway(default=Scripted(delay=0.05)) as gateway, Daemon(config(gateway, inbox), tmp_path) as first:
        first.wait_event("service.ready")
        with Daemon(config(gateway, inbox), tmp_path) as second:
            second.wait_event("ledger.shared")
            for number in range(20):
                drop(inbox, f"{number}.png", picture(seed=number))
            wait_until(lambda: len(list(inbox.glob("*.txt"))) == 20, "not all were done")
        assert len(gateway.requests) == 20


def test_sigusr1_logs_a_status(tmp_path: Path, inbox: Path) -> None:
    with Gateway() as gateway, Daemon(config(gateway, inbox), tmp_path) as daemon:
        daemon.wait_event("service.ready")
        daemon.process.send_signal(signal.SIGUSR1)
        assert "1 folder, " in daemon.wait_event("service.status")["reason"]


@pytest.mark.parametrize(
    ("top", "event", "reason"),
    [
        ("metrics: 127.0.0.1:{port}", "config.error", "metrics: cannot listen on 127.0.0.1:{port}"),
        ("state: sqlite:///{home}/other.sqlite", "service.stopped", "other.sqlite"),
    ],
)
def test_what_keeps_it_from_running_is_a_line_of_the_json_log(
    tmp_path: Path, inbox: Path, top: str, event: str, reason: str
) -> None:
    (tmp_path / "other.sqlite").write_text("no database " * 100)
    with Gateway() as gateway, socket.create_server(("127.0.0.1", 0)) as taken:
        values = {"port": taken.getsockname()[1], "home": tmp_path}
        text = config(gateway, inbox, top=top.format(**values))
        (tmp_path / "glimpsed.yaml").write_text(text)
        done = glimpsed("run", home=tmp_path, env={"GLIMPSED_API_KEY": "sk-e2e"})
    assert (done.returncode, done.stdout) == (78, "")
    last = [json.loads(line) for line in done.stderr.splitlines()][-1]
    assert (last["event"], last["level"]) == (event, "error")
    assert reason.format(**values) in last["reason"]


def test_nothing_is_left_running_after_the_stop(tmp_path: Path, inbox: Path) -> None:
    with Gateway() as gateway, Daemon(config(gateway, inbox), tmp_path) as daemon:
        drop(inbox, "one.bmp", picture("BMP"))
        daemon.wait_event("file.done", file="one.bmp")
        children = Path(f"/proc/{daemon.process.pid}/task/{daemon.process.pid}/children").read_text().split()
        assert children  # image workers
        assert daemon.stop() == 0
        wait_until(
            lambda: not any(os.path.exists(f"/proc/{c}") for c in children), "workers were left behind"
        )


def free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


def test_a_crowd_at_the_metrics_port_holds_up_nothing(tmp_path: Path, inbox: Path) -> None:
    """512 who connect, a third of them silent, a third half-way through a request, a third never reading."""
    port = free_port()
    said = (b"", b"GET /metrics HTTP/1.1\r\nHost: x\r\n", b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n")
    with (
        Gateway() as gateway,
        Daemon(config(gateway, inbox, top=f"metrics: 127.0.0.1:{port}"), tmp_path) as daemon,
        contextlib.ExitStack() as crowd,
    ):
        daemon.wait_event("service.ready")
        process = Path(f"/proc/{daemon.process.pid}")
        threads, descriptors = (len(list((process / kind).iterdir())) for kind in ("task", "fd"))
        for n in range(512):
            one = crowd.enter_context(socket.create_connection(("127.0.0.1", port), timeout=30))
            one.sendall(said[n % 3])
        assert len(list((process / "task").iterdir())) < threads + 20
        assert len(list((process / "fd").iterdir())) < descriptors + 80
        drop(inbox, "one.png", picture())
        daemon.wait_event("file.done", file="one.png")
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/healthz", timeout=10) as reply:
            assert reply.read() == b"ok\n"
        assert daemon.stop() == 0


def test_metrics_and_health_tell_what_happened(tmp_path: Path, inbox: Path) -> None:
    port = free_port()
    with (
        Gateway() as gateway,
        Daemon(config(gateway, inbox, top=f"metrics: 127.0.0.1:{port}"), tmp_path) as daemon,
    ):
        drop(inbox, "one.png", picture())
        daemon.wait_event("file.done", file="one.png")

        def get(path: str) -> str:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=10) as reply:
                return reply.read().decode()

        shown = get("/metrics")
        assert 'glimpsed_requests_total{model="m",verdict="ok"} 1.0' in shown
        for stage in ("settle", "wait", "prepare", "model", "write"):
            assert f'glimpsed_stage_seconds_count{{stage="{stage}"}} 1.0' in shown
        assert get("/healthz").strip() == "ok"
        assert get("/readyz").strip() == "ok"
