"""A gateway that somebody else wrote: the LiteLLM proxy answers both APIs through the real program.

The proxy is installed from PyPI into a virtual environment of its own in pytest's cache (about 750 MB, a
minute). Its models are mocked, or are our own gateway behind it: only the installation needs a network.
"""

from __future__ import annotations

import json
import socket
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from daemon import Daemon, environment, glimpsed, wait_until
from gateway import Gateway, Scripted
from pictures import drop, picture

pytestmark = pytest.mark.slow

KEY = "sk-litellm-test"
TEXT = "Transcribed: hello, Grüße, 你好"
MODELS = f"""
model_list:
  - {{model_name: vision, litellm_params: {{model: openai/gpt-4o, api_key: none, mock_response: "{TEXT}"}}}}
  - {{model_name: structured, litellm_params: {{model: openai/gpt-4o, api_key: none, mock_response: '{{"total": 12.5}}'}}}}
  - {{model_name: limited, litellm_params: {{model: openai/gpt-4o, api_key: none, mock_response: "litellm.RateLimitError"}}}}
  - {{model_name: forwarded, litellm_params: {{model: openai/gpt-4o, api_key: none, api_base: BACKEND}}}}
router_settings: {{num_retries: 0}}
litellm_settings: {{telemetry: false, drop_params: false}}
general_settings: {{master_key: {KEY}, dangerously_allow_mock_testing_request_params: true}}
"""
CONFIG = """
models:
  chat: {{api: chat, model: vision, {entry}}}
  responses: {{api: responses, model: vision, {entry}}}
  chat-forwarded: {{api: chat, model: forwarded, {entry}}}
  responses-forwarded: {{api: responses, model: forwarded, {entry}}}
  chat-stream: {{api: chat, model: forwarded, stream: true, {entry}}}
  responses-stream: {{api: responses, model: forwarded, stream: true, {entry}}}
  broken-stream: {{api: responses, model: vision, stream: true, {entry}}}
  structured: {{api: chat, {entry}}}
  limited: {{api: chat, {entry}}}
  absent: {{api: responses, {entry}}}
defaults: {{settle: 0, settle_limit: 1s, reuse: false}}
folders:
{folders}
log: {{target: json, level: debug}}
"""
FOLDERS = {
    "chat": "model: chat",
    "responses": "model: responses",
    "chat-forwarded": "model: chat-forwarded",
    "responses-forwarded": "model: responses-forwarded",
    "chat-stream": "model: chat-stream",
    "responses-stream": "model: responses-stream",
    "structured": "model: structured, schema: {type: object, required: [total], properties: {total: {type: number}}}",
    "absent": "model: absent, fallbacks: [chat]",
}


@pytest.fixture(scope="module")
def backend() -> Iterator[Gateway]:
    with Gateway(default=Scripted(text=TEXT)) as gateway:
        yield gateway


@pytest.fixture(scope="module")
def proxy(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, backend: Gateway
) -> Iterator[str]:
    """The proxy's base_url."""
    program = installed(request.config.cache.mkdir("litellm"))  # type: ignore[union-attr]
    home = tmp_path_factory.mktemp("litellm")
    (home / "config.yaml").write_text(MODELS.replace("BACKEND", backend.base_url))
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    url = f"http://127.0.0.1:{port}"
    where = ["--config", "config.yaml", "--host", "127.0.0.1", "--port", str(port), "--telemetry", "False"]
    with (home / "out").open("wb") as out:
        process = subprocess.Popen(
            [program, *where],
            cwd=home,
            env=environment(home, {"LITELLM_LOCAL_MODEL_COST_MAP": "True"}),
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=out,
        )
        try:
            wait_until(
                lambda: process.poll() is not None or alive(f"{url}/health/liveliness"),
                "the proxy does not start",
                seconds=120,
            )
            assert process.poll() is None, (home / "out").read_text()[-2000:]
            yield f"{url}/v1"
        finally:
            process.terminate()
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def installed(cache: Path) -> Path:
    """The proxy's program, from its own virtual environment; the test is skipped where it cannot be had."""
    program, whole = cache / "venv" / "bin" / "litellm", cache / "whole"
    if not (program.exists() and whole.exists()):
        commands: tuple[list[str | Path], ...] = (
            [sys.executable, "-m", "venv", "--clear", cache / "venv"],
            [cache / "venv" / "bin" / "python", "-m", "pip", "install", "-q", "litellm[proxy]"],
        )
        for command in commands:
            try:
                done = subprocess.run(command, capture_output=True, text=True, timeout=900, check=False)
            except subprocess.TimeoutExpired:
                pytest.skip("LiteLLM could not be installed within 15 minutes")
            if done.returncode:
                pytest.skip(f"LiteLLM cannot be installed: {done.stderr.strip()[-300:]}")
        whole.touch()
    return program


