"""Attacks on the live page, each over real HTTP on loopback: who gets in, and what strangers can do to it."""

from __future__ import annotations

import contextlib
import re
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from daemon import wait_until
from glimpsed import config
from glimpsed.errors import ConfigError
from glimpsed.httpd import CLIENTS, protocol
from glimpsed.web.login import local
from glimpsed.web.sessions import FREE_ATTEMPTS, MOST_SESSIONS, MOST_WRONG, SESSION, Attempts, Sessions
from history import History
from webpage import INPUT, Reader, history, raw, served

PASSWORD = "correct horse ☃"


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("guard")


@pytest.fixture(scope="module")
def told(home: Path) -> Iterator[History]:
    made = history(home)
    made.done("invoices", "a.png", ("Secret text",))
    made.failed("archive", "b.png")
    yield made
    made.ledger.close()


@pytest.fixture
def locked(told: History, home: Path) -> Iterator[int]:
    with served(told.config, home, PASSWORD, base_path="/scans") as port:
        yield port


@pytest.fixture(scope="module")
def port(told: History, home: Path) -> Iterator[int]:
    with served(told.config, home, hosts=("scans.example",)) as found:
        yield found


def log_in(reader: Reader, password: str = PASSWORD, after: str = "/", base: str = "") -> int:
    form = reader.get(f"{base}/login?next={after}").text
    fields = dict(INPUT.findall(form))
    return reader.post(f"{base}/login", data={**fields, "password": password}).status_code


def test_without_the_password_nothing_is_shown_and_nothing_done(locked: int, told: History) -> None:
    with Reader(locked) as reader:
        for url in ("/", "/files?q=secret", "/files/1", "/files/1/pages/1", "/failures", "/nothing"):
            got = reader.get(url)
            assert got.status_code == 303, url
            assert got.headers["location"].startswith("/scans/login?next=")
            assert "Secret" not in got.text
        assert reader.get("/live").status_code == 401
        assert reader.post("/actions/retry", data={"file": "2"}).status_code == 401
        assert "Password" in reader.get("/login").text
        assert reader.get("/static/page.css").status_code == 200
    assert told.ledger.counts(["archive"])["archive"]["failed"] == 1


def test_the_password_lets_in_until_one_leaves(locked: int) -> None:
    with Reader(locked) as reader:
        assert log_in(reader, "wrong", base="/scans") == 401
        assert log_in(reader, base="/scans") == 303
        assert reader.get("/scans/").status_code == 200
        assert 'href="/scans/files"' in reader.get("/scans/").text
        session = next(iter(reader.cookies.jar))
        assert session.has_nonstandard_attr("HttpOnly")
        assert session.get_nonstandard_attr("SameSite") == "Lax"
        left = reader.press("/scans/", "Log out")
        assert "Password" in left.text
        reader.cookies.set(session.name, session.value or "")
        assert reader.get("/scans/").status_code == 303


def test_the_session_is_another_one_after_the_login(locked: int) -> None:
    with Reader(locked) as reader:
        reader.get("/scans/login")
        before = dict(reader.cookies)
        assert log_in(reader, base="/scans") == 303
        assert dict(reader.cookies) != before


def test_wrong_passwords_are_slowed_without_ending_anybodys_session(locked: int) -> None:
    with Reader(locked) as inside, Reader(locked) as guessing:
        assert log_in(inside, base="/scans") == 303
        codes = [log_in(guessing, f"guess {number}", base="/scans") for number in range(FREE_ATTEMPTS + 3)]
        assert codes[:FREE_ATTEMPTS] == [401] * FREE_ATTEMPTS
        assert codes[FREE_ATTEMPTS:] == [429] * 3
        assert log_in(guessing, base="/scans") == 429  # the right one, too: or guessing would go on
        assert inside.get("/scans/").status_code == 200


def test_an_address_is_what_a_trusted_proxy_says_and_nobody_else(told: History, home: Path) -> None:
    with served(told.config, home, PASSWORD) as port, Reader(port) as reader:
        for number in range(FREE_ATTEMPTS):
            reader.headers["X-Forwarded-For"] = f"10.0.0.{number}"
            log_in(reader, "wrong")
        assert log_in(reader, "wrong") == 429
    with (
        served(told.config, home, PASSWORD, trusted_proxies=("127.0.0.0/8",)) as port,
        Reader(port) as reader,
    ):
        for number in range(FREE_ATTEMPTS + 1):
            reader.headers["X-Forwarded-For"] = f"6.6.6.6, 10.0.0.{number}"
            assert log_in(reader, "wrong") == 401


