"""`notify` through a real service: a webhook on loopback that is down at first."""

from __future__ import annotations

import json
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any, Self

import pytest

from daemon import Daemon, glimpsed, wait_until

pytest.importorskip("apprise")


class Service:
    """Takes Apprise's JSON messages, or answers 503."""

    def __init__(self) -> None:
        self.messages: list[dict[str, Any]] = []
        self.refused = 0
        self.down = False
        service = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                if service.down:
                    service.refused += 1
                else:
                    service.messages.append(json.loads(body))
                self.send_response(503 if service.down else 200)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_: object) -> None:
                pass

        self._server = HTTPServer(("127.0.0.1", 0), Handler)
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


def test_check_tells_of_an_address_that_is_none(tmp_path: Path) -> None:
    (tmp_path / "glimpsed.yaml").write_text("folders: {}\nnotify: {urls: ['nonsense://x']}\n")
    done = glimpsed("check", home=tmp_path)
    assert done.returncode == 78
    assert "notify.urls.0" in done.stderr
