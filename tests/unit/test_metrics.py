"""What Prometheus and a load balancer see, over real HTTP."""

from __future__ import annotations

import re
import socket
import sys
import time
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest

from glimpsed import __version__, extras, metrics
from glimpsed.errors import ConfigError, MissingExtra
from glimpsed.httpd import Httpd

pytest.importorskip("prometheus_client")


@pytest.fixture(autouse=True)
def fresh() -> Iterator[None]:
    metrics._on = None
    yield
    metrics._on = None


@pytest.fixture
def serve() -> Iterator[Callable[..., int]]:
    """Answers on a port of loopback, and says which."""
    servers: list[Httpd] = []

    def start(where: int = 0, **given: Any) -> int:
        given = {"health": lambda: None, "ready": lambda: None, **given}
        servers.append(Httpd())
        port = servers[-1].open("metrics", ("127.0.0.1", where))
        port.rest = metrics.application(**given)
        return port.addresses[0][1]

    yield start
    for server in servers:
        server.stop()


def get(port: int, path: str) -> httpx.Response:
    with httpx.Client(trust_env=False) as client:
        return client.get(f"http://127.0.0.1:{port}{path}", timeout=10)


def tell_everything() -> None:
    metrics.files("in", {"done": 3, "failed": 1})
    metrics.request("m", "ok")
    metrics.request("m", "retry")
    metrics.stage("model", 2.0)
    metrics.usage("m", 100, 20, 0.5, "EUR")
    metrics.queue_age(12.0)
    metrics.folder("in", up=True, mode="poll")
    metrics.paused("m", paused=True)
    metrics.rescan("in")
    metrics.worker_death()


def test_everything_told_is_shown(serve: Callable[..., int]) -> None:
    port = serve()
    tell_everything()
    reply = get(port, "/metrics")
    assert reply.status_code == 200
    assert reply.headers["content-type"].startswith("text/plain")
    assert {
        f'glimpsed_info{{version="{__version__}"}} 1.0',
        'glimpsed_files{folder="in",state="done"} 3.0',
        'glimpsed_files{folder="in",state="failed"} 1.0',
        'glimpsed_requests_total{model="m",verdict="ok"} 1.0',
        'glimpsed_requests_total{model="m",verdict="retry"} 1.0',
        'glimpsed_stage_seconds_bucket{le="1.0",stage="model"} 0.0',
        'glimpsed_stage_seconds_bucket{le="2.5",stage="model"} 1.0',
        'glimpsed_tokens_total{direction="input",model="m"} 100.0',
        'glimpsed_tokens_total{direction="output",model="m"} 20.0',
        'glimpsed_cost_total{currency="EUR",model="m"} 0.5',
        "glimpsed_queue_age_seconds 12.0",
        'glimpsed_folder_up{folder="in"} 1.0',
        'glimpsed_folder_watch_mode{folder="in",mode="poll"} 1.0',
        'glimpsed_folder_watch_mode{folder="in",mode="inotify"} 0.0',
        'glimpsed_model_paused{model="m"} 1.0',
        'glimpsed_rescans_total{folder="in"} 1.0',
        "glimpsed_image_worker_deaths_total 1.0",
    } <= set(reply.text.splitlines())


def test_nothing_happens_until_it_is_served() -> None:
    tell_everything()
    metrics.forget(folders=["in"], models=["m"])
    assert metrics._on is None


def test_what_a_reload_removed_is_not_shown_any_more(serve: Callable[..., int]) -> None:
    port = serve()
    tell_everything()
    metrics.forget(folders=["in", "never"], models=["m", "never"])
    gauges = [line for line in get(port, "/metrics").text.splitlines() if line.startswith("glimpsed_f")]
    assert gauges == []


def test_refresh_comes_before_the_answer_and_may_fail(serve: Callable[..., int]) -> None:
    ages = iter([5.0])

    async def refresh() -> None:
        metrics.queue_age(next(ages))

    port = serve(refresh=refresh)
    assert "glimpsed_queue_age_seconds 5.0" in get(port, "/metrics").text
    assert "glimpsed_queue_age_seconds 5.0" in get(port, "/metrics").text


def test_health_is_503_with_the_reason(serve: Callable[..., int]) -> None:
    trouble: list[str | None] = [None]
    port = serve(health=lambda: trouble[0], ready=lambda: "folders are being listed")
    assert (get(port, "/healthz").status_code, get(port, "/healthz").text) == (200, "ok\n")
    trouble[0] = "the ledger cannot be written"
    assert (get(port, "/healthz").status_code, get(port, "/healthz").text) == (503, trouble[0] + "\n")
    assert (get(port, "/readyz").status_code, get(port, "/readyz").text) == (
        503,
        "folders are being listed\n",
    )
    assert get(port, "/").status_code == 404
    with httpx.Client(trust_env=False) as client:
        assert client.post(f"http://127.0.0.1:{port}/metrics").status_code == 501


def test_a_client_that_says_nothing_holds_up_nobody(serve: Callable[..., int]) -> None:
    port = serve()
    with socket.create_connection(("127.0.0.1", port)):
        assert get(port, "/healthz").status_code == 200


def test_it_stops_at_once_and_lets_go_of_the_port(serve: Callable[..., int]) -> None:
    server = Httpd()
    port = server.open("metrics", ("127.0.0.1", 0)).addresses[0][1]
    began = time.monotonic()
    server.stop()
    assert time.monotonic() - began < 2
    assert get(serve(port), "/healthz").status_code == 200


def test_a_port_that_is_taken_is_a_config_error_that_says_so(serve: Callable[..., int]) -> None:
    port = serve()
    with pytest.raises(
        ConfigError, match=rf"metrics: cannot listen on 127.0.0.1:{port}: Address already in use"
    ):
        serve(port)


@pytest.mark.parametrize("extra", ["prometheus_client", "uvicorn"])
def test_without_the_extra_it_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch, extra: str) -> None:
    monkeypatch.setitem(sys.modules, extra, None)
    with pytest.raises(MissingExtra, match=re.escape(extras.command("metrics"))):
        metrics.application(health=lambda: None, ready=lambda: None)
