"""A second model reads what the first has answered; people correct it."""

from __future__ import annotations

import contextlib
import io
import json
import os
import re
import shutil
import signal
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from daemon import Daemon, glimpsed, read_sidecar, wait_until
from gateway import Gateway, Scripted, Seen
from glimpsed.config.load import load
from glimpsed.disk.files import find_root
from glimpsed.ledger.ledger import open_ledger
from glimpsed.model import FileKey
from glimpsed.pipeline import review
from glimpsed.searchable.maker import Made
from pictures import drop, page, picture
from webpage import Reader, served

CONFIG = """
models:
  first: {{api: chat, base_url: "{url}", api_key_env: GLIMPSED_API_KEY, price: {{input: 1, output: 1}}}}
  second: {{api: chat, base_url: "{url}", api_key_env: GLIMPSED_API_KEY, price: {{input: 1, output: 1}}}}
  local: {{api: local}}
folders:
  inbox:
    path: {home}/inbox
    settle: 100ms
    model: first
    verify_with: {second}
    {folder}
log: {{target: json, level: debug}}
"""
SCHEMA = "schema: {type: object, properties: {number: {type: string}, total: {type: number}}, required: [number, total]}"


@pytest.fixture
def gateway() -> Iterator[Gateway]:
    with Gateway(decode=False) as gateway:
        yield gateway


def daemon_for(home: Path, gateway: Gateway, folder: str = "", second: str = "second") -> Daemon:
    (home / "inbox").mkdir(exist_ok=True)
    return Daemon(CONFIG.format(url=gateway.base_url, home=home, folder=folder, second=second), home)


def says(**texts: str) -> Any:
    """What each model answers, by entry."""
    return lambda seen: Scripted(text=texts[seen.body["model"]])


def sidecar(home: Path, name: str) -> dict[str, Any]:
    return read_sidecar(home / "inbox" / f"{name}.json")


def verified(home: Path, name: str) -> bool:
    return (home / "inbox" / f"{name}.json").exists() and "verified" in sidecar(home, name)


def status(home: Path) -> dict[str, Any]:
    ran = glimpsed("status", "--json", "-c", home / "glimpsed.yaml", home=home)
    found: dict[str, Any] = json.loads(ran.stdout)
    return found


def test_two_readings_that_mean_the_same_are_no_doubt(tmp_path: Path, gateway: Gateway) -> None:
    gateway.default = says(
        first='{"number": "R-17", "total": 1234.5}', second='{"number": "r-17 ", "total": 1234.50}'
    )
    with daemon_for(tmp_path, gateway, SCHEMA) as daemon:
        drop(tmp_path / "inbox", "a.png", picture(seed=1))
        daemon.wait_event("file.done")
        wait_until(lambda: verified(tmp_path, "a.png"), "it was never read a second time")
        found = sidecar(tmp_path, "a.png")
        assert found["doubt"] is None
        assert found["verified"]["by"] == "second"
        assert found["verified"]["usage"]["input_tokens"] > 0
        spend = status(tmp_path)["spend"]
        both = found["usage"]["cost"] + found["verified"]["usage"]["cost"]
        assert spend["day"] == pytest.approx(both, abs=1e-6)
        assert status(tmp_path)["folders"]["inbox"]["doubtful"] == 0
    assert [e for e in daemon.events if e["event"] == "file.doubtful"] == []


def test_where_they_differ_the_answer_is_done_and_doubtful(tmp_path: Path, gateway: Gateway) -> None:
    gateway.default = says(
        first='{"number": "R-17", "total": 1234.5}', second='{"number": "R-17", "total": 99}'
    )
    with daemon_for(tmp_path, gateway, SCHEMA) as daemon:
        drop(tmp_path / "inbox", "a.png", picture(seed=1))
        event = daemon.wait_event("file.doubtful")
        assert event["file"] == "a.png"
        assert "total" in event["reason"]
        assert "1234" not in json.dumps(event), "no answer text ever in a log"
        doubt = sidecar(tmp_path, "a.png")["doubt"]
        assert doubt == {
            "by": "second",
            "agreement": 0.5,
            "fields": [{"path": "total", "value": 1234.5, "other": 99}],
            "words": [],
        }
        assert status(tmp_path)["folders"]["inbox"]["doubtful"] == 1
        # A copy has the same answer, as doubtful, for nothing.
        asked = len(gateway.requests)
        drop(tmp_path / "inbox", "b.png", picture(seed=1))
        daemon.wait_event("file.reused")
        wait_until(lambda: status(tmp_path)["folders"]["inbox"]["doubtful"] == 2, "the copy is not doubtful")
        assert len(gateway.requests) == asked