def alive(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=2) as reply:
            return bool(reply.status == 200)
    except OSError:
        return False


def configured(proxy: str, home: Path, folders: dict[str, str]) -> str:
    for name in folders:
        (home / name).mkdir()
    return CONFIG.format(
        entry=f'base_url: "{proxy}", api_key_env: GLIMPSED_API_KEY',
        folders="\n".join(f"  {name}: {{path: {home / name}, {keys}}}" for name, keys in folders.items()),
    )


def test_litellm_answers_both_apis_streamed_or_not_with_a_schema_and_through_a_fallback(
    proxy: str, backend: Gateway, tmp_path: Path
) -> None:
    (tmp_path / "glimpsed.yaml").write_text(configured(proxy, tmp_path, FOLDERS))
    for number, name in enumerate(FOLDERS):
        drop(tmp_path / name, "scan.jpg", picture("JPEG", seed=number))
    ended = glimpsed("once", home=tmp_path, env={"GLIMPSED_API_KEY": KEY})
    assert ended.returncode == 0, ended.stderr
    sidecars = {name: json.loads((tmp_path / name / "scan.jpg.json").read_text()) for name in FOLDERS}
    for name in set(FOLDERS) - {"structured"}:
        assert sidecars[name]["text"] == TEXT, name
        assert (tmp_path / name / "scan.jpg.txt").read_text() == f"{TEXT}\n"
        assert sidecars[name]["finish"] == "stop"
        assert sidecars[name]["usage"]["output_tokens"] > 0
    assert {name: s["model"]["api"] for name, s in sidecars.items()} == {
        name: "responses" if name.startswith("responses") else "chat" for name in FOLDERS
    }
    assert sidecars["absent"]["model"]["entry"] == "chat"
    assert sidecars["structured"]["data"] == {"total": 12.5}
    assert KEY not in ended.stderr
    assert [p for p in backend.problems if "/v1/models" not in p] == []  # the proxy asks for a list as well
    passed_on = {
        (seen.api, bool(seen.body.get("stream")), seen.images[0].format) for seen in backend.requests
    }
    assert passed_on == {(api, stream, "JPEG") for api in ("chat", "responses") for stream in (False, True)}


def test_litellm_s_errors_are_understood(proxy: str, tmp_path: Path) -> None:
    folders = {"limited": "model: limited", "broken": "model: broken-stream", "chat": "model: chat"}
    config = configured(proxy, tmp_path, folders)
    with Daemon(config, tmp_path, env={"GLIMPSED_API_KEY": KEY}) as daemon:
        drop(tmp_path / "limited", "scan.jpg", picture("JPEG", seed=1))
        drop(tmp_path / "broken", "scan.jpg", picture("JPEG", seed=3))
        assert "429" in daemon.wait_event("file.retry", folder="limited")["reason"]
        # Mocked models do not stream Responses: the 500 holds an event with the error.
        reason = daemon.wait_event("file.retry", folder="broken")["reason"]
        assert "Error processing stream start" in reason
        assert daemon.stop() == 0
    with Daemon(config, tmp_path, env={"GLIMPSED_API_KEY": "sk-of-somebody-else"}) as daemon:
        drop(tmp_path / "chat", "scan.jpg", picture("JPEG", seed=2))
        daemon.wait_event("model.paused", model="chat")
        assert daemon.stop() == 0
    with Daemon(config, tmp_path, env={"GLIMPSED_API_KEY": KEY}) as daemon:
        daemon.wait_event("file.done", folder="chat", file="scan.jpg", attempt=1)
        assert daemon.stop() == 0