def test_a_proxys_user_is_let_in_and_shown_where_the_proxy_is_trusted(told: History, home: Path) -> None:
    how = {"trusted_proxies": ("127.0.0.1",), "user_header": "X-Remote-User"}
    with served(told.config, home, **how) as port, Reader(port) as reader:
        assert reader.get("/").status_code == 403
        page = reader.get("/", headers={"X-Remote-User": "ann <b>"})
        assert page.status_code == 200
        assert "ann &lt;b&gt;" in page.text
    how["trusted_proxies"] = ("10.9.9.9",)
    with served(told.config, home, PASSWORD, **how) as port, Reader(port) as reader:
        assert reader.get("/", headers={"X-Remote-User": "ann"}).status_code == 303


@pytest.mark.parametrize(
    "host",
    [
        "evil.example",
        "evil.example:80",
        "127.0.0.1.evil.example",
        "",
        "[::",
        "a b",
        "evil.example:80@127.0.0.1",
        "@localhost",
        "127.0.0.1:80:90",
        "127.0.0.1:80evil.example",
    ],
)
def test_another_hosts_name_is_refused_so_that_no_name_server_leads_here(port: int, host: str) -> None:
    reply = raw(port, f"GET / HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n".encode())
    assert b" 403 " in reply.splitlines()[0] or b" 400 " in reply.splitlines()[0]
    assert b"invoices" not in reply


@pytest.mark.parametrize(
    "host", ["localhost", "127.0.0.1:1", "[::1]:9465", "scans.example", "SCANS.example:8443"]
)
def test_our_own_names_are_answered(port: int, host: str) -> None:
    reply = raw(port, f"GET / HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n".encode())
    assert b" 200 " in reply.splitlines()[0]


def test_a_form_needs_our_token_and_our_origin(port: int, told: History) -> None:
    with Reader(port) as reader, Reader(port) as other:
        token = dict(INPUT.findall(reader.get("/files").text))["token"]
        theirs = dict(INPUT.findall(other.get("/files").text))["token"]
        form = {"token": token, "file": "2"}

        def code(form: dict[str, str], **headers: str) -> int:
            return reader.post("/actions/retry", data=form, headers=headers).status_code

        assert code({"file": "2"}) == 403
        assert code({**form, "token": theirs}) == 403
        assert code(form, Origin="http://evil.example") == 403
        assert code(form, Origin="null") == 403
        assert code(form, Origin=f"http://127.0.0.1:{port + 1}") == 403
        assert code(form, **{"Sec-Fetch-Site": "cross-site"}) == 403
        assert reader.get("/actions/retry", params=form).status_code == 405
        assert reader.put("/actions/retry", data=form).status_code == 405
        assert reader.post("/actions/retry", json=form).status_code == 415
        assert told.ledger.counts(["archive"])["archive"]["failed"] == 1
        assert code(form, Origin=f"http://127.0.0.1:{port}") == 303
        assert told.ledger.counts(["archive"])["archive"]["failed"] == 0


@pytest.mark.parametrize("origin", ["http://[", "http://[::1", "http://[v1.x]", "//", "null", "\xff"])
def test_an_origin_that_is_none_is_another_site(port: int, origin: str) -> None:
    form = b"token=x"
    head = f"POST /files/1/save HTTP/1.1\r\nHost: localhost\r\nOrigin: {origin}\r\nConnection: close\r\n"
    kind = f"Content-Type: application/x-www-form-urlencoded\r\nContent-Length: {len(form)}\r\n\r\n"
    assert raw(port, (head + kind).encode("latin-1") + form).startswith(b"HTTP/1.1 403 ")


@pytest.mark.parametrize(
    "other", ['x={"a": "b, c"}', "x=a b", "expires=never", 'x="\\', "=;;", "x=\xe4", "a@b=1"]
)
def test_a_session_goes_on_whatever_cookies_other_programs_of_the_host_have_set(
    locked: int, other: str
) -> None:
    with Reader(locked) as reader:
        reader.press("/login", "Log in", password=PASSWORD)
        ((name, value),) = reader.cookies.items()
    ask = f"GET /files HTTP/1.1\r\nHost: localhost\r\nCookie: {other}; {name}={value}\r\nConnection: close\r\n\r\n"
    assert raw(locked, ask.encode("latin-1")).startswith(b"HTTP/1.1 200 ")


