"""What strangers and clumsy people ask of the live page: never an error of ours, never anything beyond the folders."""

from __future__ import annotations

import csv
import io
import re
import shutil
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from glimpsed.model import Doubt, DoubtfulField, Review
from glimpsed.web.sessions import FREE_ATTEMPTS, Attempts
from history import CONFIG, History
from webpage import FORM, Reader, history, raw, served

NOW = time.time()
SCRIPT = '"><script>alert(1)</script>'
VIEWS = ("/", "/files", "/files/1", "/files/2", "/review", "/failures", "/workbench", "/login")


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("attacks")


@pytest.fixture(scope="module")
def told(home: Path) -> Iterator[History]:
    made = history(home)
    doubt = Doubt(by=SCRIPT, agreement=0.5, fields=(DoubtfulField(path=SCRIPT, value=SCRIPT, other=SCRIPT),))
    made.done(
        "invoices",
        "=cmd<b>\udcff 发票.png",
        ("=1+1",),
        NOW,
        data={SCRIPT: SCRIPT, "@sum": "=HYPERLINK(1)"},
        told={
            "doubt": doubt,
            "review": Review(at=SCRIPT, by=SCRIPT, changed=(SCRIPT,)),
            "request_id": SCRIPT,
            "finish": SCRIPT,
        },
    )
    made.failed("archive", "b.png", SCRIPT, NOW)
    yield made
    made.ledger.close()


@pytest.fixture(scope="module")
def port(told: History, home: Path) -> Iterator[int]:
    with served(told.config, home) as found:
        yield found


@pytest.mark.parametrize(
    "path", ["/static/", "/files/", "/files/1/pages/", "/files/1/answers/", "/actions/", "/"]
)
@pytest.mark.parametrize(
    "rest",
    [
        "%00", "..%2f..%2fetc%2fpasswd", "%2e%2e/%2e%2e/etc/passwd", "..%5c..%5capp.py", "%2fetc%2fpasswd", "page.css%00.js",
        "9" * 5000, "-1", "1%0d%0aX-Evil:%201", "%ff%fe", "%F0%9F%98%80", "1/", "//evil.example/", "1;x=y", "%252e%252e%252f",
    ],
)  # fmt: skip
def test_no_path_leads_out_or_to_an_error_of_ours(port: int, path: str, rest: str) -> None:
    got = raw(port, f"GET {path}{rest} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n".encode())
    status, _, head = got.partition(b"\r\n\r\n")[0].partition(b"\r\n")
    assert re.match(rb"HTTP/1.1 (200|303|307|404|405) ", status), got[:300]
    assert b"root:" not in got
    assert not re.search(rb"(?mi)^x-evil:", head)


odd = st.text(st.characters(codec="utf-8"), max_size=60) | st.sampled_from(
    ["\0", "9" * 400, "1e999", "nan", "-", "1e17-99", "9e17-9999999999999999999", "9999-12-31", "0001-01-01", "x" * 5000, "%", "'\"", "*", '"*" *']
)  # fmt: skip


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.sampled_from(["/files", "/review", "/workbench", "/login", "/files/1", "/files/1/pages/1"]),
    st.dictionaries(
        st.sampled_from(["q", "name", "folder", "state", "since", "until", "after", "file", "next", "size"]),
        odd,
    ),
)
def test_no_query_is_an_error_of_ours(port: int, path: str, asked: dict[str, str]) -> None:
    with Reader(port) as reader:
        assert reader.get(path, params=asked).status_code in {200, 303, 400, 404, 413}


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.sampled_from(
        ["/files/1/save", "/files/1/confirm", "/files/2/save", "/files/1/another", "/files/1/answers/own/take",
         "/files/1/answers/0/throw-away", "/workbench", "/actions/retry", "/actions/redo", "/actions/rewrite", "/actions/export",
         "/actions/approve", "/actions/resume"]
    ),
    st.dictionaries(
        st.sampled_from(["file", "folder", "model", "reason", "page", "back", "seen", "data.@sum", "text", "schema", "reviewed"])
        | st.just("agreed\0"),
        odd,
    ),
)  # fmt: skip
def test_no_form_is_an_error_of_ours_or_changes_what_it_does_not_name(
    port: int, told: History, path: str, form: dict[str, str]
) -> None:
    with Reader(port) as reader:
        token = re.search(r'name="token" value="(\w+)"', reader.get("/files/1").text)
        assert token is not None
        got = reader.post(path, data={**form, "token": token[1]})
        assert got.status_code in {200, 303, 400, 404, 405, 409, 413, 422}, got.text
        assert got.headers.get("location", "/").startswith("/")
        assert not got.headers.get("location", "/").startswith("//")
    row = told.ledger.numbered(1)
    assert row is not None
    assert row.state == "done"


