"""Handing over: tried until it arrives, and what the daemon itself does to a file is no news."""

from __future__ import annotations

import hashlib
import hmac
import json
import os
import random
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from daemon import Daemon, glimpsed, wait_until
from gateway import Gateway, Scripted
from pictures import drop, picture
from webhook import Hook

CONFIG = """
models:
  m: {{api: chat, base_url: "{url}", api_key_env: GLIMPSED_API_KEY}}
folders:
  inbox: {{path: {inbox}, settle: 50ms, rescan: 1s, {folder}}}
log: {{target: json, level: debug}}
"""
KILLS = int(os.environ.get("CHAOS_KILLS", "5"))
SEED = int(os.environ.get("CHAOS_SEED", "5"))
SCHEMA = (
    "schema: {type: object, required: [supplier, number], additionalProperties: false, "
    "properties: {supplier: {type: string}, number: {type: integer}}}"
)
ANSWER = json.dumps({"supplier": "ACME: Sons", "number": 4711})


@pytest.fixture
def gateway() -> Iterator[Gateway]:
    with Gateway(decode=False) as gateway:
        yield gateway


def config(gateway: Gateway, inbox: Path, folder: str) -> str:
    return CONFIG.format(url=gateway.base_url, inbox=inbox, folder=folder)


def script(path: Path, text: str) -> Path:
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)
    return path


def status(daemon: Daemon) -> dict[str, Any]:
    out = glimpsed("status", "--json", "-c", daemon.config, home=daemon.home).stdout
    folders: dict[str, Any] = json.loads(out)["folders"]
    return folders["inbox"]


def counts(daemon: Daemon) -> dict[str, int]:
    """Those that are not 0."""
    seen = status(daemon)
    states = ("queued", "running", "answered", "handing", "done", "failed", "gone")
    return {state: seen[state] for state in states if seen[state]}


@pytest.mark.parametrize("does", ["touch", "append"])
def test_what_the_command_does_to_the_image_is_no_news_nor_after_a_kill(
    tmp_path: Path, inbox: Path, gateway: Gateway, does: str
) -> None:
    runs = tmp_path / "runs"
    act = 'touch "$1"' if does == "touch" else 'printf x >> "$1"'
    # It takes longer than a file needs to settle, and the first run is cut short by a kill.
    command = script(tmp_path / "act", f"echo run >> {runs}; {act}; sleep 1; {act}")
    folder = f'on_done: {{command: ["{command}", "{{path}}"]}}'
    daemon = Daemon(config(gateway, inbox, folder), tmp_path)
    with daemon:
        image = drop(inbox, "a.png", picture())
        wait_until(runs.exists, "the command did not run")
        wait_until(lambda: image.stat().st_mtime_ns > 0, "")
        daemon.stop(signal.SIGKILL)
    daemon.events.clear()
    with daemon:
        daemon.wait_event("file.handed_over", file="a.png")
        daemon.wait_event("file.done", file="a.png")
        drop(inbox, "b.png", picture(seed=2))
        daemon.wait_event("file.done", file="b.png")
        glimpsed("status", "-c", daemon.config, home=daemon.home)
        assert counts(daemon) == {"done": 2}
    assert len(gateway.requests) == 2
    assert runs.read_text().count("run") == 3  # the one that was cut short is made up for
    about = json.loads((inbox / "a.png.json").read_text())["source"]
    assert about["bytes"] == image.stat().st_size
    assert about["sha256"] == hashlib.sha256(image.read_bytes()).hexdigest()
    # A ledger that is lost costs no money even so.
    for left in (tmp_path / "state").rglob("ledger*"):
        left.unlink()
    with daemon:
        wait_until(lambda: counts(daemon) == {"done": 2}, "they are not adopted")
    assert len(gateway.requests) == 2


