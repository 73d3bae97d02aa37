"""Sessions beyond the page's process: what counts of a file of another one, and what is in it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from glimpsed.clock import elapsed
from glimpsed.web import remembered as module
from glimpsed.web.remembered import remembered


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "cache" / "page-9465.json"


def test_who_is_in_stays_in_and_who_left_is_out(path: Path) -> None:
    first = remembered(path, "correct horse")
    stays, leaves = (first.sessions.begin(elapsed()) for _ in range(2))
    first.keep()
    token = first.sessions.token(stays)
    second = remembered(path, "correct horse")
    assert second.sessions.alive(stays, elapsed())
    assert second.sessions.alive(leaves, elapsed())
    assert second.sessions.is_token(stays, token)
    assert second.password is not None
    assert (second.password.is_("correct horse"), second.password.is_("wrong")) == (True, False)
    second.sessions.end(leaves)
    second.keep()
    third = remembered(path, "correct horse")
    assert not third.sessions.alive(leaves, elapsed())
    assert third.sessions.alive(stays, elapsed())


def test_another_password_and_another_start_of_the_machine_end_all_sessions(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = remembered(path, "correct horse")
    cookie = first.sessions.begin(elapsed())
    first.keep()
    before = path.read_bytes()
    assert not remembered(path, "another").sessions.alive(cookie, elapsed())
    assert not remembered(path, "correct horse").sessions.alive(cookie, elapsed())  # and for good
    for password in (None, "correct horse"):
        path.write_bytes(before)
        monkeypatch.setattr(module, "this_boot", lambda: "another")
        found = remembered(path, password)
        assert not found.sessions.alive(cookie, elapsed())
        assert found.sessions.is_token(
            cookie, first.sessions.token(cookie)
        )  # a form that is open can be sent


def test_the_file_is_for_us_alone_and_lets_nobody_in(path: Path) -> None:
    found = remembered(path, "correct horse")
    cookie = found.sessions.begin(elapsed())
    path.with_suffix(".new").write_text("left by one that was killed")
    found.keep()
    assert path.stat().st_mode & 0o777 == 0o600
    assert path.parent.stat().st_mode & 0o777 == 0o700
    assert not any(word in path.read_text() for word in (cookie, "correct", "horse"))
    assert [each.name for each in path.parent.iterdir()] == [path.name]


def test_where_the_disk_takes_nothing_sessions_are_as_ever() -> None:
    found = remembered(Path("/proc/nothing/page.json"), "correct horse")
    cookie = found.sessions.begin(elapsed())
    found.keep()
    assert found.sessions.alive(cookie, elapsed())


VALUES = st.one_of(
    st.none(), st.text(max_size=70), st.integers(), st.dictionaries(st.text(max_size=5), st.text())
)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.one_of(
        st.binary(max_size=50),
        st.fixed_dictionaries(
            {}, optional={"boot": VALUES, "secret": VALUES, "password": VALUES, "ends": VALUES}
        ).map(lambda said: json.dumps(said).encode()),
    )
)
def test_whatever_the_file_has_the_page_comes_up_with_nobody_in(path: Path, data: bytes) -> None:
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(data)
    found = remembered(path, None)
    assert len(found.sessions.secret) == 32
    assert found.sessions.going_on(0.0) == {}
    assert json.loads(path.read_bytes())["secret"] == found.sessions.secret.hex()
