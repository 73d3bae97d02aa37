from __future__ import annotations

import asyncio
import math
import re
import ssl
import zlib

import h11
import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from glimpsed.vision.client import _meaning
from glimpsed.words import cause, kind, lasting

CLASS = re.compile(r"\b\w*[a-z]\w*(?:Error|Exception)\b|Errno|_ssl\.c|0x[0-9a-f]{6}|bytearray")


def caused(error: Exception, by: Exception) -> Exception:
    error.__cause__ = by
    return error


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (ConnectionRefusedError(111, "Connect call failed ('127.0.0.1', 9)"), "Connection refused"),
        (
            OSError("Multiple exceptions: [Errno 111] Connect call failed ('::1', 9, 0, 0), [Errno 111] "
                    "Connect call failed ('127.0.0.1', 9)"),
            "Connection refused",
        ),
        (httpx.ConnectError("[Errno -2] Name or service not known"), "Name or service not known"),
        (FileNotFoundError(2, "No such file or directory", "ca.pem"), "No such file or directory: 'ca.pem'"),
        (ssl.SSLError(1, "[SSL: WRONG_VERSION_NUMBER] wrong version number (_ssl.c:1006)"), "wrong version number"),
        (zlib.error("Error -3 while decompressing data: incorrect header check"), "incorrect header check"),
        (h11.RemoteProtocolError("illegal status line: bytearray(b'HTP/1.1 200')"),
         "illegal status line: 'HTP/1.1 200'"),
        (RuntimeError("httpx.ReadError: ValueError: no luck"), "no luck"),
        (OSError("cannot identify image file <_io.BytesIO object at 0x7f1fdb0>"), "cannot identify image file"),
        (caused(httpx.ReadError(""), ConnectionResetError(104, "Connection reset by peer")), "Connection reset by peer"),
        (httpx.RemoteProtocolError(""), "remote protocol error"),
        (EOFError(), "eof error"),
        (ValueError("one\ntwo"), "one"),
    ],
)  # fmt: skip
def test_an_exception_speaks_without_what_only_python_knows(error: Exception, said: str) -> None:
    assert cause(error) == said


def test_causes_that_go_in_a_circle_come_to_an_end() -> None:
    one, two = ValueError(), KeyError()
    one.__cause__, two.__cause__ = two, one
    assert cause(one) == "value error"


EVERY_HTTPX = [
    made
    for made in vars(httpx).values()
    if isinstance(made, type) and issubclass(made, httpx.TransportError | httpx.DecodingError)
]


@pytest.mark.parametrize("of", [*EVERY_HTTPX, OSError, ssl.SSLError, ValueError, RuntimeError])
@pytest.mark.parametrize("text", ["", "[Errno 104] Connection reset by peer"])
def test_whatever_a_connection_ends_with_no_class_name_is_in_the_reason(
    of: type[Exception], text: str
) -> None:
    verdict = _meaning(of(text), 5.0, "")
    assert verdict is not None
    assert not CLASS.search(verdict.reason), verdict.reason
    assert not verdict.reason.endswith((": ", "("))


@given(st.text())
def test_any_text_of_an_exception_is_said_in_one_line(text: str) -> None:
    said = cause(asyncio.InvalidStateError(text))
    assert said
    assert len(said.splitlines()) == 1
    assert kind(ValueError(text)) == "value error"


@pytest.mark.parametrize(
    ("seconds", "said"),
    [
        (0.25, "0.25 s"),
        (90, "90 s"),
        (600, "10 minutes"),
        (3600, "1 hour"),
        (5400, "1 hour 30 minutes"),
        (86_400, "24 hours"),
        (2.5e11, "more than a day"),
        (math.inf, "more than a day"),
        (math.nan, "more than a day"),
    ],
)
def test_a_duration_is_said_as_people_say_it(seconds: float, said: str) -> None:
    assert lasting(seconds) == said


@given(st.floats(min_value=0))
def test_no_duration_is_told_in_powers_of_ten(seconds: float) -> None:
    assert "e+" not in lasting(seconds)