@pytest.mark.parametrize("watch", ["inotify", "poll"])
def test_a_command_that_renames_the_image_in_its_folder_runs_once(
    tmp_path: Path, inbox: Path, gateway: Gateway, watch: str
) -> None:
    """Nor does one that it renames run it again when somebody renames that; a copy and a scan that comes anew do."""
    runs = tmp_path / "runs"
    (inbox / "seen").mkdir()
    command = script(
        tmp_path / "act", f'echo "$2" >> {runs}; case "$2" in new*) ;; *) mv "$1" "{inbox}/seen/$2";; esac'
    )
    folder = f'watch: {watch}, poll: 200ms, on_done: {{command: ["{command}", "{{path}}", "{{relpath}}"]}}'
    with Daemon(config(gateway, inbox, folder), tmp_path) as daemon:
        image = drop(inbox, "a.png", picture())
        daemon.wait_event("file.reused", file="seen/a.png")
        (inbox / "seen" / "a.png").rename(inbox / "b.png")
        daemon.wait_event("file.reused", file="b.png")
        image = inbox / "b.png"
        drop(inbox, "new1.png", image.read_bytes())
        daemon.wait_event("file.handed_over", file="new1.png")
        wait_until(lambda: counts(daemon) == {"done": 2, "gone": 2}, "not done")
        assert runs.read_text().split() == ["a.png", "new1.png"]
        assert len(daemon.seen("file.handed_over")) == 2
        assert daemon.stop() == 0
    assert len(gateway.requests) == 1
    assert sorted(path.name for path in inbox.rglob("*.txt")) == ["b.png.txt", "new1.png.txt"]


def test_what_was_not_handed_over_under_an_old_name_is_under_the_new_one(
    tmp_path: Path, inbox: Path, gateway: Gateway
) -> None:
    """Its command renames the image, and fails at what it does then; a webhook that is down is told later."""
    runs = tmp_path / "runs"
    command = script(
        tmp_path / "act",
        f'echo "$2" >> {runs}; [ "$2" != a.png ] || {{ mv "$1" "{inbox}/b.png"; sleep 3; exit 5; }}',
    )
    with Hook(*[503] * 50) as hook:
        folder = f'on_done: {{command: ["{command}", "{{path}}", "{{relpath}}"], webhook: "{hook.url}"}}'
        with Daemon(config(gateway, inbox, folder), tmp_path) as daemon:
            drop(inbox, "a.png", picture())
            # The webhook is down: the file gets another name before it is told.
            daemon.wait_event("file.retry", file="b.png")
            (inbox / "b.png").rename(inbox / "c.png")
            daemon.wait_event("file.retry", file="c.png")
            hook.statuses.clear()
            wait_until(lambda: counts(daemon) == {"done": 1, "gone": 2}, "not done")
            assert daemon.stop() == 0
    assert runs.read_text().split() == ["a.png", "b.png"]
    told = [json.loads(body)["source"]["name"] for _, body in hook.heard]
    assert (set(told), told[-1]) == ({"b.png", "c.png"}, "c.png")
    assert len(gateway.requests) == 1


def test_a_command_that_fails_is_tried_again_until_it_succeeds(
    tmp_path: Path, inbox: Path, gateway: Gateway
) -> None:
    runs = tmp_path / "runs"
    command = script(
        tmp_path / "act",
        f'echo run >> {runs}; [ $(wc -l < {runs}) -ge 3 ] || {{ echo "not yet" >&2; exit 5; }}',
    )
    folder = f'on_done: {{command: ["{command}"], move_to: ../done}}'
    with Daemon(config(gateway, inbox, folder), tmp_path) as daemon:
        drop(inbox, "a.png", picture())
        told = daemon.wait_event("file.retry", file="a.png")
        assert told["reason"] == "the command: exit code 5: not yet"
        assert (inbox / "a.png.txt").exists()  # the sidecars stand meanwhile
        daemon.wait_event("file.done", file="a.png")
        assert counts(daemon) == {"done": 1}
        assert sorted(p.name for p in (tmp_path / "done").iterdir()) == ["a.png", "a.png.json", "a.png.txt"]
        # The same scan once more: its answer is where it went.
        drop(inbox, "again.png", picture())
        daemon.wait_event("file.reused", file="again.png")
        assert counts(daemon) == {"done": 2}
    assert (len(gateway.requests), runs.read_text().count("run")) == (1, 4)


