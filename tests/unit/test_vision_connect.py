"""An entry becomes a model; what it does not need is not imported."""

from __future__ import annotations

import json
import re
import subprocess
import sys

import pytest

from glimpsed.config.schema import ModelEntry
from glimpsed.errors import VisionError
from glimpsed.model import Image, Request
from glimpsed.vision import Memory, connect, preview
from glimpsed.vision.remote import RemoteModel
from proxy import Proxy

ENTRY = ModelEntry(name="m", api="chat", base_url="http://127.0.0.1:9/v1/", model="gpt-4o", key="sk-secret")


@pytest.mark.anyio
async def test_an_entry_with_an_api_is_a_remote_model_and_nothing_is_sent_yet() -> None:
    model = connect(ENTRY, Memory())
    assert isinstance(model, RemoteModel)
    assert (model.entry, model.ceiling().edge, model.ceiling().bytes) == (ENTRY, None, None)
    await model.aclose()


def test_preview_shows_the_request_without_image_data_and_key() -> None:
    shown = preview(ENTRY, Request("Read.", (Image(1, "image/png", 4, 3, b"data"),)))
    assert shown["url"] == "http://127.0.0.1:9/v1/chat/completions"
    assert "data:image/png;base64,…" in json.dumps(shown, ensure_ascii=False)
    assert "secret" not in repr(shown)


def test_preview_shows_the_query_but_nothing_in_it_that_may_be_a_key() -> None:
    entry = ENTRY.model_copy(update={"query": {"api-version": "2024-10-21", "code": "s3cr3t-code"}})
    shown = preview(entry, Request("Read.", (Image(1, "image/png", 4, 3, b"data"),)))
    assert shown["url"] == "http://127.0.0.1:9/v1/chat/completions?api-version=2024-10-21&code=hidden"
    assert "s3cr3t-code" in entry.secrets
    assert "s3cr3t" not in repr(entry)


def test_import_brings_no_http_client_and_no_image_library() -> None:
    code = "import sys, glimpsed.vision; print([m for m in ('httpx', 'PIL', 'jsonschema', 'onnxruntime') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.anyio
@pytest.mark.parametrize("status", [503, 403, 404])
async def test_a_status_that_may_be_the_proxys_own_names_the_proxy(
    monkeypatch: pytest.MonkeyPatch, status: int
) -> None:
    monkeypatch.delenv("NO_PROXY", raising=False)
    with Proxy(refuse=status) as proxy:
        monkeypatch.setenv("HTTP_PROXY", proxy.url)
        entry = ModelEntry(
            name="m", api="chat", base_url="http://models.invalid/v1", model="m", allow_http=True
        )
        model = connect(entry, Memory())
        with pytest.raises(VisionError, match=re.escape(f"(through the proxy {proxy.url})")):
            await model.ask(Request("Read.", (Image(1, "image/png", 4, 3, b"data"),)))
        await model.aclose()
