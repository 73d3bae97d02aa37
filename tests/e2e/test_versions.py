"""One file through its life: changed, renamed, copied, deleted, moved on, several pages."""

from __future__ import annotations

import io
import json
import os
from pathlib import Path

from PIL import Image

from daemon import Daemon, wait_until
from gateway import Gateway, Scripted
from pictures import drop, picture

CONFIG = """
models:
  m: {{api: responses, base_url: "{url}", api_key_env: GLIMPSED_API_KEY}}
folders:
  inbox: {{path: {inbox}, settle: 50ms, settle_limit: 1s, rescan: 1s, {folder}}}
log: {{target: json, level: debug}}
"""


def config(gateway: Gateway, inbox: Path, folder: str = "") -> str:
    return CONFIG.format(url=gateway.base_url, inbox=inbox, folder=folder)


def tiff(pages: int) -> bytes:
    images = [Image.new("L", (200, 300), 40 * n) for n in range(pages)]
    buffer = io.BytesIO()
    images[0].save(buffer, "TIFF", save_all=True, append_images=images[1:])
    return buffer.getvalue()


def test_a_changed_file_is_asked_again_and_its_sidecars_are_replaced(tmp_path: Path, inbox: Path) -> None:
    with Gateway(Scripted(text="first"), Scripted(text="second")) as gateway:
        with Daemon(config(gateway, inbox), tmp_path) as daemon:
            drop(inbox, "a.png", picture(seed=1))
            daemon.wait_event("file.done", file="a.png")
            drop(inbox, "a.png", picture(seed=2))
            daemon.wait_event("file.done", file="a.png", count=2)
        assert (inbox / "a.png.txt").read_text() == "second\n"
        assert sorted(p.name for p in inbox.iterdir()) == ["a.png", "a.png.json", "a.png.txt"]


def test_an_edited_sidecar_is_kept_before_it_is_replaced(tmp_path: Path, inbox: Path) -> None:
    with Gateway(Scripted(text="first"), Scripted(text="second")) as gateway:
        with Daemon(config(gateway, inbox), tmp_path) as daemon:
            drop(inbox, "a.png", picture(seed=1))
            daemon.wait_event("file.done", file="a.png")
            (inbox / "a.png.txt").write_text("corrected by hand\n")
            drop(inbox, "a.png", picture(seed=2))
            daemon.wait_event("file.done", file="a.png", count=2)
        assert (inbox / "a.png.txt").read_text() == "second\n"
        assert (inbox / "a.png.txt~").read_text() == "corrected by hand\n"


def test_a_rename_keeps_the_answer_and_the_old_sidecars_go(tmp_path: Path, inbox: Path) -> None:
    with Gateway() as gateway:
        with Daemon(config(gateway, inbox), tmp_path) as daemon:
            drop(inbox, "a.png", picture())
            daemon.wait_event("file.done", file="a.png")
            (inbox / "a.png").rename(inbox / "b.png")
            daemon.wait_event("file.reused", file="b.png")
            wait_until(lambda: not (inbox / "a.png.txt").exists(), "the old sidecar stays")
        assert len(gateway.requests) == 1
        assert sorted(p.name for p in inbox.iterdir()) == ["b.png", "b.png.json", "b.png.txt"]
        sidecar = json.loads((inbox / "b.png.json").read_text())
        assert sidecar["reused_from"] == "inbox/a.png"
        assert sidecar["source"]["name"] == "b.png"