def test_a_webhook_gets_the_json_signed_and_once_whatever_comes_between(
    tmp_path: Path, inbox: Path, gateway: Gateway
) -> None:
    with Hook(503, 429) as hook:
        secret = "a-secret-to-sign-with"
        folder = f'on_done: {{webhook: {{url: "{hook.url}", secret_env: HOOK_SECRET}}}}'
        daemon = Daemon(config(gateway, inbox, folder), tmp_path, env={"HOOK_SECRET": secret})
        with daemon:
            drop(inbox, "a.png", picture())
            daemon.wait_event("file.retry", file="a.png")
            daemon.stop(signal.SIGKILL)
        with daemon:
            daemon.wait_event("file.done", file="a.png")
            drop(inbox, "b.png", picture(seed=2))
            daemon.wait_event("file.done", file="b.png")
            lines = json.dumps(daemon.events)
        assert "sk-hidden-token-123" not in lines
        assert secret not in lines
        assert len(set(hook.keys[:-1])) == 1
        assert hook.keys[-1] != hook.keys[0]
        headers, body = hook.heard[-1]
        assert body == (inbox / "b.png.json").read_bytes()
        digest = hmac.new(secret.encode(), body, "sha256").hexdigest()
        assert headers["X-Glimpsed-Signature"] == f"sha256={digest}"
        assert headers["Content-Type"] == "application/json"
    assert len(gateway.requests) == 2


def test_what_is_answered_is_handed_over_while_its_model_pauses(
    tmp_path: Path, inbox: Path, gateway: Gateway
) -> None:
    no_money = {"error": {"code": "insufficient_quota", "message": "no credits"}}
    gateway.script(Scripted(), Scripted(status=402, body=no_money))
    with Hook(*[503] * 4) as hook:
        folder = f'on_done: {{webhook: "{hook.url}"}}'
        with Daemon(config(gateway, inbox, folder), tmp_path) as daemon:
            drop(inbox, "a.png", picture())
            daemon.wait_event("file.retry", file="a.png")
            drop(inbox, "b.png", picture(seed=2))
            daemon.wait_event("model.paused")
            daemon.wait_event("file.done", file="a.png", seconds=50)  # it is probed after a minute
            assert daemon.seen("model.resumed") == []
            assert counts(daemon) == {"done": 1, "queued": 1}
    assert len(set(hook.keys)) == 1


def test_what_is_refused_for_good_is_a_failure_until_retry_and_is_not_asked_about_again(
    tmp_path: Path, inbox: Path, gateway: Gateway
) -> None:
    with Hook(404) as hook:
        folder = f'on_done: {{webhook: "{hook.url}"}}'
        with Daemon(config(gateway, inbox, folder), tmp_path) as daemon:
            image = drop(inbox, "a.png", picture())
            daemon.wait_event("file.failed", file="a.png")
            (failure,) = json.loads(glimpsed("failures", "--json", "-c", daemon.config, home=tmp_path).stdout)
            assert failure["reason"] == "Not handed over: the webhook at 127.0.0.1 replied 404."
            told = image.with_name("a.png.error.txt")
            wait_until(told.exists, "nobody at the share is told")
            assert image.with_name("a.png.txt").exists()
            assert glimpsed("retry", str(image), "-c", daemon.config, home=tmp_path).returncode == 0
            daemon.wait_event("file.done", file="a.png")
            assert not told.exists()
            assert counts(daemon) == {"done": 1}
        assert len(set(hook.keys)) == 1
    assert len(gateway.requests) == 1


