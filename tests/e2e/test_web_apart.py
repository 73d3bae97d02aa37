"""The page's process beside a real daemon: it is told what counts, and neither outlives the daemon nor ends it."""

from __future__ import annotations

import os
import signal
from pathlib import Path

from browser import Browser
from daemon import Daemon, wait_until
from foreign import free_port
from gateway import Gateway
from pictures import picture
from webpage import Reader

CONFIG = """
state: sqlite:///{home}/ledger.sqlite
log: {{target: json, level: info}}
metrics: 127.0.0.1:{port}
models:
  m: {{api: chat, base_url: "{url}", model: gpt-4o, api_key_env: GLIMPSED_API_KEY}}
folders:
  inbox: {{path: {home}/inbox, model: m, prompt: Read it., settle: 0}}
web: 127.0.0.1:{port}
"""


def config(gateway: Gateway, home: Path, port: int, text: str = CONFIG) -> str:
    (home / "inbox").mkdir()
    return text.format(home=home, url=gateway.base_url, port=port)


def page_of(daemon: Daemon) -> int:
    """The process id of the page."""
    children = Path(f"/proc/{daemon.process.pid}/task/{daemon.process.pid}/children").read_text().split()
    (pid,) = (int(pid) for pid in children if b"glimpsed.web.process" in arguments(int(pid)))
    return pid


def arguments(pid: int) -> bytes:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return b""


def test_a_page_that_is_killed_is_there_again_and_the_daemon_never_stopped(tmp_path: Path) -> None:
    port = free_port()
    with Gateway() as gateway, Reader(port) as reader:
        with Daemon(config(gateway, tmp_path, port), tmp_path) as daemon:
            daemon.wait_event("page served")
            first = page_of(daemon)
            os.kill(first, signal.SIGKILL)
            (tmp_path / "inbox" / "a.png").write_bytes(picture())
            daemon.wait_event("file.done", file="a.png")
            # Who asks meanwhile waits for the next one.
            assert "a.png" in reader.get("/files").text
            assert "ended by signal 9" in daemon.wait_event("page ended")["reason"]
            second = page_of(daemon)
            assert second != first
            # Where memory runs out, it goes before the daemon.
            assert Path(f"/proc/{second}/oom_score_adj").read_text() == "500\n"
            # What is sent to the whole group is meant for the daemon.
            os.kill(second, signal.SIGTERM)
            assert 'glimpsed_files{folder="inbox",state="done"} 1.0' in reader.get("/metrics").text
            assert reader.post("/metrics").status_code == 501
            assert reader.head("/healthz").headers["content-length"] == "3"
            assert daemon.stop() == 0
            assert arguments(second) == b""
        assert len(daemon.seen("page ended")) == 1
        assert daemon.noise == []


def test_the_page_is_told_what_a_reload_changes(tmp_path: Path) -> None:
    port = free_port()
    with Gateway() as gateway, Reader(port) as reader:
        text = config(gateway, tmp_path, port)
        with Daemon(text, tmp_path) as daemon:
            daemon.wait_event("service.ready")
            assert "receipts" not in reader.get("/files").text
            (tmp_path / "receipts").mkdir()
            more = f"  receipts: {{path: {tmp_path}/receipts, model: m, prompt: Read it., settle: 0}}\nweb:"
            daemon.config.write_text(text.replace("web:", more) + "language: zh\n")
            daemon.process.send_signal(signal.SIGHUP)
            daemon.wait_event("service.reloaded")
            wait_until(lambda: "receipts" in reader.get("/files").text, "the page has the old config")
            assert '<html lang="zh">' in reader.get("/files").text
            # The next one starts with what counts now.
            os.kill(page_of(daemon), signal.SIGKILL)
            with Reader(port) as another:
                assert "receipts" in another.get("/files").text


def test_a_daemon_that_is_killed_leaves_no_page_behind(tmp_path: Path) -> None:
    port = free_port()
    with Gateway() as gateway, Daemon(config(gateway, tmp_path, port), tmp_path) as daemon:
        daemon.wait_event("page served")
        page = page_of(daemon)
        daemon.process.kill()
        daemon.process.wait()
        wait_until(lambda: arguments(page) == b"", "the page is there still")


LOCKED = CONFIG.replace(
    "web: 127.0.0.1:{port}", "web: {{listen: 127.0.0.1:{port}, password_env: PAGE_PASSWORD}}"
)
PASSWORD = {"PAGE_PASSWORD": "correct horse"}


def log_in(reader: Reader) -> None:
    assert reader.press("/login", "Log in", password="correct horse").status_code == 200


def test_who_is_in_stays_in_and_can_send_what_was_typed_after_the_page_and_the_daemon_were_started_anew(
    tmp_path: Path,
) -> None:
    port = free_port()
    with Gateway() as gateway, Reader(port) as reader:
        text = config(gateway, tmp_path, port, LOCKED)
        with Daemon(text, tmp_path, env=PASSWORD) as daemon:
            (tmp_path / "inbox" / "a.png").write_bytes(picture())
            daemon.wait_event("file.done", file="a.png")
            log_in(reader)
            open_form = reader.get("/files/1").text
            os.kill(page_of(daemon), signal.SIGKILL)
            daemon.wait_event("page ended")
            assert "Corrected." in reader.send_form(open_form, "Save", text="Corrected.").text
            assert (tmp_path / "inbox" / "a.png.txt").read_text() == "Corrected.\n"
            open_form = reader.get("/files/1").text
            assert daemon.stop() == 0
        with Daemon(text, tmp_path, env=PASSWORD) as daemon:
            daemon.wait_event("page served")
            assert "Once more." in reader.send_form(open_form, "Save", text="Once more.").text
            reader.press("/", "Log out")
            assert daemon.stop() == 0
        with Daemon(text, tmp_path, env=PASSWORD) as daemon:
            daemon.wait_event("page served")
            assert reader.get("/").headers["location"].startswith("/login")
            assert daemon.stop() == 0


def test_now_says_when_one_is_logged_out_and_goes_on_once_one_is_in(tmp_path: Path) -> None:
    port = free_port()
    with Gateway() as gateway, Reader(port) as reader, Browser(tmp_path, 400, 800) as browser:
        text = config(gateway, tmp_path, port, LOCKED)
        with Daemon(text, tmp_path, env=PASSWORD) as daemon:
            daemon.wait_event("page served")
            log_in(reader)

            def lend() -> None:
                for name, value in reader.cookies.items():
                    browser.page.context.add_cookies(
                        [{"name": name, "value": value, "url": f"http://127.0.0.1:{port}/"}]
                    )

            def shows(what: str, why: str) -> None:
                wait_until(lambda: browser.run(what), why, 90)

            lend()
            browser.open(f"http://127.0.0.1:{port}/")
            assert browser.run(
                "document.getElementById('ended').hidden && document.getElementById('stale').hidden"
            )
            reader.press("/", "Log out")
            os.kill(page_of(daemon), signal.SIGKILL)  # whoever was connected has to come again
            shows("!document.getElementById('ended').hidden", "nobody says that one has to log in")
            assert browser.run("document.getElementById('stale').hidden")
            assert browser.run("document.querySelector('#ended a').pathname") == "/login"
            log_in(reader)  # in another window
            lend()
            shows("document.getElementById('ended').hidden", "it does not go on")
            (tmp_path / "inbox" / "a.png").write_bytes(picture())
            shows("document.getElementById('now').textContent.includes('a.png')", "it is not live")
            assert browser.run("document.getElementById('stale').hidden")
            assert daemon.stop() == 0
