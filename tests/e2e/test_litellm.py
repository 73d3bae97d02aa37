"""A gateway that somebody else wrote: the LiteLLM proxy answers both APIs through the real program.

The proxy is installed from PyPI into a virtual environment of its own in pytest's cache (about 750 MB, a
minute). Its models are mocked, or are our own gateway behind it: only the installation needs a network.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from daemon import Daemon, glimpsed
from foreign import free_port, installed, serving
from gateway import Gateway, Scripted
from pictures import drop, picture

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1800)]

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
    program = installed(
        request.config.cache.mkdir("litellm"),  # type: ignore[union-attr]
        "litellm[proxy]",
        program="litellm",
    )
    home = tmp_path_factory.mktemp("litellm")
    (home / "config.yaml").write_text(MODELS.replace("BACKEND", backend.base_url))
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    where = ["--config", "config.yaml", "--host", "127.0.0.1", "--port", str(port), "--telemetry", "False"]
    local = {"LITELLM_LOCAL_MODEL_COST_MAP": "True"}
    with serving([program, *where], home, health=f"{url}/health/liveliness", env=local):
        yield f"{url}/v1"


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