def test_a_second_reader_that_is_down_does_not_hold_the_answer_back(tmp_path: Path, gateway: Gateway) -> None:
    down = True

    def answer(seen: Seen) -> Scripted:
        if seen.body["model"] == "second" and down:
            return Scripted(status=503, body={"error": {"message": "down"}}, headers={"retry-after": "0"})
        return Scripted(text="one" if seen.body["model"] == "first" else "two")

    gateway.default = answer
    with daemon_for(tmp_path, gateway) as daemon:
        drop(tmp_path / "inbox", "a.png", picture(seed=1))
        daemon.wait_event("file.done")
        gateway.wait_for(2)
        assert "verified" not in sidecar(tmp_path, "a.png")
    down = False
    with daemon_for(tmp_path, gateway) as daemon:  # what was to be read is known after a restart
        daemon.wait_event("file.doubtful")
        assert [w["value"] for w in sidecar(tmp_path, "a.png")["doubt"]["words"]] == ["one"]
    assert sum(seen.body["model"] == "first" for seen in gateway.requests) == 1


def test_a_second_reader_that_refuses_is_given_up(tmp_path: Path, gateway: Gateway) -> None:
    def answer(seen: Seen) -> Scripted:
        if seen.body["model"] == "second":
            return Scripted(text="I'm sorry, but I can't help with that image.")
        return Scripted(text="one")

    gateway.default = answer
    with daemon_for(tmp_path, gateway) as daemon:
        drop(tmp_path / "inbox", "a.png", picture(seed=1))
        told = daemon.wait_event("file.skipped")
        assert "not read a second time" in told["reason"]
        assert told["model"] == "second"
    assert (tmp_path / "inbox" / "a.png.txt").read_text() == "one\n"
    assert not (tmp_path / "inbox" / "a.png.error.txt").exists()


def test_a_second_reader_that_may_have_billed_is_asked_twice_at_most(
    tmp_path: Path, gateway: Gateway
) -> None:
    def answer(seen: Seen) -> Scripted:
        return Scripted(status=504, body="") if seen.body["model"] == "second" else Scripted(text="one")

    gateway.default = answer
    with daemon_for(tmp_path, gateway) as daemon:
        drop(tmp_path / "inbox", "a.png", picture(seed=1))
        assert "not read a second time" in daemon.wait_event("file.skipped")["reason"]
    assert sum(seen.body["model"] == "second" for seen in gateway.requests) == 2


def book(pages: int) -> bytes:
    first, *rest = [Image.new("RGB", (60, 40), (n * 20, 0, 0)) for n in range(pages)]
    first.save(file := io.BytesIO(), "TIFF", save_all=True, append_images=rest)
    return file.getvalue()


