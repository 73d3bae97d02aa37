"""The live page of a real daemon, beside one, and in a real browser."""

from __future__ import annotations

import re
import signal
import socket
import subprocess
from pathlib import Path

import pytest

from browser import Browser
from daemon import GLIMPSED, Daemon, environment, glimpsed, wait_until
from gateway import Gateway, Scripted
from glimpsed.ledger import open_ledger
from glimpsed.ledger.hours import QUEUE
from pictures import picture
from webpage import Reader, history, served


def free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


def config(gateway: Gateway, home: Path, web: str, top: str = "") -> str:
    (home / "inbox").mkdir(exist_ok=True)
    return f"""
state: sqlite:///{home}/ledger.sqlite
log: {{target: json, level: debug}}
models:
  m: {{api: chat, base_url: "{gateway.base_url}", model: gpt-4o, api_key_env: GLIMPSED_API_KEY, price: {{input: 1, output: 1}}}}
folders:
  inbox: {{path: {home}/inbox, prompt: Read it., settle: 0}}
web: {web}
{top}
"""


def test_the_daemon_serves_its_page_and_does_what_is_pressed(tmp_path: Path) -> None:
    port = free_port()
    with Gateway() as gateway:
        text = config(gateway, tmp_path, f"127.0.0.1:{port}", "backlog_confirm: 2")
        for number in range(3):
            (tmp_path / "inbox" / f"{number}.png").write_bytes(picture(seed=number))
        with Daemon(text, tmp_path) as daemon, Reader(port) as reader:
            daemon.wait_event("backlog.waiting", folder="inbox")
            wait_until(lambda: "Approve</button>" in reader.get("/").text, "no backlog on the page")
            assert "3 files" in reader.get("/").text
            assert gateway.requests == []
            assert "inbox: released" in reader.press("/", "Approve").text
            for number in range(3):
                daemon.wait_event("file.done", file=f"{number}.png")
            wait_until(lambda: "watching</span>" in reader.get("/").text, "the folder is not watched")
            # A command that ends is not the last one at the ledger: its log stays, and with it the daemon.
            assert glimpsed("status", "-c", daemon.config, home=tmp_path).returncode == 0
            assert (tmp_path / "ledger.sqlite-wal").exists()
            number_ = re.search(r'name="file" value="(\d+)"', reader.get("/files").text)
            assert number_ is not None
            asked = len(gateway.requests)
            page = reader.press(f"/files/{number_[1]}", "Redo")
            reader.send_form(page.text, "Redo")
            wait_until(lambda: len(gateway.requests) == asked + 1, "it was not asked again")
            # Listed anew, at once, and what is tried at the workbench is asked and not written.
            before = len(daemon.seen("scan.finished"))
            reader.press("/", "Rescan")
            daemon.wait_event("scan.finished", count=before + 1)
            bench = reader.get(f"/workbench?file={number_[1]}").text
            priced = reader.send_form(bench, "Try", prompt="Say what it is.", model="m")
            assert "USD" in priced.text
            asked = len(gateway.requests)
            gateway.default = Scripted(text="A <picture>.")
            tried = reader.send_form(
                priced.text, "Ask them", prompt="Say what it is.", model="m", agreed="yes"
            )
            assert "A &lt;picture&gt;." in tried.text
            assert "prompt: Say what it is." in tried.text
            assert len(gateway.requests) == asked + 1
            assert not any("picture" in f.read_text() for f in (tmp_path / "inbox").glob("*.txt"))
            assert daemon.stop() == 0
    assert daemon.noise == []


def test_an_address_that_is_taken_is_told_and_the_daemon_does_not_start(tmp_path: Path) -> None:
    with socket.socket() as taken, Gateway() as gateway:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        text = config(gateway, tmp_path, f"127.0.0.1:{taken.getsockname()[1]}")
        with Daemon(text, tmp_path) as daemon:
            assert daemon.process.wait(60) == 78
            assert "cannot listen on" in daemon.tail()


def test_what_stages_took_is_kept_beyond_the_daemon(tmp_path: Path) -> None:
    with Gateway() as gateway:
        with Daemon(config(gateway, tmp_path, "null"), tmp_path) as daemon:
            (tmp_path / "inbox" / "a.png").write_bytes(picture())
            daemon.wait_event("file.done", file="a.png")
            assert daemon.stop() == 0
        ledger = open_ledger(f"sqlite:///{tmp_path}/ledger.sqlite")
        kept = {one.what: one for one in ledger.hours_since(0) if one.what != QUEUE}
        ledger.close()
    assert {what: one.times for what, one in kept.items()} == dict.fromkeys(
        ("settle", "wait", "prepare", "model", "write"), 1
    )
    assert 0 < kept["model"].mean < 60


def test_metrics_and_page_share_a_port_and_only_the_page_asks_for_the_password(tmp_path: Path) -> None:
    port = free_port()
    where = f"127.0.0.1:{port}"
    with Gateway() as gateway:
        web = f"{{listen: '{where}', password_env: PAGE, base_path: /scans}}"
        text = config(gateway, tmp_path, web, f"metrics: {where}")
        with (
            Daemon(text, tmp_path, env={"PAGE": "s3cret"}) as daemon,
            Reader(port) as reader,
        ):
            daemon.wait_event("service.ready")
            wait_until(lambda: reader.get("/scans/").status_code == 303, "no page")
            assert reader.get("/scans/").headers["location"].startswith("/scans/login")
            assert 'glimpsed_folder_up{folder="inbox"} 1.0' in reader.get("/metrics").text
            assert (reader.get("/healthz").text, reader.get("/readyz").text) == ("ok\n", "ok\n")
            # The page's own rules hold for all else, and not for what is scraped.
            foreign = {"Host": "elsewhere.example"}
            assert reader.get("/files", headers=foreign).status_code == 403
            assert reader.get("/metrics", headers=foreign).status_code == 200
            assert "cookie" not in str(reader.get("/metrics").headers).lower()
            assert reader.get("/scans/metrics").status_code == 303
            assert daemon.stop() == 0


