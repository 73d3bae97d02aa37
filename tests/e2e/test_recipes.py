"""The recipes of the documentation, as their pages have them: the real program, with each page's config and commands.

Only what a reader changes is changed: the gateway's address, the path of the folder, how long a file has to be quiet.
"""

from __future__ import annotations

import contextlib
import csv
import json
import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from daemon import Daemon, environment, glimpsed, read_sidecar, wait_until
from gateway import Gateway, Scripted, Seen
from ledger_fixtures import Postgres
from pictures import drop, picture
from webhook import Hook

REPO = Path(__file__).parents[2]
DOCS = REPO / "docs"
SECRET = "s-12345678"
INVOICE = {"number": "4711", "date": "2026-11-05", "supplier": "ACME", "total": 12.5}
PHOTO = {"title": "A lake", "description": "A lake. Two boats.", "keywords": ["lake", "boat"]}


def fenced(page: Path, kind: str) -> list[str]:
    """The page's blocks of this language."""
    return re.findall(rf"(?ms)^```{kind}\n(.*?)^```", page.read_text(encoding="utf-8"))


def commands(page: Path) -> list[str]:
    """What the page says to type, without the remarks."""
    lines = re.findall(r"(?m)^    (glimpsed .*)$", page.read_text(encoding="utf-8"))
    return [line.partition("  #")[0].rstrip() for line in lines]


def configs(page: Path) -> list[dict[str, Any]]:
    return [yaml.safe_load(block) for block in fenced(page, "yaml")]


def settled(config: dict[str, Any], home: Path, bases: dict[str, str]) -> str:
    """The page's config, for here: `bases` has a base_url by model, "" is any other's."""
    for name, model in config.get("models", {}).items():
        if "base_url" in model:
            model["base_url"] = bases.get(name, bases.get("", model["base_url"]))
    for name, folder in config["folders"].items():
        folder["path"] = name
        folder["settle"] = "50ms"
        (home / name).mkdir(exist_ok=True)
    text = yaml.safe_dump(config)
    (home / "glimpsed.yaml").write_text(text)
    return text