def test_no_action_leads_to_another_site(port: int) -> None:
    with Reader(port) as reader:
        token = dict(INPUT.findall(reader.get("/files").text))["token"]
        for back in ("//evil.example", "https://evil.example", "/\\evil.example", "javascript:alert(1)"):
            got = reader.post("/actions/approve", data={"token": token, "folder": "x", "back": back})
            assert got.headers["location"] == "/"
    assert local("/files?q=a") == "/files?q=a"
    assert local("/a\nb") == "/"


def test_a_slash_at_the_end_changes_nothing_and_leads_past_no_proxy(told: History, home: Path) -> None:
    with served(told.config, home, base_path="/scans") as found, Reader(found) as reader:
        for path in ("", "/files", "/files/1", "/review", "/static/page.css"):
            for under in ("/scans", ""):  # a proxy takes its path off, or leaves it
                got = reader.get(f"{under}{path}/")
                assert (got.status_code, got.headers.get("location")) == (200, None), got.url
        assert 'name="back" value="/files"' in reader.get("/scans/files/").text


def test_every_reply_tells_the_browser_to_trust_nothing_else(port: int) -> None:
    with Reader(port) as reader:
        for url in ("/", "/files", "/nothing", "/static/page.js", "/files/1/pages/1"):
            headers = reader.get(url).headers
            assert "default-src 'none'" in headers["content-security-policy"]
            assert "unsafe" not in headers["content-security-policy"]
            assert headers["x-content-type-options"] == "nosniff"
            assert "server" not in headers
        for url in ("/", "/files", "/failures", "/files/1"):
            page = reader.get(url)
            assert page.headers["cache-control"] == "no-store"
            assert not re.search(r"\son\w+=|<style|style=|<script>|https?://", page.text)


def test_huge_headers_and_huge_forms_are_refused(port: int) -> None:
    assert b" 400 " in raw(port, b"GET / HTTP/1.1\r\nHost: localhost\r\nX: " + b"a" * 200_000).splitlines()[0]
    with Reader(port) as reader:
        token = dict(INPUT.findall(reader.get("/files").text))["token"]
        with contextlib.suppress(Exception):  # the server may end it before all of it is sent
            assert (
                reader.post("/actions/retry", data={"token": token, "x": "y" * 2_000_000}).status_code == 413
            )
        assert reader.get("/").status_code == 200
    many = "&".join(f"a{n}=" for n in range(50_000)).encode()
    head = b"POST /actions/retry HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/x-www-form-urlencoded\r\n"
    reply = raw(port, head + b"Connection: close\r\nContent-Length: %d\r\n\r\n" % len(many) + many)
    assert b" 400 " in reply.splitlines()[0]


def test_who_is_not_in_yet_sends_no_more_than_a_password(locked: int) -> None:
    with Reader(locked) as reader:
        form = dict(INPUT.findall(reader.get("/scans/login").text))
        head = (
            f"POST /scans/login HTTP/1.1\r\nHost: localhost\r\nCookie: {next(iter(reader.cookies))}=x\r\n"
            "Content-Type: application/x-www-form-urlencoded\r\nContent-Length: 900000\r\n\r\n"
        )
        # Of what is promised, this is enough.
        assert b" 413 " in raw(locked, head.encode() + b"password=" + b"x" * 200_000).splitlines()[0]
        assert reader.post("/scans/login", data={**form, "password": "é" * 1000}).status_code == 401
        assert log_in(reader, base="/scans") == 303
        token = dict(INPUT.findall(reader.get("/scans/files").text))["token"]
        large = {"token": token, "x": "y" * 500_000}
        assert reader.post("/scans/actions/retry", data=large).status_code == 400  # no file is chosen


