"""What DESIGN promises to users and their scripts, seen from outside: names, shapes, exit codes, what costs money."""

from __future__ import annotations

import io
import json
import os
import shutil
import signal
from pathlib import Path
from typing import Any

import jsonschema
import yaml
from PIL import Image

from daemon import Daemon, glimpsed, status_when, wait_until
from gateway import Gateway, Scripted, Seen
from pictures import drop, picture

CONFIG = """
models:
  m: {{api: responses, base_url: "{url}", model: named, api_key_env: GLIMPSED_API_KEY, price: {{input: 2.5, output: 10}}}}
  unused: {{api: chat, base_url: "{url}", api_key_env: NEVER_SET}}
defaults: {{settle: 50ms, settle_limit: 1s, rescan: 1s, model: m}}
folders:
{folders}
log: {{target: json, level: debug}}
"""
STATES = {"queued", "running", "answered", "handing", "done", "failed", "gone"}
ESTIMATE = {"files", "pages", "input_tokens", "output_tokens", "cost", "currency", "seconds"}


def config(gateway: Gateway, home: Path, **folders: str) -> str:
    """Folders of these names beneath `home`, with these keys."""
    for name in folders:
        (home / name).mkdir(exist_ok=True)
    lines = [f"  {name}: {{path: {home / name}, {keys}}}" for name, keys in folders.items()]
    return CONFIG.format(url=gateway.base_url, folders="\n".join(lines))


def names(folder: Path) -> list[str]:
    return sorted(p.name for p in folder.iterdir())


def tiff(pages: int) -> bytes:
    images = [Image.new("L", (200, 300), 40 * n) for n in range(pages)]
    buffer = io.BytesIO()
    images[0].save(buffer, "TIFF", save_all=True, append_images=images[1:])
    return buffer.getvalue()


def test_touched_copied_renamed_and_after_a_lost_ledger_nothing_is_paid_again(tmp_path: Path) -> None:
    with Gateway() as gateway:
        text = config(gateway, tmp_path, own="", text="outputs: [txt]")
        own, plain = tmp_path / "own", tmp_path / "text"
        with Daemon(text, tmp_path) as daemon:
            for seed, folder in enumerate([own, plain]):
                drop(folder, "a.png", picture(seed=seed))
                daemon.wait_event("file.done", folder=folder.name, file="a.png")
                os.utime(folder / "a.png")
                daemon.wait_event("file.reused", folder=folder.name, file="a.png")
            answer = json.loads((own / "a.png.json").read_text())
            assert answer["reused_from"] == "own/a.png"
            assert answer["usage"]["cost"] == 0
        shutil.rmtree(tmp_path / "state")
        os.utime(own / "a.png", (1_700_000_000, 1_700_000_000))  # a restored backup: the content decides
        with Daemon(text, tmp_path) as daemon:
            assert daemon.wait_event("scan.finished", folder="own", level="info")["waiting"] == 0
            daemon.wait_event("scan.finished", folder="text", level="info")
            os.utime(own / "a.png")
            daemon.wait_event("file.reused", folder="own", file="a.png")
            os.rename(own / "a.png", own / "b.png")
            daemon.wait_event("file.reused", folder="own", file="b.png")
            wait_until(
                lambda: names(own) == ["b.png", "b.png.json", "b.png.txt"], "the old sidecars did not go"
            )
        assert len(gateway.requests) == 2


def test_what_no_model_answered_is_asked_again_when_the_prompt_or_the_model_changes(tmp_path: Path) -> None:
    def answer(seen: Seen) -> Scripted:
        fine = seen.prompt == "two" and seen.body["model"] == "better"
        return Scripted(text="read" if fine else "I'm sorry, but I can't assist with that.")

    with Gateway(default=answer) as gateway:
        one = config(gateway, tmp_path, own="prompt: one").replace("api: responses", "api: chat")
        two = one.replace("prompt: one", "prompt: two")
        with Daemon(one, tmp_path) as daemon:
            drop(tmp_path / "own", "a.png", picture())
            drop(tmp_path / "own", "b.bmp", b"BM" + b"\0" * 200)
            daemon.wait_event("file.failed", file="a.png")
            daemon.wait_event("file.failed", file="b.bmp")
        asked = len(gateway.requests)
        with Daemon(one, tmp_path) as daemon:
            daemon.wait_event("scan.finished", folder="own")
        assert len(gateway.requests) == asked
        with Daemon(two, tmp_path) as daemon:
            daemon.wait_event("file.failed", file="a.png")
            daemon.config.write_text(two.replace("named", "better"))
            daemon.process.send_signal(signal.SIGHUP)
            daemon.wait_event("file.done", file="a.png")
            assert not daemon.seen("file.failed", file="b.bmp")
        assert names(tmp_path / "own") == ["a.png", "a.png.json", "a.png.txt", "b.bmp", "b.bmp.error.txt"]


