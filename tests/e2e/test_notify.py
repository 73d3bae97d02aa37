"""`notify` through a real service: a webhook on loopback that is down at first."""

from __future__ import annotations

import json
import os
import shutil
import signal
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any, Self

import pytest

from daemon import Daemon, glimpsed, wait_until
from gateway import Gateway, Scripted
from glimpsed.children.messenger import deliver
from pictures import drop, picture

pytest.importorskip("apprise")

NO_CAPABILITIES = ["setpriv", "--bounding-set=-all", "--inh-caps=-all"]


CHUNK = bytes(1 << 20)


class Server(HTTPServer):
    """Somebody who hangs up in the middle is nothing to tell."""

    def handle_error(self, *_: object) -> None:
        pass


class Service:
    """Takes Apprise's JSON messages, or answers 503."""

    def __init__(self) -> None:
        self.messages: list[dict[str, Any]] = []
        self.refused = 0
        self.down = False
        self.says = 503  # when it is down
        self.length = 0  # bytes that it answers, then
        service = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                if service.down:
                    service.refused += 1
                else:
                    service.messages.append(json.loads(body))
                self.send_response(service.says if service.down else 200)
                self.send_header("Location", "/elsewhere")
                self.send_header("Content-Length", str(service.length if service.down else 0))
                self.end_headers()
                if service.down:
                    for _ in range(service.length // len(CHUNK)):
                        self.wfile.write(CHUNK)

            def do_GET(self) -> None:
                self.send_response(200)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_: object) -> None:
                pass

        self._server = Server(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    @property
    def url(self) -> str:
        return f"json://anna:open-sesame-1234@127.0.0.1:{self._server.server_port}/x"

    @property
    def http(self) -> str:
        return f"http://127.0.0.1:{self._server.server_port}/hook"


@pytest.fixture
def inbox(tmp_path: Path) -> Path:
    (tmp_path / "in").mkdir()
    return tmp_path / "in"


def config(service: Service, digest: str) -> str:
    return (
        "folders: {bills: {path: in, settle: 0, settle_limit: 1s}}\n"
        f"notify: {{urls: ['{service.url}'], digest: {digest}}}\n"
    )


def test_failed_files_are_told_once_in_one_message_and_no_password_is_logged(
    tmp_path: Path, inbox: Path
) -> None:
    with Service() as service, Daemon(config(service, "1h"), tmp_path) as daemon:
        for number in range(8):
            (inbox / f"{number}.png").write_bytes(b"\x89PNG\r\n\x1a\n not one")
        wait_until(lambda: bool(service.messages), "no message came")
        (message,) = service.messages
        log = json.dumps(daemon.events)
    assert "failed" in message["title"]
    assert ".png" in message["message"]
    assert "open-sesame" not in log
    assert "open-sesame" not in json.dumps(message)


def test_what_a_service_did_not_take_before_the_stop_comes_after_the_next_start(
    tmp_path: Path, inbox: Path
) -> None:
    with Service() as service:
        service.down = True
        with Daemon(config(service, "1s"), tmp_path) as daemon:
            daemon.wait_event("service.ready")
            (inbox / "a.png").write_bytes(b"\x89PNG\r\n\x1a\n not one")
            wait_until(lambda: service.refused > 0, "nothing was tried")
        service.down = False
        with Daemon(config(service, "1s"), tmp_path):
            wait_until(lambda: bool(service.messages), "no message came")
        assert sum("a.png" in m["message"] for m in service.messages) == 1


@pytest.mark.parametrize(("says", "length"), [(302, 0), (200, 1 << 30)], ids=["redirect", "endless"])
def test_what_is_no_answer_is_no_delivery(tmp_path: Path, inbox: Path, says: int, length: int) -> None:
    """A redirect that makes a GET of a message loses it; an answer without an end fills no memory of the daemon."""
    with Service() as service:
        service.down, service.says, service.length = True, says, length
        with Daemon(config(service, "1s"), tmp_path) as daemon:
            daemon.wait_event("service.ready")
            (inbox / "a.png").write_bytes(b"\x89PNG\r\n\x1a\n not one")
            daemon.wait_event("notify.failed")
            service.down = False  # before what is left is sent once more, at the stop
        assert sum("a.png" in m["message"] for m in service.messages) == 1


def test_a_service_that_answers_for_ever_is_given_up() -> None:
    """Byte by byte: no single read of it takes long."""
    over = threading.Event()

    class Drips(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.send_response(200)
            self.send_header("Content-Length", "1000000")
            self.end_headers()
            while not over.wait(0.1):
                self.wfile.write(b"x")

        def log_message(self, *_: object) -> None:
            pass

    server = Server(("127.0.0.1", 0), Drips)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        assert not deliver(f"json://127.0.0.1:{server.server_port}/x", "title", "text", seconds=5.0)
    finally:
        over.set()
        server.shutdown()
        thread.join()
        server.server_close()


def test_what_a_wrong_password_kept_from_a_service_is_told_with_the_right_one(
    tmp_path: Path, inbox: Path
) -> None:
    with Service() as right, Service() as service:
        service.down, service.says = True, 401
        both = config(service, "1s").replace("urls: [", f"urls: ['{right.url}', ")
        with Daemon(both, tmp_path) as daemon:
            daemon.wait_event("service.ready")
            (inbox / "a.png").write_bytes(b"\x89PNG\r\n\x1a\n not one")
            daemon.wait_event("notify.failed")
            wait_until(lambda: bool(right.messages), "no message came")
        service.down = False
        with Daemon(both.replace(service.url, service.url.replace("1234", "5678")), tmp_path):
            wait_until(lambda: bool(service.messages), "no message came")
    assert [sum("a.png" in m["message"] for m in one.messages) for one in (right, service)] == [1, 1]


def test_check_tells_of_an_address_that_is_none(tmp_path: Path) -> None:
    (tmp_path / "glimpsed.yaml").write_text("folders: {}\nnotify: {urls: ['nonsense://x']}\n")
    done = glimpsed("check", home=tmp_path)
    assert done.returncode == 78
    assert "notify.urls[0]" in done.stderr


def test_a_reload_with_an_address_that_is_none_fails(tmp_path: Path, inbox: Path) -> None:
    """The next start would."""
    with Service() as service, Daemon(config(service, "1s"), tmp_path) as daemon:
        daemon.wait_event("service.ready")
        daemon.config.write_text(config(service, "1s").replace("json://", "nonsense://"))
        daemon.process.send_signal(signal.SIGHUP)
        daemon.wait_event("service.reload_failed")
        (mistake,) = [e for e in daemon.events if e["event"] == "config.error"]
        assert "notify.urls[0]" in mistake["reason"]
        assert "open-sesame" not in mistake["reason"]


EVERYTHING = """
models:
  paid: {{api: chat, base_url: "{url}", api_key_env: GLIMPSED_API_KEY, price: {{input: 1000, output: 1000}}}}
  other: {{api: chat, base_url: "{url}", api_key_env: GLIMPSED_API_KEY}}
defaults: {{settle: 0, settle_limit: 1s, model: other}}
folders:
  paid: {{path: paid, model: paid}}
  paused: {{path: paused}}
  closed: {{path: closed, settle: 1s}}
  lost: {{path: lost}}
  handed: {{path: handed, on_done: {{webhook: "{hook}"}}}}
budget: {{per_day: 0.5}}
log: {{level: error}}
notify: {{urls: ['{service}'], digest: 1s}}
"""


def test_all_that_the_contract_names_is_told_whatever_is_logged(tmp_path: Path) -> None:
    """Budget, pause, lost, degraded, hand-over, failed, and each one's end; with `log.level: error`, too."""
    before: list[str] = []
    if os.geteuid() == 0:
        if shutil.which("setpriv") is None:
            pytest.skip("needs setpriv, to be less than root")
        before = NO_CAPABILITIES
    for folder in ("paid", "paused", "closed", "lost", "handed"):
        (tmp_path / folder).mkdir()
    with Service() as service, Gateway() as gateway, Service() as hook:
        hook.down, hook.says = True, 400
        everything = EVERYTHING.format(url=gateway.base_url, hook=hook.http, service=service.url)

        def told(*sentences: str) -> None:
            def all_told() -> bool:
                text = "\n".join(m["message"] for m in service.messages)
                return all(sentence in text for sentence in sentences)

            wait_until(all_told, f"not told: {sentences}")

        with Daemon(everything, tmp_path, before=before) as daemon:
            wait_until(lambda: "running" in glimpsed("status", home=tmp_path).stdout, "does not run")
            drop(tmp_path / "paid", "a.png", picture(seed=1))
            told("budget is reached")
            gateway.script(
                Scripted(status=401, body={"error": {"message": "bad key", "code": "invalid_api_key"}})
            )
            drop(tmp_path / "paused", "a.png", picture(seed=2))
            told("Model other is paused")
            assert glimpsed("resume", "other", home=tmp_path).returncode == 0
            told("Model other works again")
            (tmp_path / "lost").rename(tmp_path / "away")
            told("lost: lost")
            (tmp_path / "away").rename(tmp_path / "lost")
            told("lost: back")
            drop(tmp_path / "handed", "a.png", picture(seed=3))
            told("handed: 1 file failed", "a.png: Not handed over")
            drop(tmp_path / "closed", "a.png", picture(seed=4))
            (tmp_path / "closed").chmod(0o555)  # before it counts as complete
            told("closed: watched less well than it should be", "no sidecars can be written")
            (tmp_path / "closed").chmod(0o755)
            told("closed: watching")
        assert {line["level"] for line in daemon.events} == {"error"}


def test_what_was_to_be_told_survives_a_kill(tmp_path: Path, inbox: Path) -> None:
    with Service() as service:
        with Daemon(config(service, "1h"), tmp_path) as daemon:
            daemon.wait_event("service.ready")
            for number in range(3):  # the first opens the hour in which nothing more is told
                (inbox / f"{number}.png").write_bytes(b"\x89PNG\r\n\x1a\n not one")
                daemon.wait_event("file.failed", count=number + 1)
                if number == 0:
                    wait_until(lambda: len(service.messages) == 1, "no message came")
            kept = tmp_path / "state/glimpsed/ledger.notices"
            wait_until(lambda: kept.exists() and "2.png" in kept.read_text(), "it is not on disk")
            daemon.stop(signal.SIGKILL)
        with Daemon(config(service, "1h"), tmp_path):
            wait_until(lambda: len(service.messages) == 2, "no message came")
        assert "2 files failed" in service.messages[1]["title"]
