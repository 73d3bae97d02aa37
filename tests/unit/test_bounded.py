"""Somebody else's JSON: what is too much of it is refused before it takes memory; all else is as `json` has it."""

from __future__ import annotations

import json
import time
import tracemalloc
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from glimpsed import bounded

LARGEST = 16 << 20
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda i: st.lists(i) | st.dictionaries(st.text(), i),
)


def loads(data: bytes | str) -> Any:
    return bounded.loads(data, largest=LARGEST)


@given(JSON, st.booleans(), st.sampled_from([None, 1]))
def test_ordinary_json_is_read_as_ever(value: Any, ascii_only: bool, indent: int | None) -> None:
    text = json.dumps(value, ensure_ascii=ascii_only, indent=indent)
    assert loads(text) == value
    assert loads(text.encode("utf-8", "surrogatepass")) == value


@settings(max_examples=200, derandomize=True)
@given(st.text(alphabet='[]{},:"\\a1 \n', max_size=400), st.integers(0, 20))
def test_no_more_values_and_no_deeper_than_allowed(text: str, most: int) -> None:
    try:
        value = bounded.loads(text, largest=LARGEST, values=most, depth=5)
    except ValueError:
        return
    assert _count(value) <= most + 1
    assert _depth(value) <= 5


def _count(value: Any) -> int:
    parts = list(value.values()) if isinstance(value, dict) else value if isinstance(value, list) else []
    return 1 + sum(map(_count, parts))


def _depth(value: Any) -> int:
    parts = list(value.values()) if isinstance(value, dict) else value if isinstance(value, list) else None
    return 0 if parts is None else 1 + max(map(_depth, parts), default=0)


@given(JSON, st.booleans())
def test_what_a_server_sent_is_read_as_ever(value: Any, ascii_only: bool) -> None:
    text = json.dumps(value, ensure_ascii=ascii_only).encode("utf-8", "surrogatepass")
    assert bounded.received(text, largest=LARGEST) == value


def test_a_few_broken_characters_are_replaced_and_another_encoding_is_none() -> None:
    assert bounded.received(b'["Rechnung \xe4\xb8 1"]', largest=LARGEST) == ["Rechnung \ufffd 1"]
    for text, encoding in (("发票编号", "gbk"), ("发票编号", "utf-16"), ("Größe über Maß", "latin-1")):
        body = json.dumps([text], ensure_ascii=False).encode(encoding)
        with pytest.raises(ValueError, match="is not UTF-8"):
            bounded.received(body, largest=LARGEST)


MUCH = LARGEST // 8
HOSTILE = {
    "lists": b"[" + b"[]," * MUCH + b"[]]",
    "objects": b"[" + b'{"a":{}},' * (MUCH // 3) + b"0]",
    "keys": b"{" + b",".join(b'"%d":0' % n for n in range(300_000)) + b"}",
    "numbers": b"[" + b"1," * MUCH + b"1]",
    "texts": b"[" + b'"a",' * MUCH + b'"a"]',
    "escapes": b'["' + b'\\"' * MUCH + b'", ' + b"[]," * MUCH + b"[]]",
    "quotes": b'"' * MUCH,
    "deep": b"[" * MUCH,
    "deep, closed": b"[" * 200 + b"]" * 200,
    "closed": b"]" * MUCH,
    "huge number": b"[" + b"9" * MUCH + b"]",
    "UTF-16": ("[" + "[]," * 300_000 + "[]]").encode("utf-16"),
    "UTF-32": ("[" + "[]," * 300_000 + "[]]").encode("utf-32-be"),
    "larger": b" " * (LARGEST + 1),
    "no end": b'{"glimpsed": 1, "source": {"name": "' + b"a" * MUCH,
}


@pytest.mark.parametrize("name", HOSTILE)
def test_what_is_too_much_takes_neither_memory_nor_time(name: str) -> None:
    data = HOSTILE[name]
    started = time.process_time()
    tracemalloc.start()
    try:
        with pytest.raises(ValueError):
            loads(data)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 4 * LARGEST
    assert time.process_time() - started < 5.0  # traced, on a busy machine; 0.3 s as it is