def test_a_budget_ends_in_the_middle_of_a_document_that_is_read_a_second_time(
    tmp_path: Path, gateway: Gateway
) -> None:
    """What was read by then is kept through a kill, counts as spent, and is not read again."""
    gateway.default = lambda seen: Scripted(usage=(0, 1_000_000 if seen.body["model"] == "second" else 1))
    top, each = "\nbudget: {{per_day: {}}}\n", "pages: each"
    text = CONFIG.format(url=gateway.base_url, home=tmp_path, folder=each, second="second")

    def read() -> int:
        return sum(seen.body["model"] == "second" for seen in gateway.requests)

    (tmp_path / "inbox").mkdir()
    with Daemon(text + top.format(2), tmp_path) as daemon:
        drop(tmp_path / "inbox", "book.tif", book(6))
        daemon.wait_event("budget.reached")
        wait_until(lambda: status(tmp_path)["spend"]["day"] >= 2, "not counted")
        assert daemon.stop(signal.SIGKILL) != 0
    assert read() == 2
    with Daemon(text + top.format(4), tmp_path) as daemon:
        daemon.wait_event("budget.reached")
        daemon.config.write_text(text + top.format(9))
        daemon.process.send_signal(signal.SIGHUP)
        wait_until(lambda: verified(tmp_path, "book.tif"), "not read")
        assert status(tmp_path)["spend"]["day"] == pytest.approx(
            6, abs=0.1
        )  # with what the first reader took
    assert read() == 6
    assert sidecar(tmp_path, "book.tif")["verified"]["usage"]["cost"] == pytest.approx(6, abs=0.1)


def test_once_waits_for_the_second_reader(tmp_path: Path, gateway: Gateway) -> None:
    gateway.default = says(first="one", second="two")
    daemon_for(tmp_path, gateway)
    for number in range(5):
        drop(tmp_path / "inbox", f"{number}.png", picture(seed=number))
    ran = glimpsed("once", "-c", tmp_path / "glimpsed.yaml", home=tmp_path)
    assert ran.returncode == 0, ran.stderr
    assert [sidecar(tmp_path, f"{n}.png")["doubt"]["agreement"] for n in range(5)] == [0.0] * 5


def test_what_moves_away_is_read_where_it_is(tmp_path: Path, gateway: Gateway) -> None:
    gateway.default = says(first="one", second="two")
    with daemon_for(tmp_path, gateway, "on_done: {move_to: ../filed}") as daemon:
        drop(tmp_path / "inbox", "a.png", picture(seed=1))
        daemon.wait_event("file.doubtful")
    assert json.loads((tmp_path / "filed" / "a.png.json").read_text())["doubt"]["by"] == "second"


def test_numbers_are_looked_for_in_what_the_embedded_engine_reads(tmp_path: Path, gateway: Gateway) -> None:
    pytest.importorskip("rapidocr")
    gateway.default = says(first="Invoice 20417, total 1284.50, customer 987654321.")
    with daemon_for(tmp_path, gateway, second="local") as daemon:
        drop(tmp_path / "inbox", "a.png", page())
        daemon.wait_event("file.doubtful", seconds=180)  # a whole page is read
    doubt = sidecar(tmp_path, "a.png")["doubt"]
    assert doubt["words"] == [{"value": "987654321", "other": None}]
    assert doubt["agreement"] == pytest.approx(2 / 3, abs=1e-3)
    # What the engine saw where is kept for the page, and no search finds it: it is nobody's answer.
    assert "lines" not in sidecar(tmp_path, "a.png")
    loaded = load(tmp_path / "glimpsed.yaml", keys=False).model_copy(
        update={"state": f"sqlite:///{next(tmp_path.rglob('*.sqlite'))}"}
    )
    with served(loaded, tmp_path) as port, Reader(port) as reader:
        found = reader.get("/files", params={"q": "20417"}).text
        assert "1 file matches" in found
        (here,) = set(re.findall(r"/files/\d+", found))
        shown = reader.get(here).text
        assert "as the second reader saw it" in shown
        assert "20417" in "".join(re.findall(r'<li data-line="1:\d+"[^>]*>([^<]*)', shown))
        boxes = reader.get(f"{here}/pages/1/lines").json()
        assert len(boxes) > 3
        assert all(0 <= x <= 1 for box in boxes for x in box)


