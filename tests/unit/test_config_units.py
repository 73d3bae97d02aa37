"""Durations, sizes, addresses and URLs, as people write them."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from glimpsed.config import units


@pytest.mark.parametrize(
    ("written", "seconds"),
    [
        ("500ms", 0.5),
        ("2s", 2),
        ("5m", 300),
        ("1h", 3600),
        ("2d", 172800),
        ("1.5 s", 1.5),
        (7, 7),
        (0.25, 0.25),
        ("9", 9),
    ],
)
def test_durations(written: object, seconds: float) -> None:
    assert units.seconds(written) == pytest.approx(seconds)


@pytest.mark.parametrize(
    "written", ["", "s", "2x", "-1s", -1, True, None, "1e3s", "٢s"[1:], float("inf"), "99999999d", [2]]
)
def test_what_is_no_duration(written: object) -> None:
    with pytest.raises(ValueError):
        units.seconds(written)


@pytest.mark.parametrize(
    ("written", "size"),
    [
        ("700KB", 700_000),
        ("5MB", 5_000_000),
        ("1 KiB", 1024),
        ("0.5mb", 500_000),
        (12, 12),
        ("12", 12),
        ("3b", 3),
    ],
)
def test_sizes(written: object, size: int) -> None:
    assert units.size(written) == size


@pytest.mark.parametrize(
    ("written", "mode"),
    [
        ("auto", "auto"),
        (yaml.safe_load("0660"), 0o660),
        (yaml.safe_load("'0660'"), 0o660),
        (yaml.safe_load("0o660"), 0o660),
        ("640", 0o640),
        ("0600", 0o600),
        ("0444", 0o444),
    ],
)
def test_modes_of_files(written: object, mode: object) -> None:
    assert units.file_mode(written) == mode


@pytest.mark.parametrize(
    "written",
    [
        660,
        640,
        644,
        0,
        0o777,
        0o4660,
        0o620,
        0o060,
        -1,
        True,
        6.6,
        None,
        "",
        "rw",
        "0680",
        "0755",
        "٦٦٠",
        [0o660],
    ],
)
def test_what_is_no_mode(written: object) -> None:
    """A number without its 0 is none, either: 660 is not 0660."""
    with pytest.raises(ValueError, match="0660"):
        units.file_mode(written)


@pytest.mark.parametrize("written", ["", "MB", "5 apples", -1, False, None, float("nan")])
def test_what_is_no_size(written: object) -> None:
    with pytest.raises(ValueError):
        units.size(written)


@given(st.integers(1, 10**6), st.sampled_from(["ms", "s", "m", "h"]))
def test_a_duration_is_its_number_times_its_unit(number: int, unit: str) -> None:
    factor = {"ms": 0.001, "s": 1, "m": 60, "h": 3600}[unit]
    if number * factor <= 3650 * 86400:
        assert units.seconds(f"{number}{unit}") == pytest.approx(number * factor)


@given(st.text() | st.integers() | st.floats() | st.none() | st.booleans() | st.lists(st.text()))
def test_whatever_is_written_is_a_value_or_a_value_error(written: object) -> None:
    for function in (units.seconds, units.size, units.address, units.file_path):
        try:
            function(written)
        except ValueError as e:
            told = str(e)
        else:
            continue
        assert not isinstance(written, str) or len(written) < 4 or written not in told


@pytest.mark.parametrize(
    ("text", "parts"),
    [("127.0.0.1:9464", ("127.0.0.1", 9464)), ("[::1]:0", ("::1", 0)), ("localhost:1", ("localhost", 1))],
)
def test_addresses(text: str, parts: tuple[str, int]) -> None:
    assert units.host_port(text) == parts


@pytest.mark.parametrize("text", ["9464", ":9464", "host:", "host:65536", "::1:9464", "host:١", "h:p"])
def test_what_is_no_address(text: str) -> None:
    with pytest.raises(ValueError):
        units.host_port(text)


@pytest.mark.parametrize(
    ("written", "kept"),
    [
        ("https://a/v1", "https://a/v1"),
        ("https://a/v1/", "https://a/v1"),
        ("http://[::1]:8080", "http://[::1]:8080"),
    ],
)
def test_urls(written: str, kept: str) -> None:
    assert units.url(written) == kept


@pytest.mark.parametrize(
    "written",
    ["", "a/v1", "ftp://a", "https://", "https://a b/", "https://u:p@a/", "https://u@a/", "https://a/?k=1", "https://a/#x",
     "https://a:99999/", "https://[::1/", "https://a\n/"],
)  # fmt: skip
def test_what_is_no_url(written: str) -> None:
    with pytest.raises(ValueError):
        units.url(written)


@pytest.mark.parametrize(
    ("url", "stays"),
    [
        ("http://localhost:1/v1", True),
        ("http://api.localhost/v1", True),
        ("http://127.9.9.9/v1", True),
        ("http://[::1]:8080/v1", True),
        ("http://10.0.0.1/v1", False),
        ("http://localhost.example/v1", False),
        ("http://127.0.0.1.example/v1", False),
    ],
)
def test_loopback_is_what_stays_on_this_machine(url: str, stays: bool) -> None:
    assert units.loopback(url) is stays


def test_a_tilde_is_home(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/anna")
    assert units.file_path("~/scans") == Path("/home/anna/scans")
