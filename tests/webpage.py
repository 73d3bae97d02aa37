"""The live page over a ledger that has seen something, on a real port of loopback, and a reader of it."""

from __future__ import annotations

import contextlib
import re
import socket
from collections.abc import Iterator
from html import unescape
from pathlib import Path
from typing import Any

import httpx
from pydantic import SecretStr

from glimpsed import config
from glimpsed.config.schema import Config, Web
from glimpsed.httpd import Httpd
from glimpsed.ledger import open_ledger
from glimpsed.web.app import application
from glimpsed.web.served import site
from history import CONFIG, History

FORM = re.compile(r"<form[^>]*>.*?</form>", re.DOTALL)
INPUT = re.compile(r'<input type="hidden" name="([^"]*)" value="([^"]*)"')


def history(home: Path, text: str = CONFIG) -> History:
    """A config on disk, its folders, and an empty ledger."""
    (home / "glimpsed.yaml").write_text(text)
    for name in ("invoices", "archive"):
        (home / name).mkdir()
    loaded = config.load(home / "glimpsed.yaml", keys=False)
    return History(loaded, open_ledger(config.state_url(loaded)))


@contextlib.contextmanager
def served(loaded: Config, home: Path, password: str | None = None, **web: Any) -> Iterator[int]:
    """The page of this config, and its port."""
    httpd = Httpd()
    port = httpd.open("web", ("127.0.0.1", 0))
    ((_, number),) = port.addresses
    settings = Web(listen=f"127.0.0.1:{number}", **web)
    if password:
        settings = settings.model_copy(update={"password": SecretStr(password)})
    page = site(
        lambda: loaded,
        settings,
        open_ledger(config.state_url(loaded), search=loaded.search),
        home / "cache",
    )
    port.rest = application(page)
    try:
        yield number
    finally:
        httpd.call(port.close()).result(30)
        httpd.call(page.close()).result(30)
        httpd.stop()


class Reader(httpx.Client):
    """Reads pages, and fills in their forms as a browser does."""

    def __init__(self, port: int, **how: Any) -> None:
        super().__init__(base_url=f"http://127.0.0.1:{port}", timeout=30, **how)

    def press(self, url: str, button: str, formaction: str | None = None, **fields: Any) -> httpx.Response:
        """Press a button of a page, once what else the form asks for is filled in."""
        html = self.get(url).text
        return self.send_form(html, button, formaction, **fields)

    def send_form(
        self, html: str, button: str, formaction: str | None = None, **fields: Any
    ) -> httpx.Response:
        """The same, on a page that is here already."""
        form = next(f for f in FORM.findall(html) if re.search(rf"<button[^>]*>{button}</button>", f))
        said = {unescape(name): unescape(value) for name, value in INPUT.findall(form)}
        own = re.search(rf'<button[^>]*formaction="([^"]*)"[^>]*>{button}</button>', form)
        action = formaction or (own or re.search(r'action="([^"]*)"', form))[1]  # type: ignore[index]
        return self.post(unescape(action), data={**said, **fields}, follow_redirects=True)


def raw(port: int, text: bytes, seconds: float = 10.0) -> bytes:
    """What a client gets that is no browser."""
    with socket.create_connection(("127.0.0.1", port), timeout=seconds) as client:
        client.sendall(text)
        received = bytearray()
        with contextlib.suppress(TimeoutError, ConnectionError):
            while part := client.recv(65536):
                received += part
        return bytes(received)