def test_a_correction_outlives_redo_and_rewrite(tmp_path: Path, gateway: Gateway) -> None:
    gateway.default = says(first='{"number": "R-17", "total": 1}', second='{"number": "R-17", "total": 2}')
    inbox = tmp_path / "inbox"
    with daemon_for(tmp_path, gateway, SCHEMA) as daemon:
        drop(inbox, "a.png", picture(seed=1))
        daemon.wait_event("file.doubtful")
        wait_until(lambda: status(tmp_path)["folders"]["inbox"]["doubtful"] == 1, "never doubtful")
    config = load(tmp_path / "glimpsed.yaml", keys=False)
    folder, key = config.folders["inbox"], FileKey("inbox", "a.png")
    ledger = open_ledger(f"sqlite:///{next(tmp_path.rglob('*.sqlite'))}")
    try:
        root = find_root(str(inbox))
        row, answer = review.current(ledger, root, folder, key)
        seen = review.token(row, answer)
        both = threading.Barrier(2)

        def correct(by: str) -> str | None:
            """Both at once, as far as they let each other."""

            def together(*_: object) -> Made:
                with contextlib.suppress(threading.BrokenBarrierError):
                    both.wait(1)
                return Made()

            data = {"number": "R-17", "total": 2}
            try:
                review.correct(ledger, root, folder, key, seen=seen, by=by, data=data, make=together)
            except review.Conflict:
                return None
            return by

        with ThreadPoolExecutor(2) as threads:
            (by,) = [one for one in threads.map(correct, ["anna", "bert"]) if one is not None]
        assert ledger.doubtful("inbox") == 0
    finally:
        ledger.close()
    found = sidecar(tmp_path, "a.png")
    assert found["data"]["total"] == 2
    assert (found["review"]["by"], found["review"]["changed"]) == (by, ["total"])
    assert not list(inbox.glob("*~")), "the second did not write over the first"
    assert json.loads((inbox / "a.png.txt").read_text())["total"] == 2

    def run(*arguments: str) -> str:
        ran = glimpsed(*arguments, "-c", tmp_path / "glimpsed.yaml", home=tmp_path)
        assert ran.returncode == 0, ran.stderr
        return ran.stdout or ran.stderr

    (inbox / "a.png.json").unlink()
    run("rewrite", "--folder", "inbox")
    assert sidecar(tmp_path, "a.png")["review"]["by"] == by
    assert "reviewed" in run("redo", "--folder", "inbox", "--yes")  # they stay as they are
    asked = len(gateway.requests)
    run("once")
    assert len(gateway.requests) == asked
    # What was corrected is what `eval` takes for right.
    (score,) = json.loads(run("eval", "--folder", "inbox", "--yes", "--json"))
    assert score["fields"]["total"] == {"right": 0, "wrong": 1, "missing": 0}
    assert score["fields"]["number"]["right"] == 1
    run("rewrite", "--reviewed", "--folder", "inbox")
    assert sidecar(tmp_path, "a.png")["data"]["total"] == 1
    assert "review" not in sidecar(tmp_path, "a.png")


@pytest.mark.parametrize("how", ["renamed", "touched", "ledger lost"])
def test_a_correction_outlives_redo_also_where_its_file_has_become_another(
    tmp_path: Path, gateway: Gateway, how: str
) -> None:
    gateway.default = says(first='{"number": "R-17", "total": 1}', second='{"number": "R-17", "total": 1}')
    inbox, name = tmp_path / "inbox", "b.png" if how == "renamed" else "a.png"
    with daemon_for(tmp_path, gateway, SCHEMA) as daemon:
        drop(inbox, "a.png", picture(seed=1))
        gateway.wait_for(2)
        wait_until(lambda: sidecar(tmp_path, "a.png").get("verified") is not None, "it is not read twice")
        config = load(tmp_path / "glimpsed.yaml", keys=False)
        ledger = open_ledger(f"sqlite:///{next(tmp_path.rglob('*.sqlite'))}")
        folder, root = config.folders["inbox"], find_root(str(inbox))
        row, found = review.current(ledger, root, folder, FileKey("inbox", "a.png"))
        data = {"number": "R-17", "total": 3}
        review.correct(ledger, root, folder, row.key, seen=review.token(row, found), by="anna", data=data)
        ledger.close()
        if how == "renamed":
            (inbox / "a.png").rename(inbox / name)
        elif how == "touched":
            os.utime(inbox / "a.png")
        if how != "ledger lost":
            daemon.wait_event("file.reused", file=name)
    if how == "ledger lost":
        shutil.rmtree(tmp_path / "state")
    asked = len(gateway.requests)
    with daemon:
        wait_until(lambda: status(tmp_path)["folders"]["inbox"]["done"] == 1, "it is not done")
        ran = glimpsed("redo", "--folder", "inbox", "--yes", "-c", daemon.config, home=tmp_path)
        assert "reviewed" in ran.stderr
        assert sidecar(tmp_path, name)["review"]["by"] == "anna"
        assert len(gateway.requests) == asked
        if how != "ledger lost":  # the model's own answer is known on
            glimpsed("rewrite", "--reviewed", "--folder", "inbox", "-c", daemon.config, home=tmp_path)
            assert sidecar(tmp_path, name)["data"]["total"] == 1