def test_a_client_that_says_nothing_is_let_go_and_many_of_them_keep_nobody_out(
    told: History, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(protocol, "REQUEST_SECONDS", 1.0)
    with served(told.config, home) as port, contextlib.ExitStack() as stack:
        slow = [
            stack.enter_context(socket.create_connection(("127.0.0.1", port))) for _ in range(CLIENTS + 40)
        ]
        slow[-1].sendall(b"GET / HTTP/1.1\r\nHost: loc")
        with Reader(port) as reader:
            assert reader.get("/failures").status_code == 200
        slow[-1].settimeout(20)
        assert slow[-1].recv(1) == b""


def served_still(port: int, client: socket.socket) -> bool:
    """Whether a descriptor of the server holds this connection: the kernel has one without for as long as it likes."""
    theirs = f":{client.getsockname()[1]:04X}"
    rows = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    return any(row[1].endswith(f":{port:04X}") and row[2].endswith(theirs) and row[9] != "0" for row in rows)


def test_a_client_that_takes_nothing_is_let_go(
    told: History, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(protocol, "REPLY_SECONDS", 1.0)
    monkeypatch.setattr(protocol, "REQUEST_SECONDS", 1.0)
    with served(told.config, home) as port:
        with socket.socket() as client:
            client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            client.connect(("127.0.0.1", port))
            client.sendall(b"GET /static/page.css HTTP/1.1\r\nHost: localhost\r\n\r\n" * 300)
            wait_until(lambda: served_still(port, client), "the server does not take it", 20)
            wait_until(lambda: not served_still(port, client), "the server holds on to it", 20)
        with Reader(port) as reader:
            assert reader.get("/").status_code == 200


def test_sessions_end_and_are_bounded() -> None:
    sessions = Sessions()
    cookie = sessions.begin(0.0)
    assert sessions.alive(cookie, SESSION - 1)
    assert not sessions.alive(cookie, SESSION + 1)
    for number in range(MOST_SESSIONS):
        sessions.begin(float(number))
    assert not sessions.alive(cookie, 1.0)
    assert not sessions.is_token("", sessions.token(""))


def test_attempts_wait_longer_each_time_and_by_network_for_ipv6() -> None:
    attempts = Attempts()
    waits = []
    for number in range(12):
        attempts.failed(f"2001:db8::{number:x}", 0.0)
        waits.append(attempts.wait("2001:db8::ffff", 0.0))
    assert waits[: FREE_ATTEMPTS - 1] == [0.0] * (FREE_ATTEMPTS - 1)
    assert waits[FREE_ATTEMPTS - 1 :] == sorted(waits[FREE_ATTEMPTS - 1 :])
    assert waits[-1] == 300.0
    assert attempts.wait("2001:db8:0:1::1", 0.0) == 0.0
    attempts.succeeded("2001:db8::1")
    assert attempts.wait("2001:db8::1", 0.0) == 0.0


def test_many_addresses_together_are_slowed_to_one_attempt_a_second() -> None:
    attempts = Attempts()
    tried, now = 0, 1000.0
    for at in range(4000):  # ten a second, each from an address of its own
        now = 1000.0 + at / 10
        if not attempts.wait(f"2001:db8:{at:x}::1", now):
            attempts.failed(f"2001:db8:{at:x}::1", now)
            tried += 1
    assert 400 <= tried <= MOST_WRONG + 402
    assert attempts.wait("192.0.2.1", now) <= 2  # nobody else is kept out for long
    assert attempts.wait("192.0.2.1", now + MOST_WRONG) == 0
    for _ in range(1000):  # the right one never counts
        attempts.failed("192.0.2.1", 5000.0)
        attempts.succeeded("192.0.2.1")
    assert attempts.wait("192.0.2.2", 5000.0) == 0


def test_beyond_loopback_the_page_needs_a_password(tmp_path: Path) -> None:
    def problems(web: str, **env: str) -> str:
        file = tmp_path / "c.yaml"
        file.write_text(f"folders: {{in: {{path: {tmp_path}}}}}\nweb: {web}\n")
        try:
            config.load(file, env=env)
        except ConfigError as e:
            return str(e)
        return ""

    assert "web.listen: is reached from other machines, and has no password" in problems("0.0.0.0:9465")
    assert "no password" in problems("{listen: '[::]:9465'}")
    assert "no password" in problems("{listen: 'scans.example:9465', trusted_proxies: [10.0.0.1]}")
    assert problems("127.0.0.1:9465") == problems("'[::1]:9465'") == problems("localhost:9465") == ""
    assert problems("{listen: 0.0.0.0:9465, password_env: PAGE}", PAGE="s3cret") == ""
    assert "PAGE is not set" in problems("{listen: 0.0.0.0:9465, password_env: PAGE}")
    assert problems("{listen: 0.0.0.0:9465, trusted_proxies: [10.0.0.1], user_header: X-User}") == ""
    assert "needs trusted_proxies" in problems("{user_header: X-User}")
    assert "second source" in problems("{password_env: A, password_file: b}", A="abc")
    assert "must be a path like /glimpsed" in problems("{base_path: 'https://x/'}")


def test_what_a_translation_is_given_is_text(told: History, home: Path) -> None:
    """A value in a translated sentence is escaped, and what comes from files is never taken for a template's own."""
    hostile = '<img src=x onerror="alert(1)"> %(x)s %s {0}'
    with served(told.config, home) as port, Reader(port, headers={"Accept-Language": "zh"}) as reader:
        page = reader.get("/files", params={"q": hostile}).text
        assert "<img src=x" not in page
        assert (
            reader.get("/files", params={"q": hostile, "folder": hostile, "state": hostile}).status_code
            == 200
        )