def test_what_others_wrote_is_text_everywhere(port: int) -> None:
    with Reader(port) as reader:
        for view in (
            *VIEWS,
            "/files?q=hyperlink",
            f"/files?q={quote(SCRIPT)}",
            f"/files?name={quote(SCRIPT)}&folder={quote(SCRIPT)}",
        ):
            page = reader.get(view).text
            assert "<script>alert" not in page, view
            assert "<b>" not in page, view
            assert "\udcff" not in page
        export = next(form for form in FORM.findall(reader.get("/files").text) if "Export" in form)
        got = reader.send_form(export, "Export", file="1")
        assert got.headers["content-disposition"] == 'attachment; filename="answers.csv"'
        cells = [cell for row in csv.reader(io.StringIO(got.text)) for cell in row]
        assert any("1+1" in cell for cell in cells)
        assert not [cell for cell in cells if cell[:1] in tuple("=+-@\t\r")]


def test_what_another_site_asks_for_is_not_made(port: int) -> None:
    with Reader(port) as reader:
        for url in ("/files/1/pages/1", "/live", "/files?q=x", "/workbench?file=1"):
            for mode in ("no-cors", "cors"):
                headers = {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": mode}
                assert reader.get(url, headers=headers).status_code == 403, url
        link = {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate"}
        assert reader.get("/files/1", headers=link).status_code == 200
        ours = {"Sec-Fetch-Site": "same-origin", "Sec-Fetch-Mode": "cors"}
        assert reader.get("/files?q=x", headers=ours).status_code == 200


def test_an_ipv4_address_is_one_also_where_the_socket_is_of_both() -> None:
    attempts = Attempts()
    for _ in range(FREE_ATTEMPTS + 2):
        attempts.failed("::ffff:192.0.2.1", 0.0)
    assert attempts.wait("::ffff:192.0.2.1", 0.0) == attempts.wait("192.0.2.1", 0.0) > 0
    assert attempts.wait("::ffff:192.0.2.2", 0.0) == 0


def test_a_users_name_is_read_as_proxies_write_it(told: History, home: Path) -> None:
    how = {"user_header": "X-User", "trusted_proxies": ("127.0.0.0/8",)}
    with served(told.config, home, **how) as port, Reader(port) as reader:
        for name in ("Jürgen 王".encode(), "Jürgen".encode("latin-1")):
            page = reader.get("/", headers={b"X-User": name}).text  # type: ignore[dict-item]
            assert "Jürgen" in page


def test_files_folders_and_the_config_may_go_while_somebody_looks(tmp_path: Path) -> None:
    made = history(tmp_path, CONFIG)
    made.done("invoices", "a.png", ("Some oak",), NOW)
    made.done("invoices", "b.png", ("Some pine",), NOW)
    with served(made.config, tmp_path) as port, Reader(port) as reader:
        here = reader.get("/files/1").text
        (tmp_path / "invoices" / "a.png").unlink()
        gone = reader.send_form(here, "Save", text="Some elm")
        assert gone.status_code in {409, 422, 503}
        assert "Some elm</textarea>" in gone.text  # what was typed is not lost
        there = reader.get("/files/2").text
        made.image("invoices", "b.png")
        changed = reader.send_form(there, "Save", text="Some elm")
        assert changed.status_code in {409, 422, 503}
        assert (tmp_path / "invoices" / "b.png.txt").read_text() == "Some pine\n"
        shutil.rmtree(tmp_path / "invoices")
        for url in (
            "/",
            "/files",
            "/files?q=pine",
            "/files/2",
            "/files/2/another",
            "/files/2/pages/1",
            "/failures",
            "/review",
        ):
            assert reader.get(url).status_code in {200, 404, 503}, url
        for button in ("Redo", "Rewrite", "Workbench", "Confirm"):
            got = reader.send_form(reader.get("/files/2").text, button)
            assert got.status_code in {200, 409, 422, 503}, button
    without = made.config.model_copy(update={"folders": {"archive": made.config.folders["archive"]}})
    with served(without, tmp_path) as port, Reader(port) as reader:
        for url in (
            "/",
            "/files",
            "/files?q=pine",
            "/files?folder=invoices",
            "/files/2",
            "/failures",
            "/review",
            "/workbench",
        ):
            assert reader.get(url).status_code == 200, url
        for url in ("/files/2/pages/1", "/files/2/pages/1/lines", "/files/2/answers/own"):
            assert reader.get(url).status_code == 404, url
        assert reader.get("/workbench?file=2").status_code == 400
        token = re.search(r'name="token" value="(\w+)"', reader.get("/files/2").text)
        assert token is not None
        for path in ("save", "confirm", "another"):
            assert reader.post(f"/files/2/{path}", data={"token": token[1]}).status_code in {409, 422}, path
    made.ledger.close()