@pytest.mark.parametrize("deed", ["corrected", "corrected and undone", "written anew"])
def test_what_is_done_to_an_answer_while_it_is_read_a_second_time_stays(
    tmp_path: Path, gateway: Gateway, deed: str
) -> None:
    done = threading.Event()

    def answer(seen: Seen) -> Scripted:
        if seen.body["model"] == "first":
            return Scripted(text='{"number": "R-17", "total": 1}')
        return Scripted(text='{"number": "R-17", "total": 2}', delay=0.0 if done.is_set() else 2.0)

    gateway.default = answer
    inbox = tmp_path / "inbox"
    with daemon_for(tmp_path, gateway, SCHEMA) as daemon:
        drop(inbox, "a.png", picture(seed=1))
        gateway.wait_for(2)  # the second reader reads
        daemon.wait_event("file.done")
        config = load(tmp_path / "glimpsed.yaml", keys=False)
        ledger = open_ledger(f"sqlite:///{next(tmp_path.rglob('*.sqlite'))}")
        try:
            folder, root = config.folders["inbox"], find_root(str(inbox))
            if deed != "written anew":
                row, found = review.current(ledger, root, folder, FileKey("inbox", "a.png"))
                data = {"number": "R-17", "total": 3}
                seen = review.token(row, found)
                review.correct(ledger, root, folder, row.key, seen=seen, by="anna", data=data)
            else:
                for name in ("a.png.json", "a.png.txt"):
                    (inbox / name).unlink()
                glimpsed("rewrite", "--folder", "inbox", "-c", daemon.config, home=tmp_path)
            assert len(gateway.requests) == 2, "the second reader was done before"
            done.set()
            if deed == "written anew":
                daemon.wait_event("file.doubtful")
            wait_until(lambda: ledger.agreement(FileKey("inbox", "a.png")) is not None, "it was never read")
            if deed == "corrected and undone":
                row, found = review.current(ledger, root, folder, FileKey("inbox", "a.png"))
                seen, own = review.token(row, found), ledger.own_answer(row.key)
                review.correct(ledger, root, folder, row.key, seen=seen, by="anna", instead=own, undo=True)
                # What was read, and paid for, is told without being asked again.
                daemon.wait_event("file.doubtful")
                wait_until(lambda: ledger.doubtful("inbox") == 1, "it is in no list")
            assert daemon.stop() == 0
            assert ledger.doubtful("inbox") == (deed != "corrected")
            row = ledger.find(FileKey("inbox", "a.png"))
            assert row is not None
            (kept,) = ledger.all_kept([(row.sha256 or "", row.question)])
            assert kept is not None
            on_disk = sidecar(tmp_path, "a.png")
            assert (
                kept.answer.data
                == on_disk["data"]
                == {"number": "R-17", "total": 3 if deed == "corrected" else 1}
            )
            assert "review" in on_disk if deed == "corrected" else on_disk["doubt"]["by"] == "second"
            assert {w.name: w.size for w in row.written} == {
                name: (inbox / name).stat().st_size for name in ("a.png.json", "a.png.txt")
            }
        finally:
            ledger.close()
    assert len(gateway.requests) == 2
    assert not list(inbox.glob("*~"))
