"""The main job: a file dropped into a folder gets its sidecars, through a real daemon and a real server."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import signal
import subprocess
from pathlib import Path

import pytest

from daemon import GLIMPSED, Daemon, environment, glimpsed, read_sidecar, wait_until
from gateway import Gateway, Scripted
from pictures import LETTER, drop, page, picture

CONFIG = """
models:
  m:
    api: {api}
    base_url: {url}
    model: gpt-4o
    api_key_env: GLIMPSED_API_KEY
    price: {{input: 2.5, output: 10}}
folders:
  inbox:
    path: {inbox}
    prompt: |
      Describe {{filename}} as JSON like {{"a": 1}}.
    system: You are a test.
    settle: 100ms
    settle_limit: 1s
log: {{target: json, level: debug}}
"""


@pytest.mark.parametrize("api", ["chat", "responses"])
def test_a_dropped_image_gets_its_sidecars_through_the_api(tmp_path: Path, inbox: Path, api: str) -> None:
    with Gateway() as gateway:
        config = CONFIG.format(api=api, url=gateway.base_url, inbox=inbox)
        with Daemon(config, tmp_path) as daemon:
            daemon.wait_event("service.ready")
            data = picture("JPEG", (800, 600))
            scan = drop(inbox, "scan.jpg", data)
            line = daemon.wait_event("file.done", file="scan.jpg")
            assert daemon.stop() == 0
        assert daemon.noise == []
    assert gateway.problems == []
    (request,) = gateway.requests
    assert request.api == api
    assert request.prompt.startswith('Describe scan.jpg as JSON like {"a": 1}.')
    assert request.system == "You are a test."
    assert request.body["temperature"] == 0.1
    (sent,) = request.images
    assert (sent.format, sent.width, sent.height) == ("JPEG", 800, 600)
    assert (inbox / "scan.jpg.txt").read_text() == "The quick brown fox.\n"
    sidecar = read_sidecar(inbox / "scan.jpg.json")
    assert sidecar["glimpsed"] == 1
    assert sidecar["folder"] == "inbox"
    assert sidecar["source"] == {
        "name": "scan.jpg",
        "bytes": len(data),
        "modified": sidecar["source"]["modified"],
        "sha256": hashlib.sha256(data).hexdigest(),
        "media_type": "image/jpeg",
        "width": 800,
        "height": 600,
        "pages": 1,
    }
    assert sidecar["model"]["entry"] == "m"
    assert sidecar["model"]["api"] == api
    assert sidecar["text"] == "The quick brown fox."
    assert sidecar["usage"]["cost"] == pytest.approx(1105 * 2.5e-6 + 21 * 1e-5, abs=1e-6)
    assert sidecar["attempts"] == 1
    assert sidecar["pages"] is None
    assert line["model"] == "m"
    assert line["input_tokens"] == 1105
    assert scan.read_bytes() == data


def test_the_embedded_model_reads_a_page_and_the_stop_is_clean(tmp_path: Path, inbox: Path) -> None:
    config = f"folders:\n  inbox: {{path: {inbox}, settle: 100ms}}\nlog: {{target: json}}\n"
    with Daemon(config, tmp_path) as daemon:
        drop(inbox, "letter.png", page())
        daemon.wait_event("file.done", file="letter.png", seconds=180)
        text = (inbox / "letter.png.txt").read_text()
        assert read_sidecar(inbox / "letter.png.json")["model"]["api"] == "local"
        assert daemon.stop(signal.SIGINT) == 0
    assert [line.strip() for line in text.strip().splitlines()] == LETTER


def test_what_was_done_is_not_asked_again_after_a_restart(tmp_path: Path, inbox: Path) -> None:
    with Gateway() as gateway:
        config = CONFIG.format(api="chat", url=gateway.base_url, inbox=inbox)
        drop(inbox, "one.png", picture(seed=1))
        with Daemon(config, tmp_path) as daemon:
            daemon.wait_event("file.done", file="one.png")
        drop(inbox, "two.png", picture(seed=2))
        with Daemon(config, tmp_path) as daemon:
            daemon.wait_event("file.done", file="two.png")
        assert len(gateway.requests) == 2


def test_a_file_that_cannot_be_decoded_fails_beside_itself_and_others_go_on(
    tmp_path: Path, inbox: Path
) -> None:
    with Gateway() as gateway:
        config = CONFIG.format(api="chat", url=gateway.base_url, inbox=inbox)
        drop(inbox, "bad.bmp", b"BM" + b"\x00" * 200)
        drop(inbox, "good.png", picture())
        with Daemon(config, tmp_path) as daemon:
            daemon.wait_event("file.done", file="good.png")
            daemon.wait_event("file.failed", file="bad.bmp")
            wait_until((inbox / "bad.bmp.error.txt").exists, "no error sidecar")
        assert len(gateway.requests) == 1


def test_a_rate_limit_is_waited_out_and_the_answer_arrives(tmp_path: Path, inbox: Path) -> None:
    with Gateway(Scripted(status=429, headers={"retry-after-ms": "300"})) as gateway:
        config = CONFIG.format(api="chat", url=gateway.base_url, inbox=inbox)
        drop(inbox, "one.png", picture())
        with Daemon(config, tmp_path) as daemon:
            daemon.wait_event("file.retry", file="one.png")
            daemon.wait_event("file.done", file="one.png")
        sidecar = json.loads((inbox / "one.png.json").read_text())
        assert sidecar["attempts"] == 2


def test_once_does_what_is_there_and_ends(tmp_path: Path, inbox: Path) -> None:
    with Gateway() as gateway:
        (tmp_path / "glimpsed.yaml").write_text(CONFIG.format(api="chat", url=gateway.base_url, inbox=inbox))
        drop(inbox, "one.png", picture(seed=1))
        drop(inbox, "sub/two.png", picture(seed=2))
        ended = glimpsed("once", home=tmp_path)
        assert ended.returncode == 0, ended.stderr
        assert (inbox / "sub/two.png.txt").exists()
        drop(inbox, "bad.png", b"\x89PNG\r\n\x1a\n" + b"\x00" * 99)
        ended = glimpsed("once", home=tmp_path)
        assert ended.returncode == 1, ended.stderr
        assert len(gateway.requests) == 2


def test_once_tells_of_a_subfolder_that_it_may_not_list(tmp_path: Path, inbox: Path) -> None:
    mortal = []  # root may read everything, unless it cannot
    if os.geteuid() == 0:
        if shutil.which("setpriv") is None:
            pytest.skip("root may read everything, and setpriv is not installed: apt install util-linux")
        mortal = ["setpriv", "--bounding-set=-dac_override,-dac_read_search"]
    with Gateway() as gateway:
        (tmp_path / "glimpsed.yaml").write_text(CONFIG.format(api="chat", url=gateway.base_url, inbox=inbox))
        drop(inbox, "one.png", picture(seed=1))
        drop(inbox, "closed/two.png", picture(seed=2))
        (inbox / "closed").chmod(0)
        try:
            ended = subprocess.run(
                [*mortal, *GLIMPSED, "once"],
                cwd=tmp_path,
                env=environment(tmp_path),
                capture_output=True,
                text=True,
                timeout=120,
                check=False,
            )
        finally:
            (inbox / "closed").chmod(0o755)
        assert ended.returncode == 1, ended.stderr
        assert ended.stdout.splitlines()[-1] == "cannot be listed: inbox: closed"
        assert (inbox / "one.png.txt").exists()
        assert glimpsed("once", home=tmp_path).returncode == 0
        assert (inbox / "closed/two.png.txt").exists()


def test_try_prints_the_answer_and_writes_nothing(tmp_path: Path, inbox: Path) -> None:
    with Gateway() as gateway:
        (tmp_path / "glimpsed.yaml").write_text(CONFIG.format(api="chat", url=gateway.base_url, inbox=inbox))
        image = drop(inbox, "one.png", picture())
        ended = glimpsed("try", image, home=tmp_path)
        assert ended.returncode == 0, ended.stderr
        assert "The quick brown fox." in ended.stdout
        assert sorted(p.name for p in inbox.iterdir()) == ["one.png"]