def test_what_is_renamed_or_touched_while_it_is_asked_about_is_not_paid_twice(tmp_path: Path) -> None:
    with Gateway(default=Scripted(delay=2.0)) as gateway:
        with Daemon(config(gateway, tmp_path, own=""), tmp_path) as daemon:
            for number, change in enumerate([os.utime, lambda old: os.rename(old, old.with_name("b.png"))]):
                drop(tmp_path / "own", "a.png", picture(seed=number))
                gateway.wait_for(number + 1)
                change(tmp_path / "own/a.png")
                daemon.wait_event("file.reused", file=("a.png", "b.png")[number])
        assert len(gateway.requests) == 2
        assert names(tmp_path / "own") == ["b.png", "b.png.json", "b.png.txt"]


def test_pages_of_a_document_that_is_gone_are_not_asked_about(tmp_path: Path) -> None:
    document = tmp_path / "own/a.tif"

    def answer(_: Seen) -> Scripted:
        document.unlink()
        return Scripted(delay=2.0)

    with Gateway(default=answer) as gateway:
        with Daemon(config(gateway, tmp_path, own="pages: each"), tmp_path) as daemon:
            drop(tmp_path / "own", "a.tif", tiff(3))
            daemon.wait_event("file.skipped", file="a.tif")
        assert len(gateway.requests) == 1


def test_an_adopted_answer_to_another_prompt_is_not_used_again(tmp_path: Path) -> None:
    with Gateway() as gateway:
        with Daemon(config(gateway, tmp_path, own="prompt: one"), tmp_path) as daemon:
            drop(tmp_path / "own", "a.png", picture())
            daemon.wait_event("file.done", file="a.png")
        shutil.rmtree(tmp_path / "state")
        with Daemon(config(gateway, tmp_path, own="prompt: two"), tmp_path) as daemon:
            daemon.wait_event("scan.finished", folder="own")
            shutil.copy(tmp_path / "own/a.png", tmp_path / "own/copy.png")
            daemon.wait_event("file.done", file="copy.png")
        assert [r.prompt for r in gateway.requests] == ["one", "two"]


def test_a_text_that_comes_with_its_image_is_adopted_from_events_as_from_a_listing(tmp_path: Path) -> None:
    image, text = tmp_path / "a.png", tmp_path / "a.png.txt"
    image.write_bytes(picture())
    text.write_text("what stands on it")
    os.utime(image, (1_000_000_000, 1_000_000_000))
    with Gateway() as gateway:
        with Daemon(config(gateway, tmp_path, text="outputs: [txt], rescan: 1h"), tmp_path) as daemon:
            daemon.wait_event("scan.finished", folder="text")
            for path in (text, image):
                path.rename(tmp_path / "text" / path.name)
            daemon.wait_event("file.reused", file="a.png")
        assert gateway.requests == []
    assert names(tmp_path / "text") == ["a.png", "a.png.txt"]


def test_a_rename_keeps_the_answer_of_a_fallback(tmp_path: Path) -> None:
    def answer(seen: Seen) -> Scripted:
        refused = seen.body["model"] == "named"
        return Scripted(text="I'm sorry, but I can't assist with that." if refused else "read")

    with Gateway(default=answer) as gateway:
        text = config(gateway, tmp_path, own="fallbacks: [unused]").replace("NEVER_SET", "GLIMPSED_API_KEY")
        with Daemon(text, tmp_path) as daemon:
            drop(tmp_path / "own", "a.png", picture())
            daemon.wait_event("file.done", file="a.png")
            paid = len(gateway.requests)
            os.rename(tmp_path / "own/a.png", tmp_path / "own/b.png")
            daemon.wait_event("file.reused", file="b.png")
        assert json.loads((tmp_path / "own/b.png.json").read_text())["model"]["entry"] == "unused"
        assert len(gateway.requests) == paid