def typed(line: str, home: Path, env: dict[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    """A command line as it is, by a shell that finds `glimpsed`."""
    path = home / "bin"
    path.mkdir(exist_ok=True)
    (path / "glimpsed").write_text(f'#!/bin/sh\nexec {shlex.quote(sys.executable)} -m glimpsed "$@"\n')
    (path / "glimpsed").chmod(0o755)
    (home / "samples").exists() or (home / "samples").symlink_to(REPO / "samples")
    base = environment(home, env)
    return subprocess.run(
        ["sh", "-c", line],
        cwd=home,
        env={**base, "PATH": f"{path}:{base['PATH']}"},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )


@contextlib.contextmanager
def gateways(*prefixes: str, **given: Any) -> Iterator[list[Gateway]]:
    with contextlib.ExitStack() as stack:
        yield [stack.enter_context(Gateway(prefix=prefix, **given)) for prefix in prefixes]


def test_invoices_go_to_the_webhook_are_filed_and_make_a_table(tmp_path: Path) -> None:
    page = DOCS / "recipes/invoices.md"
    (config,) = configs(page)
    (python,) = fenced(page, "python")
    with Gateway(default=Scripted(text=json.dumps(INVOICE))) as gateway, Hook(503) as hook:
        config["folders"]["invoices"]["on_done"]["webhook"]["url"] = hook.url
        text = settled(config, tmp_path, {"": gateway.base_url})
        drop(tmp_path / "invoices", "scan.jpg", picture("JPEG"))
        with Daemon(text, tmp_path, env={"ERP_SECRET": SECRET}) as daemon:
            filed = tmp_path / "filed/ACME/2026/2026-11-05 ACME 4711.jpg"
            wait_until(filed.exists, f"not filed: {daemon.tail()}")
        assert read_sidecar(filed.with_name(f"{filed.name}.json"))["data"] == INVOICE
        headers, body = hook.heard[-1]
        assert len(set(hook.keys)) == 1  # tried again under the same key
        names: dict[str, Any] = {}
        exec(python, names)
        assert names["genuine"](body, headers["X-Glimpsed-Signature"], SECRET.encode())
        assert not names["genuine"](body + b" ", headers["X-Glimpsed-Signature"], SECRET.encode())
        assert json.loads(body)["data"] == INVOICE

        drop(tmp_path / "known", "a.jpg", picture("JPEG", seed=2))
        (tmp_path / "known/a.jpg.expected.json").write_text(json.dumps(INVOICE))
        for line in commands(page):
            done = typed(line, tmp_path, {"ERP_SECRET": SECRET})
            assert done.returncode == 0, f"{line}: {done.stdout}{done.stderr}"
    (row,) = csv.DictReader((tmp_path / "invoices.csv").read_text(encoding="utf-8-sig").splitlines())
    assert {key: row[key] for key in INVOICE} == {key: str(value) for key, value in INVOICE.items()}
    assert (tmp_path / "invoices.xlsx").read_bytes().startswith(b"PK")


def test_photos_get_the_xmp_that_photo_programs_look_for(tmp_path: Path) -> None:
    (config,) = configs(DOCS / "recipes/photos.md")
    with Gateway(default=Scripted(text=json.dumps(PHOTO))) as gateway:
        settled(config, tmp_path, {"": gateway.base_url})
        drop(tmp_path / "photos", "lake.jpg", picture("JPEG"))
        done = glimpsed("once", "-q", home=tmp_path)
    assert done.returncode == 0, done.stderr
    xmp = (tmp_path / "photos/lake.jpg.xmp").read_text(encoding="utf-8")
    assert re.search(r"(?s)<dc:title>.*A lake.*</dc:title>", xmp)
    assert re.search(r"(?s)<dc:description>.*Two boats.*</dc:description>", xmp)
    assert re.search(r"(?s)<dc:subject>.*<rdf:li>lake</rdf:li>.*<rdf:li>boat</rdf:li>.*</dc:subject>", xmp)


# What each server says where it is not yet, or not altogether, as the others are.
LOADING = Scripted(503, {"error": {"code": 503, "message": "Loading model", "type": "unavailable_error"}})
TOO_LONG = (
    "This model's maximum context length is 8192 tokens. However, you requested 17000 tokens (616 in the "
    "messages, 16384 in the completion). Please reduce the length of the messages or completion."
)
VLLM = {"object": "error", "message": TOO_LONG, "type": "BadRequestError", "param": None, "code": 400}


def lm_studio(seen: Seen) -> Scripted:
    kind = seen.body.get("response_format", {}).get("type")
    if kind == "json_object":
        return Scripted(400, {"error": "'response_format.type' must be 'json_schema' or 'text'"})
    return Scripted(text='{"total": 1}' if kind else "GOOD")


def vllm(seen: Seen) -> Scripted:
    return Scripted(400, VLLM) if seen.body.get("max_tokens", 0) > 7000 else Scripted(text='{"total": 1}')


def test_local_servers_answer_as_they_are_configured(tmp_path: Path) -> None:
    page = DOCS / "recipes/local-servers.md"
    (config,) = configs(page)
    names = list(config["models"])
    assert names == ["ollama", "lm-studio", "llama-cpp", "vllm"]
    schema = {"type": "object", "properties": {"total": {"type": "number"}}, "required": ["total"]}
    config["folders"] = {name: {"model": name, "prompt": "What is the total?", "schema": schema, "path": ""} for name in names}  # fmt: skip
    json_text = Scripted(text='{"total": 1}')
    with gateways(*["/v1"] * 4, apis=["chat"], default=json_text) as servers:
        by_name = dict(zip(names, servers, strict=True))
        by_name["lm-studio"].default = lm_studio
        by_name["vllm"].default = vllm
        settled(config, tmp_path, {name: server.base_url for name, server in by_name.items()})
        for line in commands(page):
            done = typed(line, tmp_path)
            assert done.returncode == 0, f"{line}: {done.stdout}{done.stderr}"
        by_name["llama-cpp"].script(LOADING)
        for number, name in enumerate(names):
            drop(tmp_path / name, "page.jpg", picture("JPEG", seed=number))
        done = glimpsed("once", home=tmp_path)
        assert done.returncode == 0, done.stderr
        for name, server in by_name.items():
            assert read_sidecar(tmp_path / name / "page.jpg.json")["data"] == {"total": 1}
            assert server.requests[-1].body["model"] == config["models"][name]["model"]
            assert "authorization" not in server.requests[-1].headers


def test_azure_gets_its_key_its_version_and_its_deployment(tmp_path: Path) -> None:
    v1, classic = configs(DOCS / "recipes/azure.md")
    prefixes = ["/openai/v1", "/openai/deployments/my-gpt-4o"]
    assert [
        next(iter(c["models"].values()))["base_url"].partition(".com")[2] for c in (v1, classic)
    ] == prefixes
    with gateways(*prefixes) as servers:
        for number, (config, server) in enumerate(zip((v1, classic), servers, strict=True)):
            settled(config, tmp_path, {"": server.base_url})
            drop(tmp_path / "scans", f"{number}.jpg", picture("JPEG", seed=number))
            done = glimpsed("once", "-q", home=tmp_path, env={"AZURE_KEY": "a-12345678"})
            assert done.returncode == 0, done.stderr
            assert [s.headers["api-key"] for s in server.requests] == ["a-12345678"]
            assert "authorization" not in server.requests[0].headers
        assert servers[0].requests[0].body["model"] == "my-gpt-4o"
        assert (servers[1].requests[0].api, servers[1].requests[0].query) == (
            "chat",
            "api-version=2024-10-21",
        )


def test_the_gateway_of_many_models_goes_on_with_the_fallback(tmp_path: Path) -> None:
    page = DOCS / "recipes/gateway.md"
    (config,) = configs(page)
    refusal = {"error": {"message": "Your request was rejected by our safety system.", "type": "invalid_request_error",
                         "code": "content_policy_violation"}}  # fmt: skip

    def reply(seen: Seen) -> Scripted:
        return Scripted(400, refusal) if seen.body["model"] == "gpt-4o" and refused else Scripted()

    refused = False
    with Gateway(default=reply) as gateway:
        settled(config, tmp_path, {"": gateway.base_url})
        for line in commands(page):
            done = typed(line, tmp_path)
            assert done.returncode == 0, f"{line}: {done.stdout}{done.stderr}"
        asked = {seen.body["model"]: seen.api for seen in gateway.requests}
        assert asked == {name: config["models"][name].get("api", "responses") for name in config["models"]}
        refused = True
        drop(tmp_path / "scans", "page.jpg", picture("JPEG"))
        done = glimpsed("once", "-q", home=tmp_path)
        assert done.returncode == 0, done.stderr
    assert read_sidecar(tmp_path / "scans/page.jpg.json")["model"]["entry"] == "gemini-2.5-flash"


def test_cron_hears_nothing_but_of_what_went_wrong(tmp_path: Path) -> None:
    page = DOCS / "recipes/cron.md"
    (config,) = configs(page)
    line = re.search(r"(?m)^    \*/15 \* \* \* \*  (.*)$", page.read_text())
    assert line is not None
    program, *_ = line[1].split()
    assert program == "/usr/local/bin/glimpsed"
    with Gateway(key="sk-of-a-file-12345678") as gateway:
        settled(config, tmp_path, {"": gateway.base_url})
        (tmp_path / "openai.key").write_text("sk-of-a-file-12345678\n")
        (tmp_path / "openai.key").chmod(0o600)
        job = line[1].replace(program, "glimpsed")
        drop(tmp_path / "inbox", "good.jpg", picture("JPEG"))
        done = typed(job, tmp_path)
        assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
        assert (tmp_path / "inbox/good.jpg.txt").exists()
        drop(tmp_path / "inbox", "torn.jpg", b"\xff\xd8 torn")
        done = typed(job, tmp_path)
        assert done.returncode == 1
        assert "torn.jpg" in done.stdout + done.stderr
        assert typed(job, tmp_path).returncode == 0  # said once
        assert len(gateway.requests) == 1


def test_an_archive_waits_for_the_word_of_approval(tmp_path: Path) -> None:
    page = DOCS / "recipes/archive.md"
    (config,) = configs(page)
    assert config["folders"]["archive"]["poll"] == "1m"
    config["backlog_confirm"] = 2
    config["folders"]["archive"]["poll"] = "1s"
    with Gateway() as gateway:
        text = settled(config, tmp_path, {"": gateway.base_url})
        for number in range(3):
            drop(tmp_path / "archive", f"{number}.jpg", picture("JPEG", seed=number))
        drop(tmp_path / "archive/thumbnails", "0.jpg", picture("JPEG", seed=9))
        with Daemon(text, tmp_path) as daemon:
            daemon.wait_event("backlog.waiting")
            assert gateway.requests == []
            for line in commands(page):
                done = typed(line, tmp_path)
                assert done.returncode == 0, f"{line}: {done.stdout}{done.stderr}"
            daemon.wait_event("file.done", count=3)
            assert sorted(os.listdir(tmp_path / "archive/thumbnails")) == ["0.jpg"]
        assert len(gateway.requests) == 3


def test_several_hosts_ask_once_wherever_each_has_mounted_the_share(
    tmp_path: Path, postgres: Postgres
) -> None:
    (config,) = configs(DOCS / "recipes/several-hosts.md")
    assert config["state"].startswith("postgresql+psycopg://")
    postgres.wipe()
    share = tmp_path / "share"
    with Gateway() as gateway:
        config |= {
            "state": postgres.url,
            "models": {"m": {"api": "chat", "base_url": gateway.base_url}},
            "defaults": {"model": "m"},
        }
        for number, host in enumerate(("scan1", "scan2")):
            home = tmp_path / host
            home.mkdir()
            settled(config, home, {})
            (home / "archive").rmdir()
            if number:
                share.rename(home / "archive")  # the same file system, under another path
            drop(home / "archive", f"{number}.jpg", picture("JPEG", seed=number))
            done = glimpsed("once", "-q", home=home)
            assert (done.returncode, done.stderr) == (0, "")
            assert (home / "archive" / f"{number}.jpg.txt").exists()
            assert len(gateway.requests) == number + 1
            (home / "archive").rename(share)


@pytest.mark.parametrize("page", ["README.md", "docs/first-steps.md"])
def test_a_first_config_for_an_api_is_checked_tried_and_run(tmp_path: Path, page: str) -> None:
    config = configs(REPO / page)[0]
    with Gateway() as gateway:
        settled(config, tmp_path, {"": gateway.base_url})
        for line in commands(REPO / page):
            if line.startswith(("glimpsed check", "glimpsed try", "glimpsed estimate", "glimpsed approve")):
                done = typed(line, tmp_path)
                assert done.returncode == 0, f"{line}: {done.stdout}{done.stderr}"
        drop(tmp_path / "invoices", "invoice.jpg", picture("JPEG"))
        assert glimpsed("once", "-q", home=tmp_path).returncode == 0
    assert (tmp_path / "invoices/invoice.jpg.txt").read_text() == "The quick brown fox.\n"
