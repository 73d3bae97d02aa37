"""The live page behind a real nginx, under a path, as docs/service.md says it."""

from __future__ import annotations

import re
import shutil
import socket
import subprocess
import time
from pathlib import Path

import pytest

from browser import Browser
from daemon import wait_until
from history import CONFIG, History
from webpage import Reader, history, served

NGINX = shutil.which("nginx", path="/usr/sbin:/usr/bin:/usr/local/sbin")
DOCS = Path(__file__).parents[2] / "docs" / "service.md"


def nginx(home: Path, port: int, behind: int) -> subprocess.Popen[bytes]:
    """One that has what the docs say, and buffers what it passes on."""
    (location,) = re.findall(r"```nginx\n(.*?)```", DOCS.read_text(), re.DOTALL)
    stores = "".join(
        f"{kind}_temp_path {home}/{kind};" for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    (home / "nginx.conf").write_text(
        f"daemon off; pid {home}/nginx.pid; error_log {home}/nginx.log; worker_processes 1;"
        f"events {{ }} http {{ access_log off; proxy_buffering on; {stores}"
        f"server {{ listen 127.0.0.1:{port}; {location.replace(':9465', f':{behind}')} }} }}"
    )
    assert NGINX is not None
    return subprocess.Popen(
        [NGINX, "-p", str(home), "-c", str(home / "nginx.conf"), "-e", str(home / "nginx.log")]
    )


def answers(port: int) -> bool:
    with socket.socket() as one:
        return not one.connect_ex(("127.0.0.1", port))


def free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


@pytest.mark.skipif(NGINX is None, reason="no nginx: apt-get install nginx-light")
def test_behind_nginx_the_page_reads_acts_and_is_live(tmp_path: Path) -> None:
    made = history(tmp_path, CONFIG)
    made.done("invoices", "first.png", ("Some oak",))
    made.failed("archive", "broken.png")
    proxied = {"base_path": "/scans", "hosts": ("office.example",), "trusted_proxies": ("127.0.0.1",)}
    with served(made.config, tmp_path, **proxied) as behind:
        port = free_port()
        proxy = nginx(tmp_path, port, behind)
        try:
            wait_until(lambda: answers(port), "no nginx")
            _all_of_it(tmp_path, made, port)
        finally:
            proxy.terminate()
            proxy.wait(30)
    made.ledger.close()


def _all_of_it(home: Path, made: History, port: int) -> None:
    base = f"http://127.0.0.1:{port}/scans"
    with Reader(port) as reader:
        assert reader.get("/scans/", headers={"Host": "evil.example"}).status_code == 403
        assert reader.get("/scans/", headers={"Host": "office.example"}).status_code == 200
        began = time.monotonic()
        with reader.stream("GET", "/scans/live") as news:
            assert any(line.startswith("data: ") for line in news.iter_lines())
        assert time.monotonic() - began < 30  # held back, it would come with the stream's end
    with Browser(home) as browser:
        for view in ("/", "/files", "/files/1", "/review", "/failures", "/workbench?file=1"):
            browser.open(base + view)
            assert browser.complaints() == [], view
            assert all(one.startswith((base + "/", "data:")) for one in browser.requested()), view
        browser.open(f"{base}/")
        wait_until(lambda: browser.run("document.getElementById('stale').hidden"), "nothing is heard")
        made.done("invoices", "second.png", ("Some pine",))
        seen = "document.getElementById('now').textContent.includes('second.png')"
        wait_until(lambda: browser.run(seen), "the news do not come through", 60)
        browser.open(f"{base}/failures")
        browser.page.locator("article button").first.click()
        browser.page.locator("[role=status]", has_text="Queued again").wait_for()
        assert browser.run("location.pathname") == "/scans/failures"