def test_outdated_sidecars_are_replaced_and_what_is_not_ours_fails_unasked(tmp_path: Path) -> None:
    with Gateway() as gateway:
        text = config(gateway, tmp_path, own="", text="outputs: [txt]")
        own, plain = tmp_path / "own", tmp_path / "text"
        with Daemon(text, tmp_path) as daemon:
            for n, name in enumerate(["a.png", "b.png"]):
                drop(own, name, picture(seed=n))
                daemon.wait_event("file.done", file=name)
        shutil.rmtree(tmp_path / "state")
        drop(own, "a.png", picture(seed=9))
        (own / "a.png.txt").write_text("corrected by hand\n")
        (own / "b.png.json").write_text('{"somebody": "else"}')
        drop(plain, "c.png.txt", b"mine")
        os.utime(plain / "c.png.txt", (1_700_000_000, 1_700_000_000))
        drop(plain, "c.png", picture(seed=3))
        gateway.default = Scripted(text="anew")
        with Daemon(text, tmp_path) as daemon:
            daemon.wait_event("file.done", file="a.png")
            assert daemon.wait_event("file.failed", file="b.png")["reason"].startswith("b.png.json already")
            daemon.wait_event("file.failed", file="c.png")
            # Who reads the log finds the error sidecar there: what happened, what to do, then the facts.
            happened, advice, empty, *facts = (plain / "c.png.error.txt").read_text().splitlines()
            assert happened.startswith("c.png.txt already exists")
            assert "glimpsed retry" in advice
            assert not empty
            assert "folder: text" in facts
            (plain / "c.png.txt").unlink()
            assert glimpsed("retry", plain / "c.png", home=tmp_path).returncode == 0
            daemon.wait_event("file.done", file="c.png")
        assert names(plain) == ["c.png", "c.png.txt"]
        assert (own / "a.png.txt").read_text() == "anew\n"
        assert (own / "a.png.txt~").read_text() == "corrected by hand\n"
        assert len(gateway.requests) == 4


def test_prompts_pages_schema_and_every_kind_of_sidecar(tmp_path: Path) -> None:
    def answer(seen: Seen) -> Scripted:
        if "Give n" in seen.prompt:
            return Scripted(text='{"n": "Zoë 中"}')
        return Scripted(text=seen.prompt, usage=None if "<b>" in seen.prompt else (1105, 21))

    schema = "{type: object, properties: {n: {type: string}}, required: [n], additionalProperties: false}"
    with Gateway(default=answer) as gateway:
        text = config(
            gateway,
            tmp_path,
            whole='prompt: "{filename} {stem} {folder} {relpath} {page} of {pages} {{\\"a\\": {x}} {}"'.replace(
                "{{", "{"
            ),
            single='prompt: "page {page}", pages: each',
            form=f"prompt: Give n, schema: {schema}",
            kinds='prompt: "<b> & ü", outputs: [xmp, md, json]',
        )
        with Daemon(text, tmp_path) as daemon:
            daemon.wait_event("service.ready")
            drop(tmp_path / "whole", "sub/t 1.TIF", tiff(3))
            drop(tmp_path / "single", "t.tif", tiff(2))
            drop(tmp_path / "form", "a.png", picture(seed=1))
            drop(tmp_path / "kinds", "a.png", picture(seed=2))
            for folder, file in (
                ("whole", "sub/t 1.TIF"),
                ("single", "t.tif"),
                ("form", "a.png"),
                ("kinds", "a.png"),
            ):
                done = daemon.wait_event("file.done", folder=folder, file=file)
                assert done.keys() >= {
                    "level", "timestamp", "model", "seconds", "attempt", "input_tokens", "output_tokens", "cost",
                }  # fmt: skip
        assert not daemon.noise
        log = json.dumps(daemon.events, ensure_ascii=False)
        assert not any(secret in log for secret in ("sk-test-key", "Zoë", "base64"))
    assert (tmp_path / "whole/sub/t 1.TIF.txt").read_text() == (
        't 1.TIF t 1 whole sub/t 1.TIF 1-3 of 3 {"a": {x}} {}\n'
    )
    assert (tmp_path / "single/t.tif.txt").read_text() == "page 1\n\fpage 2\n"
    single = json.loads((tmp_path / "single/t.tif.json").read_text())
    assert [p["page"] for p in single["pages"]] == [1, 2]
    assert (single["attempts"], single["usage"]["input_tokens"]) == (2, 2210)
    assert (tmp_path / "form/a.png.txt").read_text() == '{\n  "n": "Zoë 中"\n}\n'
    form = json.loads((tmp_path / "form/a.png.json").read_text())
    assert (form["data"], form["pages"], form["request_id"]) == ({"n": "Zoë 中"}, None, "req-1")
    assert form["model"] == {
        "entry": "m",
        "api": "responses",
        "asked": "named",
        "answered": "named-2024-08-06",
    }
    assert names(tmp_path / "kinds") == ["a.png", "a.png.json", "a.png.md", "a.png.xmp"]
    assert "&lt;b&gt; &amp; ü" in (tmp_path / "kinds/a.png.xmp").read_text()
    assert json.loads((tmp_path / "kinds/a.png.json").read_text())["usage"]["estimated"] is True