@pytest.mark.parametrize("move", ["", 'move_to: "../filed/{data.supplier}", '])
def test_a_scan_gets_the_name_that_its_answer_gives_it(
    tmp_path: Path, inbox: Path, gateway: Gateway, move: str
) -> None:
    gateway.default = Scripted(text=ANSWER)
    folder = f'{SCHEMA}, on_done: {{{move}rename_to: "{{data.number}} {{data.supplier}}"}}'
    place = tmp_path / "filed" / "ACME- Sons" if move else inbox
    # On a busy machine, more than 50 ms go by between a name and the note of it.
    text = config(gateway, inbox, folder).replace("settle: 50ms", "settle: 1s")
    with Daemon(text, tmp_path) as daemon:
        for number in (1, 2):
            drop(inbox, f"scan{number}.png", picture(seed=number))
            daemon.wait_event("file.done", file=f"scan{number}.png")
        names = ["4711 ACME- Sons.png", "4711 ACME- Sons-2.png"]
        assert {p.name for p in place.iterdir()} == {n + e for n in names for e in ("", ".txt", ".json")}
        for name in names:
            assert json.loads((place / f"{name}.json").read_text())["source"]["name"] == name
        glimpsed("status", "-c", daemon.config, home=tmp_path)
        drop(inbox, "other.png", picture(seed=3))
        daemon.wait_event("file.done", file="other.png")
        assert counts(daemon) == {"done": 3}
        assert daemon.seen("file.queued", file=names[0]) == []
    assert len(gateway.requests) == 3
    assert not move or os.listdir(inbox) == []
    with Daemon(text, tmp_path) as daemon:  # nor at the next start
        daemon.wait_event("scan.finished")
        assert counts(daemon) == {"done": 3}
        found = glimpsed("search", "4711", "-c", daemon.config, home=tmp_path)
        assert names[0] in found.stdout
        again = glimpsed("redo", str(place / names[0]), "--yes", "-c", daemon.config, home=tmp_path)
        assert again.returncode == 0, again.stderr
        daemon.wait_event("file.done")
        assert counts(daemon) == {"done": 3}
        assert (place / names[0]).exists()
    assert len(gateway.requests) == 4


def test_killed_again_and_again_everything_arrives_once_by_its_key_and_together(
    tmp_path: Path, inbox: Path, gateway: Gateway
) -> None:
    """A flaky webhook, a command that fails by turns and writes to the image, a name from the answer."""
    dice, names = random.Random(SEED), list[str]()
    gateway.default = Scripted(text=ANSWER, delay=0.05)
    runs = tmp_path / "runs"
    command = script(
        tmp_path / "act", f'echo "$GLIMPSED_NAME" >> {runs}; touch "$1"; [ $(($(wc -l < {runs}) % 7)) != 0 ]'
    )
    on_done = f'on_done: {{command: ["{command}", "{{path}}"], webhook: "HOOK", move_to: ../filed, rename_to: "{{data.number}}"}}'
    with Hook(*(503, 200, 200, 200, 429, 200, 200) * 40) as hook:  # or back-off would take minutes, by chance
        text = config(gateway, inbox, f"{SCHEMA}, {on_done.replace('HOOK', hook.url)}")
        daemon = Daemon(text.replace("api: chat,", "api: chat, concurrency: 4,"), tmp_path)
        for kill in range(KILLS):
            with daemon:
                for _ in range(3):
                    names.append(f"{len(names)}.png")
                    drop(inbox, names[-1], picture(seed=len(names)))
                daemon.wait_event("service.ready")
                time.sleep(dice.random() * 2)
                daemon.stop(signal.SIGKILL if kill < KILLS - 1 else signal.SIGTERM)
        with daemon:
            wait_until(
                lambda: counts(daemon) == {"done": len(names)},
                f"not all arrive: {daemon.tail()}",
                420 + 6 * KILLS,  # what was killed on its way is tried again, after waits by chance
            )
            assert daemon.noise == []
        filed = {path.name for path in (tmp_path / "filed").iterdir()}
        images = {name for name in filed if name.endswith(".png")}
        assert len(images) == len(names)
        assert filed == {name + end for name in images for end in ("", ".txt", ".json")}
        assert os.listdir(inbox) == []
        # One delivery a file, however often it was tried.
        keys: dict[str, set[str]] = {}
        for headers, body in hook.heard:
            keys.setdefault(json.loads(body)["source"]["name"], set()).add(headers["Idempotency-Key"])
        assert sorted(keys) == sorted(names)
        assert all(len(several) == 1 for several in keys.values())
    # What was answered is not asked again: at most what was in flight is, at each kill.
    assert len(gateway.requests) <= len(names) + 4 * KILLS


