"""Sidecars that somebody planted: too large or too intricate ones are not ours, and cost neither memory nor time."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from glimpsed import sidecar
from glimpsed.errors import FileError, ForeignSidecar
from glimpsed.sidecar.render import LARGEST, LARGEST_ERROR
from sidecar_samples import Inbox, inbox

OURS = b'{"glimpsed": 1, "source": {"name": "scan.jpg"}, "text": "'
PEAK = """
import resource, sys
from pathlib import Path
from glimpsed import sidecar
sys.path.insert(0, sys.argv[1])
from sidecar_samples import Inbox
from glimpsed.config.schema import Folder
path = Path(sys.argv[2])
box = Inbox(path, Folder(name="inbox", path=path), "a/scan.jpg")
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
print(box.found().verdict)
sidecar.load(box.root, box.file, box.folder)
try:
    box.check()
except Exception as e:
    print(e)
else:
    print()
sidecar.remove_error(box.root, box.file)
print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) // 1024)
"""


def plant(box: Inbox, data: bytes, name: str = "scan.jpg.json") -> Path:
    path = box.beside(name)
    path.write_bytes(data)
    return path


@pytest.mark.parametrize(
    ("planted", "verdict", "most"),  # made by the test that wants it: each is tens of megabytes
    [
        (lambda: b"[" + b"[]," * (67_000_000 // 3) + b"[]]", "foreign", 20),  # 1.84 GB before
        (lambda: OURS + b"a" * 67_000_000 + b'"}', "foreign", 20),
        (lambda: OURS[:-1] + b"[" + b"[]," * (LARGEST // 3 - 100) + b"[]]}", "foreign", 120),
        (lambda: OURS[:-1] + b"[" * 1_000_000, "foreign", 60),
        # 4 bytes a character
        (lambda: OURS + b"a" * (LARGEST - 200) + b'", "b": "\xf0\x9f\x98\x80"}', "outdated", 250),
    ],
    ids=["67 MB of lists", "67 MB of ours", "16 MB of lists", "deep", "16 MB of text"],
)
def test_planted_json_takes_little_memory(
    tmp_path: Path, planted: Callable[[], bytes], verdict: str, most: int
) -> None:
    box = inbox(tmp_path)
    box.write()
    data = planted()
    plant(box, data)
    plant(box, data, "scan.jpg.error.txt")
    found = subprocess.run(
        [sys.executable, "-c", PEAK, str(Path(__file__).parent.parent), str(tmp_path)],
        capture_output=True,
        text=True,
        check=True,
    ).stdout.splitlines()
    assert found[0] == verdict
    assert found[1].startswith("scan.jpg.json already exists and was not written") == (verdict == "foreign")
    assert int(found[2]) < most  # MB
    assert box.beside("scan.jpg.error.txt").exists()


def test_too_large_is_named_as_the_reason_before_anything_is_sent(tmp_path: Path) -> None:
    box = inbox(tmp_path)
    path = plant(box, b"")
    os.truncate(path, LARGEST + 1)
    with pytest.raises(ForeignSidecar) as e:
        box.check()
    assert e.value.reason == (
        "scan.jpg.json already exists and was not written by glimpsed: it is larger than 16 MB."
    )


def test_one_of_ours_that_somebody_blew_up_is_kept_and_replaced(tmp_path: Path) -> None:
    box = inbox(tmp_path)
    written = box.write()
    os.truncate(box.beside("scan.jpg.txt"), 100 * LARGEST)
    box.write(box.answer("new"), written)
    assert box.beside("scan.jpg.txt").read_text() == "new\n"
    assert box.beside("scan.jpg.txt~").stat().st_size == 100 * LARGEST


@pytest.mark.parametrize(
    "changed",
    [
        {"text": "x" * (LARGEST + 1)},
        {"data": [[] for _ in range(100_001)]},
        {"data": json.loads("[" * 120 + "]" * 120)},
    ],
    ids=["bytes", "values", "levels"],
)
def test_no_sidecar_is_written_that_would_not_be_believed(tmp_path: Path, changed: dict[str, Any]) -> None:
    box = inbox(tmp_path)
    with pytest.raises(
        FileError,
        match=r"The answer is too large: its json sidecar (is larger than 16 MB|holds more than 100000 values|is more than 100 levels deep)\.",
    ):
        box.write(box.answer(**changed))
    assert box.names() == {"scan.jpg"}


def test_an_error_sidecar_stays_small_enough_to_be_known_again(tmp_path: Path) -> None:
    box = inbox(tmp_path)
    sidecar.write_error(box.root, box.file, box.folder, "Why.", "So.", {}, raw="é" * 5_000_000)
    assert box.beside("scan.jpg.error.txt").stat().st_size < LARGEST_ERROR
    sidecar.remove_error(box.root, box.file)
    assert box.names() == {"scan.jpg"}


def test_an_error_sidecar_tells_a_terminal_nothing(tmp_path: Path) -> None:
    box = inbox(tmp_path)
    sidecar.write_error(
        box.root,
        box.file,
        box.folder,
        "\x1b]0;a\x07b\x9b1m",
        "c\u202e",
        {"model": "\x1b[2J"},
        raw="\x1b[31mred\r\n\tx",
    )
    text = box.beside("scan.jpg.error.txt").read_text()
    assert text.isprintable() or not any(c in text for c in "\x1b\x07\x9b\u202e\r")
    assert "\\x1b[31mred\n\tx" in text


VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text()
    | st.just(10**4000)
    | st.just("\ud800"),
    lambda i: st.lists(i) | st.dictionaries(st.text(), i),
)


@settings(
    max_examples=80,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(
    changes=st.dictionaries(
        st.sampled_from(["glimpsed", "source", "text", "pages", "data", "usage", "sent", "model", "seconds"]),
        VALUES,
    ),
    source=st.dictionaries(st.sampled_from(["name", "bytes", "modified", "sha256", "width"]), VALUES),
    cut=st.integers(0, 3000),
    junk=st.binary(max_size=40),
)
def test_any_planted_json_is_judged_and_never_a_crash(
    tmp_path: Path, changes: dict[str, Any], source: dict[str, Any], cut: int, junk: bytes
) -> None:
    box = inbox(tmp_path)
    for name in box.names() - {"scan.jpg"}:
        box.beside(name).unlink()
    box.write()
    path = box.beside("scan.jpg.json")
    whole = json.loads(path.read_text())
    whole["source"] |= source
    text = json.dumps(whole | changes).encode("utf-8", "surrogatepass")
    path.write_bytes(text[:cut] + junk + text[cut:] if junk else text)
    started = time.process_time()
    assert box.found().verdict in ("adopt", "outdated", "foreign")
    sidecar.load(box.root, box.file, box.folder)
    try:
        box.check()
        box.write(box.answer("new"))
    except FileError:
        pass
    assert time.process_time() - started < 2.0