def test_glimpsed_web_serves_the_same_beside_a_daemon_and_takes_the_socket_that_it_is_handed(
    tmp_path: Path,
) -> None:
    made = history(tmp_path)
    made.done("invoices", "a.png", ("Some oak",))
    made.ledger.close()
    with socket.socket() as handed:
        handed.bind(("127.0.0.1", 0))
        handed.listen()
        port = handed.getsockname()[1]
        start = (
            "import os, sys\n"
            f"os.dup2({handed.fileno()}, 3)\n"
            "os.environ |= {'LISTEN_FDS': '1', 'LISTEN_PID': str(os.getpid())}\n"
            "os.execv(sys.argv[1], sys.argv[1:])\n"
        )
        process = subprocess.Popen(
            [GLIMPSED[0], "-c", start, *GLIMPSED, "web"],
            cwd=tmp_path,
            env=environment(tmp_path),
            pass_fds=(handed.fileno(),),
            stderr=subprocess.PIPE,
        )
    try:
        with Reader(port) as reader:
            assert "a.png" in reader.get("/files?q=oak").text
        process.send_signal(signal.SIGTERM)
        assert process.wait(30) == 0
    finally:
        process.kill()
        process.communicate()


VIEWS = ("/", "/files", "/files?q=oak", "/files/1", "/review", "/failures", "/workbench?file=1")


@pytest.mark.parametrize(("width", "height"), [(1280, 900), (390, 800)])
def test_every_view_is_accessible_fits_the_window_and_asks_nobody_else(
    tmp_path: Path, width: int, height: int
) -> None:
    made = history(tmp_path)
    made.done("invoices", "a.png", ("Some oak and more",))
    made.failed("archive", "a-name-without-any-place-to-break-" + "x" * 80 + ".png")
    made.queued("archive", "c.png")
    made.ledger.hold("archive", 1.0)
    with served(made.config, tmp_path) as port, Browser(tmp_path, width, height) as browser:
        for scheme in ("light", "dark") if width > 600 else ("dark",):
            browser.page.emulate_media(color_scheme=scheme)
            for view in VIEWS:
                base = f"http://127.0.0.1:{port}"
                browser.open(base + view)
                assert browser.run("document.documentElement.scrollWidth") <= width, view
                assert browser.barriers() == [], (view, scheme)
                assert browser.complaints() == [], view
                strangers = [u for u in browser.requested() if not u.startswith((base, "data:"))]
                assert strangers == [], view
    made.ledger.close()


def test_now_goes_on_after_the_daemon_was_away_and_says_meanwhile_that_it_may_be_old(tmp_path: Path) -> None:
    port = free_port()
    with Gateway() as gateway, Browser(tmp_path) as browser:
        text = config(gateway, tmp_path, f"127.0.0.1:{port}")

        def shows(what: str, why: str) -> None:
            wait_until(lambda: browser.run(what), why, 90)

        (tmp_path / "inbox" / "first.png").write_bytes(picture(seed=1))
        with Daemon(text, tmp_path) as daemon:
            daemon.wait_event("file.done", file="first.png")
            browser.open(f"http://127.0.0.1:{port}/")
            assert browser.run("document.getElementById('stale').hidden")
            assert browser.run("document.getElementById('now').textContent.includes('first.png')")
            browser.run(
                "document.querySelector('#now summary').click(); document.querySelector('#now summary').focus()"
            )
            assert daemon.stop() == 0
        shows("!document.getElementById('stale').hidden", "nobody says that it may be old")
        (tmp_path / "inbox" / "second.png").write_bytes(picture(seed=2))
        with Daemon(text, tmp_path) as daemon:
            daemon.wait_event("file.done", file="second.png")
            shows("document.getElementById('now').textContent.includes('second.png')", "it does not go on")
            shows("document.getElementById('stale').hidden", "it still says so")
            # What one reads stays as one left it.
            assert browser.run("document.querySelector('#now details').open")
            assert browser.run("document.activeElement.matches('#now summary')")
            assert daemon.stop() == 0


def test_one_searches_as_one_types(tmp_path: Path) -> None:
    made = history(tmp_path)
    made.done("invoices", "a.png", ("Some oak",))
    made.done("invoices", "b.png", ("Some pine",))
    with served(made.config, tmp_path) as port, Browser(tmp_path) as browser:
        browser.open(f"http://127.0.0.1:{port}/files")
        browser.run("const q = document.querySelector('[name=q]'); q.focus(); 0")
        browser.page.keyboard.insert_text("pin")
        shown = "document.querySelector('#list').textContent"
        wait_until(lambda: "1 file matches" in browser.run(shown), "nothing was searched for")
        assert "b.png" in browser.run(shown)
        assert "a.png" not in browser.run(shown)
        assert "q=pin" in browser.run("location.search")
    made.ledger.close()