def test_the_shapes_of_json_and_a_lost_folder_in_status_at_once(tmp_path: Path) -> None:
    def data(*arguments: str) -> Any:
        result = glimpsed(*arguments, "--json", home=tmp_path)
        assert result.returncode == 0, result.stderr
        return json.loads(result.stdout)

    with Gateway() as gateway, Daemon(config(gateway, tmp_path, own=""), tmp_path) as daemon:
        daemon.wait_event("service.ready")
        drop(tmp_path / "own", "bad.png", b"\x89PNG\r\n\x1a\n nothing more")
        daemon.wait_event("file.failed", file="bad.png")
        status = data("status")
        assert status["daemon"].keys() >= {"running", "pid", "since"}
        assert status["daemon"]["pid"] == daemon.process.pid
        assert status["folders"]["own"].keys() >= {"state", "mode", *STATES}
        assert status["models"]["m"].keys() >= {"state", "reason", "until"}
        assert status["spend"].keys() >= {"day", "month", "currency"}
        assert data("failures")[0].keys() >= {"folder", "file", "reason", "since", "attempts"}
        estimate = data("estimate")
        assert estimate["folders"]["own"].keys() >= ESTIMATE
        assert estimate["total"].keys() >= ESTIMATE
        check = data("check", "--online")
        assert check.keys() >= {"ok", "config", "folders", "models"}
        assert check["folders"]["own"].keys() >= {"path", "filesystem", "mode", "problem"}
        assert check["models"]["m"] | {"seconds": None} == {
            "api": "responses",
            "reachable": True,
            "problem": None,
            "seconds": None,
        }
        os.rename(tmp_path / "own", tmp_path / "away")
        lost = daemon.wait_event("folder.lost", folder="own")
        assert lost.keys() >= {"mode", "filesystem"}
        assert data("status")["folders"]["own"]["state"] == "lost"
        os.rename(tmp_path / "away", tmp_path / "own")
        daemon.wait_event("folder.back", folder="own")
        assert data("status")["folders"]["own"]["state"] == "watching"


def test_a_new_key_ends_a_pause_which_cost_the_file_no_attempt(tmp_path: Path) -> None:
    with Gateway(key="sk-right-0123") as gateway:
        key = tmp_path / "key"
        key.write_text("sk-wrong-0123")
        text = config(gateway, tmp_path, own="").replace("api_key_env: GLIMPSED_API_KEY", "api_key_file: key")
        with Daemon(text, tmp_path) as daemon:
            drop(tmp_path / "own", "a.png", picture())
            assert daemon.wait_event("model.paused", model="m")["level"] == "warning"
            status_when(lambda told: told["folders"]["own"]["queued"] == 1, tmp_path)
            status = status_when(lambda told: told["models"]["m"]["state"] == "paused", tmp_path)
            assert "401" in status["models"]["m"]["reason"]
            key.write_text("sk-right-0123")
            daemon.process.send_signal(signal.SIGHUP)
            daemon.wait_event("model.resumed", model="m")
            daemon.wait_event("file.done", file="a.png")
            assert "sk-right" not in json.dumps(daemon.events)
        assert json.loads((tmp_path / "own/a.png.json").read_text())["attempts"] == 1


def test_exit_codes_of_commands(tmp_path: Path) -> None:
    def code(*arguments: str | Path) -> int:
        result = glimpsed(*arguments, home=tmp_path)
        assert "Traceback" not in result.stderr
        return result.returncode

    assert code("check", "-c", "none.yaml") == 78
    assert (code("init"), code("init"), code("check")) == (0, 2, 0)
    (tmp_path / "inbox").rmdir()
    assert (code("check"), code("frobnicate")) == (1, 2)
    schema = json.loads(glimpsed("schema", home=tmp_path).stdout)
    example = Path(__file__).parents[2] / "config.example.yaml"
    jsonschema.Draft202012Validator.check_schema(schema)
    jsonschema.validate(yaml.safe_load(example.read_text()), schema)
    with Gateway() as gateway:
        (tmp_path / "glimpsed.yaml").write_text(config(gateway, tmp_path, own="prompt: p", two="prompt: q"))
        good, bad = drop(tmp_path / "own", "a.png", picture()), drop(tmp_path / "two", "b.png", b"no picture")
        assert code("once") == 1
        older = glimpsed("once", home=tmp_path)
        assert older.returncode == 0
        assert "earlier" in older.stdout
        assert code("redo", good) == 2  # nobody is at a terminal to be asked
        assert code("redo", good, "--yes") == 0
        assert code("once") == 0
        assert len(gateway.requests) == 2
        elsewhere = drop(tmp_path, "c.png", picture(seed=2))
        assert (code("try", good), code("try", bad), code("try", elsewhere)) == (0, 1, 2)
        assert code("try", elsewhere, "--prompt", "What is it?") == 0
        drop(tmp_path / "own", "d.png", picture(seed=3))
        gateway.default = Scripted(text="half", finish="length")
        assert code("once") == 1
        happened, advice, empty, *_ = (tmp_path / "own/d.png.error.txt").read_text().splitlines()
        assert (happened[0], happened[-1], advice[-1], empty) == ("N", ".", ".", "")
        gateway.default = Scripted(status=401, body={"error": {"message": "no", "code": "invalid_api_key"}})
        assert (code("try", good), code("check", "--online")) == (69, 69)