def test_a_name_that_is_taken_back_gets_its_sidecars_back(tmp_path: Path, inbox: Path) -> None:
    with Gateway() as gateway:
        with Daemon(config(gateway, inbox), tmp_path) as daemon:
            drop(inbox, "a.png", picture())
            daemon.wait_event("file.done", file="a.png")
            for number, (old, new) in enumerate((("a", "b"), ("b", "a"), ("a", "b"))):
                (inbox / f"{old}.png").rename(inbox / f"{new}.png")
                daemon.wait_event("file.reused", file=f"{new}.png", count=1 + number // 2)
                there = [f"{new}.png{e}" for e in ("", ".json", ".txt")]
                # What goes is renamed away, and then removed.
                wait_until(
                    lambda there=there: sorted(p.name for p in inbox.iterdir()) == there,
                    "the old sidecars stay",
                )
        assert len(gateway.requests) == 1


def test_copies_that_arrive_together_are_paid_for_once(tmp_path: Path, inbox: Path) -> None:
    with Gateway(default=Scripted(delay=0.3)) as gateway:
        with Daemon(config(gateway, inbox), tmp_path) as daemon:
            for name in ("a.png", "b.png", "sub/c.png"):
                drop(inbox, name, picture())
            wait_until(lambda: len(list(inbox.rglob("*.txt"))) == 3, "not all were done")
            daemon.wait_event("file.reused", count=2)
        assert len(gateway.requests) == 1


def test_a_file_deleted_while_it_is_asked_about_leaves_nothing_behind(tmp_path: Path, inbox: Path) -> None:
    with Gateway(Scripted(delay=1.0)) as gateway:
        with Daemon(config(gateway, inbox), tmp_path) as daemon:
            image = drop(inbox, "a.png", picture(seed=1))
            gateway.wait_for(1)
            image.unlink()
            drop(inbox, "b.png", picture(seed=2))
            daemon.wait_event("file.done", file="b.png")
            daemon.wait_event("file.skipped", file="a.png")
            assert daemon.stop() == 0
        assert sorted(p.name for p in inbox.iterdir()) == ["b.png", "b.png.json", "b.png.txt"]


def test_the_error_sidecar_goes_with_its_image(tmp_path: Path, inbox: Path) -> None:
    with Gateway() as gateway, Daemon(config(gateway, inbox), tmp_path) as daemon:
        image = drop(inbox, "bad.bmp", b"BM" + bytes(300))
        daemon.wait_event("file.failed", file="bad.bmp")
        wait_until((inbox / "bad.bmp.error.txt").exists, "no error sidecar")
        image.unlink()
        wait_until(lambda: not (inbox / "bad.bmp.error.txt").exists(), "the error sidecar stays")


def test_somebody_elses_text_file_is_never_overwritten_and_nothing_is_sent(
    tmp_path: Path, inbox: Path
) -> None:
    with Gateway() as gateway, Daemon(config(gateway, inbox), tmp_path) as daemon:
        (inbox / "a.png.txt").write_text("notes of mine")
        drop(inbox, "a.png", picture())
        daemon.wait_event("file.failed", file="a.png")
        assert (inbox / "a.png.txt").read_text() == "notes of mine"
        assert gateway.requests == []


def test_of_two_images_whose_sidecars_have_one_name_only_one_is_asked_about(
    tmp_path: Path, inbox: Path
) -> None:
    """A camera's raw picture and its JPEG, or a scan in two formats, that come together."""
    drop(inbox, "scan.png", picture(seed=1))
    drop(inbox, "scan.jpg", picture("JPEG", seed=2))
    with Gateway(default=Scripted(delay=0.5)) as gateway:
        with Daemon(config(gateway, inbox, 'sidecar: "{stem}.{ext}"'), tmp_path) as daemon:
            failed, done = daemon.wait_event("file.failed")["file"], daemon.wait_event("file.done")["file"]
            assert {failed, done} == {"scan.png", "scan.jpg"}
        assert len(gateway.requests) == 1
        told = (inbox / f"{failed}.error.txt").read_text()
        assert f"The sidecar name scan.json is already taken by {done}." in told
        assert json.loads((inbox / "scan.json").read_text())["source"]["name"] == done


def test_two_images_whose_sidecars_have_one_name_do_not_wait_for_each_other(
    tmp_path: Path, inbox: Path
) -> None:
    """The first is refused, which is believed once nobody else is asked about; the second waits for the first one's name."""
    drop(inbox, "scan.png", picture(seed=1))
    drop(inbox, "scan.jpg", picture("JPEG", seed=2))
    body = {"error": {"message": "Your request was rejected by our content filter", "code": "content_filter"}}
    refused = Scripted(400, body)
    with (
        Gateway(default=refused) as gateway,
        Daemon(config(gateway, inbox, 'sidecar: "{stem}.{ext}"'), tmp_path) as daemon,
    ):
        failed = {daemon.wait_event("file.failed", count=n)["file"] for n in (1, 2)}
        assert failed == {"scan.png", "scan.jpg"}


def test_pages_each_asks_page_by_page_and_a_bad_page_repeats_only_itself(tmp_path: Path, inbox: Path) -> None:
    script = [
        Scripted(text="one"),
        Scripted(status=500, body={"error": {"message": "oops"}}),
        Scripted(text="two"),
        Scripted(text="three"),
    ]
    with Gateway(*script) as gateway:
        with Daemon(
            config(gateway, inbox, 'pages: each, prompt: "Page {page} of {pages}."'), tmp_path
        ) as daemon:
            drop(inbox, "a.tif", tiff(3))
            daemon.wait_event("file.done", file="a.tif")
        assert [r.prompt for r in gateway.requests] == [
            "Page 1 of 3.",
            "Page 2 of 3.",
            "Page 2 of 3.",
            "Page 3 of 3.",
        ]
        assert (inbox / "a.tif.txt").read_text() == "one\n\ftwo\n\fthree\n"
        sidecar = json.loads((inbox / "a.tif.json").read_text())
        assert [p["text"] for p in sidecar["pages"]] == ["one", "two", "three"]
        assert sidecar["attempts"] == 4
        assert sidecar["usage"]["input_tokens"] == 3 * 1105


def test_pages_together_sends_all_pages_in_order_and_too_many_fail(tmp_path: Path, inbox: Path) -> None:
    with Gateway() as gateway:
        text = config(gateway, inbox, 'max_pages: 3, prompt: "Pages {page}."')
        with Daemon(text, tmp_path) as daemon:
            drop(inbox, "three.tif", tiff(3))
            drop(inbox, "four.tif", tiff(4))
            daemon.wait_event("file.done", file="three.tif")
            assert "4 pages" in daemon.wait_event("file.failed", file="four.tif")["reason"]
        (request,) = gateway.requests
        assert len(request.images) == 3
        assert request.prompt == "Pages 1-3."


def test_a_finished_image_moves_on_with_its_sidecars_and_the_command_hears_of_it(
    tmp_path: Path, inbox: Path
) -> None:
    heard = tmp_path / "heard"
    script = tmp_path / "hear"
    script.write_text(
        f'#!/bin/sh\nprintf "%s|%s|%s\\n" "$1" "$GLIMPSED_NAME" "$GLIMPSED_API_KEY" >> {heard}\n'
    )
    script.chmod(0o755)
    folder = f'on_done: {{move_to: done, command: ["{script}", "{{path}}"]}}'
    with Gateway() as gateway:
        with Daemon(config(gateway, inbox, folder), tmp_path) as daemon:
            drop(inbox, "a b;c.png", picture())
            daemon.wait_event("file.done", file="a b;c.png")
            wait_until(heard.exists, "the command did not run")
            drop(inbox, "z.png", picture(seed=9))
            daemon.wait_event("file.done", file="z.png")
        moved = inbox / "done"
        assert sorted(p.name for p in moved.iterdir()) == sorted(
            f"{n}.png{e}" for n in ("a b;c", "z") for e in ("", ".txt", ".json")
        )
        assert heard.read_text().splitlines()[0] == f"{os.path.realpath(inbox)}/a b;c.png|a b;c.png|"
        assert len(gateway.requests) == 2


def test_names_that_are_not_utf8_or_hold_newlines_work(tmp_path: Path, inbox: Path) -> None:
    with Gateway() as gateway:
        with Daemon(config(gateway, inbox), tmp_path) as daemon:
            strange = [b"caf\xe9.png", b"two\nlines.png", "日本語 – scan.png".encode()]
            for number, name in enumerate(strange):
                path = os.path.join(os.fsencode(inbox), name)
                with open(path, "wb") as f:
                    f.write(picture(seed=number))
            daemon.wait_event("file.done", count=3)
            assert daemon.noise == []
        for name in strange:
            assert os.path.exists(os.path.join(os.fsencode(inbox), name + b".txt"))


def test_a_rename_keeps_the_answer_in_a_folder_without_json_too(tmp_path: Path, inbox: Path) -> None:
    with Gateway() as gateway:
        with Daemon(config(gateway, inbox, "outputs: [txt, xmp]"), tmp_path) as daemon:
            drop(inbox, "a.png", picture())
            daemon.wait_event("file.done", file="a.png")
            (inbox / "a.png").rename(inbox / "b.png")
            daemon.wait_event("file.reused", file="b.png")
            wait_until(lambda: not (inbox / "a.png.txt").exists(), "the old sidecar stays")
        assert len(gateway.requests) == 1
        assert (inbox / "b.png.txt").read_text() == "The quick brown fox.\n"


def test_urls_are_sent_instead_of_data_percent_encoded(tmp_path: Path, inbox: Path) -> None:
    with Gateway() as gateway:
        text = config(gateway, inbox, 'image_url_base: "https://files.example/scans/"')
        with Daemon(text, tmp_path) as daemon:
            drop(inbox, "sub/a b#1.jpg", picture("JPEG"))
            daemon.wait_event("file.done")
        (sent,) = gateway.requests[0].images
        assert sent.url == "https://files.example/scans/sub/a%20b%231.jpg"
