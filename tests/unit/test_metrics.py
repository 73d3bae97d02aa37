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
from glimpsed.metrics.server import Server

pytest.importorskip("prometheus_client")


@pytest.fixture(autouse=True)
def fresh() -> Iterator[None]:
    metrics._on = None
    yield
    metrics._on = None


@pytest.fixture
def serve() -> Iterator[Callable[..., Server]]:
    servers: list[Server] = []

    def start(where: str = "127.0.0.1:0", **given: Any) -> Server:
        given = {"health": lambda: None, "ready": lambda: None, **given}
        servers.append(metrics.serve(where, **given))
        return servers[-1]

    yield start
    for server in servers:
        server.stop()


def get(server: Server, path: str) -> httpx.Response:
    with httpx.Client(trust_env=False) as client:
        return client.get(f"http://127.0.0.1:{server.port}{path}", timeout=10)


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


def test_everything_told_is_shown(serve: Callable[..., Server]) -> None:
    server = serve()
    tell_everything()
    reply = get(server, "/metrics")
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


def test_what_a_reload_removed_is_not_shown_any_more(serve: Callable[..., Server]) -> None:
    server = serve()
    tell_everything()
    metrics.forget(folders=["in", "never"], models=["m", "never"])
    gauges = [line for line in get(server, "/metrics").text.splitlines() if line.startswith("glimpsed_f")]
    assert gauges == []


def test_refresh_comes_before_the_answer_and_may_fail(serve: Callable[..., Server]) -> None:
    ages = iter([5.0])

    async def refresh() -> None:
        metrics.queue_age(next(ages))

    server = serve(refresh=refresh)
    assert "glimpsed_queue_age_seconds 5.0" in get(server, "/metrics").text
    assert "glimpsed_queue_age_seconds 5.0" in get(server, "/metrics").text


def test_health_is_503_with_the_reason(serve: Callable[..., Server]) -> None:
    trouble: list[str | None] = [None]
    server = serve(health=lambda: trouble[0], ready=lambda: "folders are being listed")
    assert (get(server, "/healthz").status_code, get(server, "/healthz").text) == (200, "ok\n")
    trouble[0] = "the ledger cannot be written"
    assert (get(server, "/healthz").status_code, get(server, "/healthz").text) == (503, trouble[0] + "\n")
    assert (get(server, "/readyz").status_code, get(server, "/readyz").text) == (
        503,
        "folders are being listed\n",
    )
    assert get(server, "/").status_code == 404
    with httpx.Client(trust_env=False) as client:
        assert client.post(f"http://127.0.0.1:{server.port}/metrics").status_code == 501


def test_a_client_that_says_nothing_holds_up_nobody(serve: Callable[..., Server]) -> None:
    server = serve()
    with socket.create_connection(("127.0.0.1", server.port)):
        assert get(server, "/healthz").status_code == 200


def test_it_stops_at_once_and_lets_go_of_the_port(serve: Callable[..., Server]) -> None:
    server = metrics.serve("127.0.0.1:0", health=lambda: None, ready=lambda: None)
    port = server.port
    began = time.monotonic()
    server.stop()
    assert time.monotonic() - began < 2
    again = serve(f"127.0.0.1:{port}")
    assert get(again, "/healthz").status_code == 200


def test_a_port_that_is_taken_is_a_config_error_that_says_so(serve: Callable[..., Server]) -> None:
    port = serve().port
    with pytest.raises(
        ConfigError, match=rf"metrics: cannot listen on 127.0.0.1:{port}: Address already in use"
    ):
        serve(f"127.0.0.1:{port}")


@pytest.mark.parametrize(
    ("text", "where"),
    [
        ("127.0.0.1:9464", ("127.0.0.1", 9464)),
        ("9464", ("127.0.0.1", 9464)),
        (":9464", ("127.0.0.1", 9464)),
        ("0.0.0.0:1", ("0.0.0.0", 1)),
        ("[::1]:9464", ("::1", 9464)),
        ("metrics.example:80", ("metrics.example", 80)),
    ],
)
def test_an_address_without_a_host_is_loopback(text: str, where: tuple[str, int]) -> None:
    assert metrics.address(text) == where


@pytest.mark.parametrize("text", ["", "localhost", "localhost:", "localhost:http", "1.2.3.4:70000", "[::1]"])
def test_what_is_no_address_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is not HOST:PORT"):
        metrics.address(text)


def test_without_the_extra_it_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "prometheus_client", None)
    with pytest.raises(MissingExtra, match=re.escape(extras.command("metrics"))):
        metrics.serve("127.0.0.1:0", health=lambda: None, ready=lambda: None)
