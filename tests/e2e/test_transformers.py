"""A real server with a real vision model: `transformers serve` with a LLaVA of a megabyte, through the real program.

It is installed from PyPI into a virtual environment of its own in pytest's cache (PyTorch: more than a gigabyte, some
minutes). The model is made there, with random eyes and a fixed answer: nothing is loaded from a hub.
"""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from daemon import Daemon, glimpsed
from foreign import free_port, installed, serving
from pictures import drop, picture

pytestmark = [pytest.mark.slow, pytest.mark.timeout(2400)]

SAYS = "SEEN and read"
MAKES = Path(__file__).parents[1] / "tiny_vision.py"
CONFIG = """
models:
  chat: {{api: chat, {entry}}}
  stream: {{api: chat, stream: true, {entry}}}
  responses: {{api: responses, {entry}}}
defaults: {{settle: 0, reuse: false}}
folders:
  chat: {{path: chat, model: chat, system: You read., temperature: 0.1, user: office, detail: high}}
  stream: {{path: stream, model: stream}}
  responses: {{path: responses, model: responses}}
log: {{target: json, level: debug}}
"""
FOLDERS = ("chat", "stream", "responses")


@pytest.fixture(scope="module")
def server(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[str, Path]]:
    """Its base_url, and the model's path, which is its name."""
    program = installed(
        request.config.cache.mkdir("transformers"),  # type: ignore[union-attr]
        "torch==2.13.0",
        "transformers[serving]",
        "pillow",
        program="transformers",
    )
    home = tmp_path_factory.mktemp("transformers")
    made = subprocess.run(
        [program.with_name("python"), MAKES, home / "model"], capture_output=True, text=True, check=False
    )
    if made.returncode:
        pytest.skip(f"this release makes no such model: {made.stderr.strip()[-300:]}")
    port = free_port()
    command = [program, "serve", "--host", "127.0.0.1", "--port", str(port)]
    with serving(command, home, health=f"http://127.0.0.1:{port}/health", env={"HF_HUB_OFFLINE": "1"}):
        yield f"http://127.0.0.1:{port}/v1", home / "model"


def test_a_real_vision_model_answers_in_each_way(server: tuple[str, Path], tmp_path: Path) -> None:
    url, model = server
    entry = f'base_url: "{url}", model: "{model}", concurrency: 1'
    config = CONFIG.format(entry=entry)
    for seed, name in enumerate(FOLDERS):
        (tmp_path / name).mkdir()
        drop(tmp_path / name, "scan.png", picture(seed=seed))
    with Daemon(config, tmp_path) as daemon:
        for name in FOLDERS:
            daemon.wait_event("file.done", folder=name, file="scan.png", seconds=300)
        assert daemon.stop() == 0
    for name in FOLDERS:
        answer = json.loads((tmp_path / name / "scan.png.json").read_text())
        assert answer["text"] == SAYS, name
        assert answer["finish"] == "stop"
        assert answer["usage"]["output_tokens"] > 0
    (tmp_path / "glimpsed.yaml").write_text(config)
    tried = glimpsed("try", "chat/scan.png", home=tmp_path)
    assert (tried.returncode, tried.stdout.strip()) == (0, SAYS)