@pytest.mark.parametrize(
    ("on_done", "told"),
    [
        ('{rename_to: "{data.number}"}', "needs a schema"),
        ('{move_to: "x/{data.nothing}"}', "needs a schema"),
        ("{rename_to: a/b}", "without a directory"),
        ("{webhook: ftp://127.0.0.1/x}", "http or https"),
        ('{webhook: "http://:80/x"}', "http or https"),
        ("{webhook: {url: http://127.0.0.1/x, secret_env: A, secret_file: b}}", "takes one of"),
        ("{webhook: {url: http://127.0.0.1/x, secret_env: NO_SUCH_VARIABLE}}", "NO_SUCH_VARIABLE is not set"),
    ],
)
def test_a_hand_over_that_cannot_be_is_a_config_error(
    tmp_path: Path, inbox: Path, gateway: Gateway, on_done: str, told: str
) -> None:
    (tmp_path / "glimpsed.yaml").write_text(config(gateway, inbox, f"on_done: {on_done}"))
    found = glimpsed("run", home=tmp_path)
    assert found.returncode == 78
    assert told in found.stderr + found.stdout


def test_a_name_that_we_gave_does_not_grow_when_the_answer_is_another_one(tmp_path: Path) -> None:
    """What the file was called at first is known, over restarts too: `{stem}` is that."""
    inbox = tmp_path / "inbox"
    inbox.mkdir()
    folder = f'{SCHEMA}, on_done: {{rename_to: "{{data.supplier}} {{stem}}"}}'
    with Gateway(default=Scripted(text=json.dumps({"supplier": "A", "number": 1}))) as gateway:
        text = CONFIG.format(url=gateway.base_url, inbox=inbox, folder=folder)
        with Daemon(text, tmp_path) as daemon:
            drop(inbox, "scan.png", picture(seed=1))
            daemon.wait_event("file.handed_over")
            assert (inbox / "A scan.png").exists()
        gateway.default = Scripted(text=json.dumps({"supplier": "B", "number": 1}))
        with Daemon(text, tmp_path) as daemon:
            for count, supplier in enumerate("BC", 1):
                gateway.default = Scripted(text=json.dumps({"supplier": supplier, "number": 1}))
                if supplier == "B":
                    assert glimpsed("redo", str(inbox / "A scan.png"), "--yes", "-c", daemon.config, home=tmp_path).returncode == 0  # fmt: skip
                else:
                    drop(inbox, "B scan.png", picture(seed=2))  # another version
                daemon.wait_event("file.handed_over", count=count)
                names = {f"{supplier} scan.png{ending}" for ending in ("", ".txt", ".json")}
                wait_until(lambda names=names: {p.name for p in inbox.iterdir()} == names, f"no {names}")  # type: ignore[misc]
        assert len(gateway.requests) == 3


@pytest.fixture
def archive(tmp_path: Path) -> Iterator[Path]:
    """Where a disk is mounted; it is gone afterwards."""
    path = tmp_path / "archive"
    path.mkdir()
    if not mounted(path):
        pytest.skip("may not mount a tmpfs")
    yield path
    unmounted(path)


def mounted(path: Path) -> bool:
    return not subprocess.run(["mount", "-t", "tmpfs", "glimpsed", str(path)], check=False).returncode


def unmounted(path: Path) -> None:
    subprocess.run(["umount", "-l", str(path)], check=False, capture_output=True)


def test_nothing_is_moved_to_where_a_disk_was_mounted_until_it_is_back(
    tmp_path: Path, inbox: Path, gateway: Gateway, archive: Path
) -> None:
    on_done = f"on_done: {{move_to: '{archive}/{{date}}'}}"
    with Daemon(config(gateway, inbox, on_done), tmp_path) as daemon:
        drop(inbox, "a.png", picture())
        daemon.wait_event("file.done", file="a.png")
        unmounted(archive)
        drop(inbox, "b.png", picture(seed=1))
        blocked = daemon.wait_event("sidecar.blocked", file="b.png")
        assert f"nothing is mounted at {archive} any more" in blocked["reason"]
        assert daemon.stop() == 0
        daemon.start()  # it is known to the next one, too
        daemon.wait_event("sidecar.blocked", count=2, file="b.png")
        assert list(archive.iterdir()) == []
        assert (inbox / "b.png.txt").exists()
        assert counts(daemon)["handing"] == 1
        assert mounted(archive)
        daemon.wait_event("file.done", file="b.png")
        assert len(list(archive.glob("*/b.png*"))) == 3
        unmounted(archive)
        (archive / "no disk from now on").touch()
        drop(inbox, "c.png", picture(seed=2))
        daemon.wait_event("file.done", file="c.png")
        assert daemon.stop() == 0
    assert len(gateway.requests) == 3
