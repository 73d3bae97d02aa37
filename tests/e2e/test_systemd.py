"""The installed service under a real systemd: start, credential, journal, reload, watchdog, drain."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from daemon import wait_until
from gateway import Gateway, Scripted
from glimpsed import __version__
from machine import Machine, obstacle
from pictures import LETTER, drop, page, picture

REPO = Path(__file__).parents[2]
SOURCES = ("Makefile", "pyproject.toml", "README.md", "CHANGELOG.md", "LICENSE", "config.example.yaml",
           "daemon", "systemd", ".ci")  # fmt: skip
PYTHON = "/usr/bin/python3"
KEY = "sk-credential-0123456789abcdef"
CONFIG = """
state: sqlite:////var/lib/glimpsed/ledger.sqlite
models:
  m: {{api: chat, base_url: {url}, model: gpt-4o, api_key_credential: glimpsed.api-key}}
  local: {{api: local}}
defaults: {{settle: 100ms, settle_limit: 1s}}
folders:
  invoices: {{path: /srv/scans/invoices, model: m, prompt: "{prompt}"}}
  letters: {{path: /srv/scans/letters, model: local}}
drain: 20s
log: {{level: debug}}
"""
DROP_IN = """
[Unit]
RequiresMountsFor=/srv/scans
[Service]
ReadWritePaths=/srv/scans
WatchdogSec=4s
RestartSec=200ms
"""


@pytest.fixture(scope="module")
def gateway() -> Iterator[Gateway]:
    with Gateway(key=KEY) as gateway:
        yield gateway
    assert gateway.problems == []


@pytest.fixture(scope="module")
def scans(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("scans")
    for folder in (root, root / "invoices", root / "letters"):
        folder.mkdir(exist_ok=True)
        folder.chmod(0o777)
    return root


@pytest.fixture(scope="module")
def machine(scans: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Machine]:
    """A booted machine on which `make install` has run."""
    if (why := obstacle()) is not None:
        pytest.skip(why)
    new_enough = "import sys, ensurepip; sys.exit(sys.version_info < (3, 11))"
    if subprocess.run([PYTHON, "-c", new_enough], check=False, capture_output=True).returncode != 0:
        pytest.skip(f"needs {PYTHON} to be 3.11 or newer, with venv")
    source = tmp_path_factory.mktemp("source")
    for name in SOURCES:
        copy = shutil.copytree if (REPO / name).is_dir() else shutil.copy
        copy(REPO / name, source / name)
    with Machine(
        tmp_path_factory.mktemp("machine"), {scans: "/srv/scans", source: "/usr/src/glimpsed"}
    ) as machine:
        install(machine)
        yield machine


def install(machine: Machine) -> str:
    env = {k: v for k, v in os.environ.items() if k.startswith("PIP_") or k.lower().endswith("_proxy")}
    make = ["make", "-C", "/usr/src/glimpsed", "install", f"SYSTEM_PYTHON={PYTHON}"]
    return machine.run(*make, seconds=1200, env=env).stdout


@pytest.fixture(scope="module")
def service(machine: Machine, gateway: Gateway) -> Machine:
    """The service runs, with a key from a credential and its folders opened by drop-in."""
    machine.write("/etc/credstore/glimpsed.api-key", KEY + "\n", 0o600)
    machine.write("/etc/systemd/system/glimpsed.service.d/folders.conf", DROP_IN)
    machine.write("/etc/glimpsed/config.yaml", CONFIG.format(url=gateway.base_url, prompt="First prompt."))
    machine.run("systemctl", "daemon-reload")
    machine.run("systemctl", "enable", "--now", "glimpsed", check=False)
    if show(machine, "ActiveState") != "active":
        pytest.fail(machine.run("journalctl", "-n", "50", "--no-pager", "-o", "cat").stdout)
    return machine


@pytest.fixture(autouse=True)
def fresh(gateway: Gateway) -> None:
    gateway.reset()


def show(machine: Machine, what: str) -> str:
    return machine.run("systemctl", "show", "-P", what, "glimpsed").stdout.strip()


def journal(machine: Machine, *matches: str) -> list[dict[str, Any]]:
    machine.run("journalctl", "--sync")
    out = machine.run("journalctl", "-o", "json", "-t", "glimpsed", *matches).stdout
    return [json.loads(line) for line in out.splitlines()]


def wait_log(machine: Machine, *matches: str, count: int = 1) -> list[dict[str, Any]]:
    wait_until(lambda: len(journal(machine, *matches)) >= count, f"no {matches} in the journal")
    return journal(machine, *matches)


def exists(path: Path) -> Callable[[], bool]:
    return path.exists


def test_the_install_can_be_repeated_and_keeps_an_edited_config(machine: Machine) -> None:
    machine.run("bash", "-c", "echo '# mine' >> /etc/glimpsed/config.yaml")
    told = install(machine)
    assert "Next:" in told
    assert "install -d -m 2775 -g glimpsed" in told  # what a folder has to be like
    assert "# mine" in machine.run("cat", "/etc/glimpsed/config.yaml").stdout
    assert machine.run("glimpsed", "--version").stdout.strip().endswith(__version__)
    assert machine.run("stat", "-c", "%U %a", "/var/lib/glimpsed").stdout.split() == ["glimpsed", "750"]


def test_as_installed_the_service_starts_and_watches(machine: Machine) -> None:
    machine.run("systemctl", "daemon-reload")
    machine.run("systemctl", "start", "glimpsed")
    assert show(machine, "ActiveState") == "active"
    wait_log(machine, "GLIMPSED_EVENT=folder.watching", "GLIMPSED_FOLDER=scans")
    machine.run("systemctl", "stop", "glimpsed")


def test_a_scan_is_answered_with_a_key_that_only_systemd_and_the_daemon_see(
    service: Machine, scans: Path, gateway: Gateway
) -> None:
    drop(scans / "invoices", "scan.jpg", picture("JPEG"))
    (entry,) = wait_log(service, "GLIMPSED_FOLDER=invoices", "GLIMPSED_EVENT=file.done")
    assert (scans / "invoices" / "scan.jpg.txt").read_text() == "The quick brown fox.\n"
    assert gateway.requests[0].headers["authorization"] == f"Bearer {KEY}"
    assert entry["GLIMPSED_FILE"] == "scan.jpg"
    assert entry["GLIMPSED_MODEL"] == "m"
    assert entry["PRIORITY"] == "6"
    assert len(entry["MESSAGE_ID"]) == 32
    assert entry["CODE_FILE"].endswith(".py")
    assert entry["MESSAGE"].startswith("invoices/scan.jpg: done in ")
    assert entry["_SYSTEMD_UNIT"] == "glimpsed.service"
    everything = service.run("journalctl", "-o", "export", "-u", "glimpsed").stdout
    assert KEY not in everything
    assert "quick brown" not in everything
    assert service.run("systemctl", "status", "glimpsed", check=False).stdout.count(KEY) == 0


def test_systemctl_status_shows_counts(service: Machine) -> None:
    wait_until(lambda: "done" in show(service, "StatusText"), "no counts in the status")
    assert "2 folders" in show(service, "StatusText")


def test_the_embedded_model_reads_under_all_of_the_hardening(service: Machine, scans: Path) -> None:
    drop(scans / "letters", "letter.png", page())
    wait_until(exists(scans / "letters" / "letter.png.txt"), "no text", 180)
    text = (scans / "letters" / "letter.png.txt").read_text()
    assert all(line.split()[0] in text for line in LETTER)


def test_journalctl_x_explains_a_failure_and_what_to_do(service: Machine, scans: Path) -> None:
    drop(scans / "invoices", "torn.jpg", b"\xff\xd8 torn")
    wait_log(service, "GLIMPSED_FILE=torn.jpg", "GLIMPSED_EVENT=file.failed")
    told = service.run(
        "journalctl", "-x", "--no-pager", "-t", "glimpsed", "GLIMPSED_EVENT=file.failed"
    ).stdout
    assert "Subject: A file failed: invoices/torn.jpg" in told
    assert "glimpsed retry" in told


def test_a_reload_takes_the_new_prompt_and_a_broken_config_changes_nothing(
    service: Machine, scans: Path, gateway: Gateway
) -> None:
    pid = show(service, "MainPID")
    service.write("/etc/glimpsed/config.yaml", CONFIG.format(url=gateway.base_url, prompt="Second prompt."))
    service.run("systemctl", "reload", "glimpsed")
    wait_log(service, "GLIMPSED_EVENT=service.reloaded")
    drop(scans / "invoices", "second.jpg", picture("JPEG", seed=2))
    wait_until(exists(scans / "invoices" / "second.jpg.json"), "no sidecar after the reload")
    assert gateway.requests[-1].prompt.startswith("Second prompt.")

    service.write("/etc/glimpsed/config.yaml", "folders: {invoices: {pth: /nowhere}}\n")
    assert service.run("systemctl", "reload", "glimpsed", check=False).returncode == 1
    wait_log(service, "GLIMPSED_EVENT=service.reload_failed")
    drop(scans / "invoices", "third.jpg", picture("JPEG", seed=3))
    wait_until(exists(scans / "invoices" / "third.jpg.json"), "no sidecar after the broken reload")
    assert gateway.requests[-1].prompt.startswith("Second prompt.")
    # It lies where a check beside the daemon would read it, but systemd hands over what the unit names alone.
    good = CONFIG.format(url=gateway.base_url, prompt="Second prompt.")
    service.write("/etc/credstore/glimpsed.other-key", KEY + "\n", 0o600)
    service.write(
        "/etc/glimpsed/config.yaml", good.replace("credential: glimpsed.api", "credential: glimpsed.other")
    )
    assert service.run("systemctl", "reload", "glimpsed", check=False).returncode == 1
    errors = wait_log(service, "GLIMPSED_EVENT=config.error", count=2)
    assert "systemd hands credentials over when a service starts: restart it" in errors[-1]["MESSAGE"]
    told = service.run("journalctl", "-u", "glimpsed", "-t", "sh", "-o", "cat").stdout
    assert "restart it" in told  # the reload's own word, beside the daemon's
    # Named since the start: some versions of systemd hand it over at the reload, before the daemon is told, others do not.
    other = "/etc/systemd/system/glimpsed.service.d/other.conf"
    service.write(other, "[Service]\nLoadCredential=glimpsed.other-key\n")
    service.run("systemctl", "daemon-reload")
    failed = service.run("systemctl", "reload", "glimpsed", check=False).returncode
    there = "/run/credentials/glimpsed.service/glimpsed.other-key"  # as the daemon sees it
    assert failed == service.run("nsenter", "-t", pid, "-m", "test", "-e", there, check=False).returncode
    service.run("rm", other)
    service.run("systemctl", "daemon-reload")
    service.write("/etc/glimpsed/config.yaml", good)
    assert service.run("systemctl", "reload", "glimpsed").returncode == 0
    assert show(service, "MainPID") == pid


def test_a_check_as_the_service_sees_what_the_service_may(service: Machine) -> None:
    """Root may all of it; the unit may not write outside of its folders, and has its credential."""
    good = service.run("cat", "/etc/glimpsed/config.yaml").stdout
    asked = service.run("glimpsed", "check", "--as-service", "--json")
    assert json.loads(asked.stdout)["looked_as"] == "glimpsed"
    service.run("mkdir", "-m", "0777", "/srv/closed")
    service.write("/etc/glimpsed/config.yaml", good.replace("/srv/scans/letters", "/srv/closed"))
    found = json.loads(service.run("glimpsed", "check", "--as-service", "--json", check=False).stdout)
    assert "no permission" in found["folders"]["letters"]["problem"] or "read-only" in found["folders"]["letters"]["problem"]  # fmt: skip
    assert found["folders"]["invoices"]["problem"] is None
    service.write("/etc/glimpsed/config.yaml", good)
    assert show(service, "ActiveState") == "active"
    left = service.run("systemctl", "list-units", "--all", "--no-legend", "glimpsed-check*").stdout
    assert left.strip() == "", "a unit of the look is left"


def test_an_instance_without_state_is_found_by_its_config(service: Machine, gateway: Gateway) -> None:
    text = CONFIG.format(url=gateway.base_url, prompt="Second.").replace("state:", "# state:")
    service.run("mkdir", "-m", "0777", "/srv/second", "/srv/second/invoices", "/srv/second/letters")
    service.write("/etc/glimpsed/second.yaml", text.replace("/srv/scans", "/srv/second"))
    service.write("/etc/systemd/system/glimpsed@second.service.d/folders.conf", DROP_IN.replace("scans", "second"))  # fmt: skip
    service.run("systemctl", "daemon-reload")
    service.run("systemctl", "start", "glimpsed@second")
    try:
        told = json.loads(
            service.run("glimpsed", "-c", "/etc/glimpsed/second.yaml", "status", "--json").stdout
        )
        assert told["daemon"]["running"] is True
        assert told["ledger"] == "sqlite:////var/lib/glimpsed/second/ledger.sqlite"
        service.run("systemctl", "reload", "glimpsed@second")
        service.write("/etc/glimpsed/second.yaml", "folders: {invoices: {pth: /nowhere}}\n")
        assert service.run("systemctl", "reload", "glimpsed@second", check=False).returncode == 1
    finally:
        service.run("systemctl", "stop", "glimpsed@second")


def test_a_stop_waits_for_the_request_in_flight(service: Machine, scans: Path, gateway: Gateway) -> None:
    gateway.default = Scripted(delay=3.0)
    try:
        drop(scans / "invoices", "slow.jpg", picture("JPEG", seed=4))
        wait_until(lambda: gateway.in_flight == 1, "no request")
        began = time.monotonic()
        service.run("systemctl", "stop", "glimpsed")
        assert time.monotonic() - began < 20
    finally:
        gateway.default = Scripted()
    assert show(service, "Result") == "success"
    assert (scans / "invoices" / "slow.jpg.txt").exists()
    assert len(gateway.requests) == 1
    events = [e["GLIMPSED_EVENT"] for e in journal(service) if "GLIMPSED_EVENT" in e]
    assert events[-1] == "service.stopped"
    service.run("systemctl", "start", "glimpsed")
    drop(scans / "invoices", "after.jpg", picture("JPEG", seed=5))
    wait_until(exists(scans / "invoices" / "after.jpg.txt"), "no sidecar after the restart")
    assert len(gateway.requests) == 2


def test_a_journald_that_hangs_does_not_hold_up_the_daemon(
    service: Machine, gateway: Gateway, scans: Path
) -> None:
    journald = service.run("systemctl", "show", "-P", "MainPID", "systemd-journald").stdout.strip()
    names = [f"held{n}.png" for n in range(40)]
    service.run("kill", "-STOP", journald)
    try:
        for n, name in enumerate(names):
            drop(scans / "invoices", name, picture(seed=500 + n))
        wait_until(
            lambda: all((scans / "invoices" / f"{name}.json").exists() for name in names),
            "the daemon waits for the journal",
        )
    finally:
        service.run("kill", "-CONT", journald)
    done = wait_log(service, "GLIMPSED_EVENT=file.done", "GLIMPSED_FOLDER=invoices", count=len(names))
    assert set(names) <= {entry["GLIMPSED_FILE"] for entry in done}


def test_a_frozen_daemon_is_restarted_by_the_watchdog_and_loses_nothing(
    service: Machine, scans: Path, gateway: Gateway
) -> None:
    pid = show(service, "MainPID")
    service.run("kill", "-STOP", pid)
    drop(scans / "invoices", "meanwhile.jpg", picture("JPEG", seed=6))
    wait_until(
        lambda: show(service, "NRestarts") == "1" and show(service, "ActiveState") == "active", "no restart"
    )
    wait_until(exists(scans / "invoices" / "meanwhile.jpg.txt"), "the file was lost")
    assert show(service, "MainPID") != pid
    assert [r.prompt.split()[0] for r in gateway.requests] == ["Second"]


def test_the_page_is_on_the_socket_that_systemd_holds_and_is_there_before_the_daemon(
    service: Machine, gateway: Gateway
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    good = service.run("cat", "/etc/glimpsed/config.yaml").stdout
    # Nothing listens at the config's own address.
    service.write("/etc/glimpsed/config.yaml", good + "\nweb: 127.0.0.1:1\nmetrics: 127.0.0.1:1\n")
    listen = f"[Socket]\nListenStream=\nListenStream=127.0.0.1:{port}\n"
    service.write("/etc/systemd/system/glimpsed-web.socket.d/port.conf", listen)
    service.run("systemctl", "daemon-reload")
    assert service.run("systemctl", "is-enabled", "glimpsed-web.socket", check=False).stdout == "disabled\n"
    service.run("systemctl", "stop", "glimpsed")
    try:
        service.run("systemctl", "start", "glimpsed-web.socket")
        assert show(service, "ActiveState") == "inactive"
        page = httpx.get(f"http://127.0.0.1:{port}/", timeout=120, trust_env=False)
        assert (page.status_code, "invoices" in page.text) == (200, True)
        assert show(service, "ActiveState") == "active"
        pid = show(service, "MainPID")
        service.run("systemctl", "restart", "--no-block", "glimpsed")
        wait_until(lambda: show(service, "MainPID") != pid, "no restart")
        answered = httpx.get(f"http://127.0.0.1:{port}/metrics", timeout=120, trust_env=False)
        assert "glimpsed_info" in answered.text
        # What outlives the page's process is where the unit's hardening lets it be, and for its user alone.
        kept = service.run("stat", "-c", "%U %a", "/var/cache/glimpsed/page-1.json").stdout.split()
        assert kept == ["glimpsed", "600"]
    finally:
        service.run("systemctl", "stop", "glimpsed-web.socket", "glimpsed")
        service.write("/etc/glimpsed/config.yaml", good)
        service.run("systemctl", "start", "glimpsed")


def test_a_wrong_config_stops_the_service_for_good_and_says_why(service: Machine) -> None:
    good = service.run("cat", "/etc/glimpsed/config.yaml").stdout
    service.write("/etc/glimpsed/config.yaml", "folders: {invoices: {pth: /nowhere}}\n")
    service.run("systemctl", "restart", "glimpsed", check=False)
    wait_until(lambda: show(service, "ActiveState") == "failed", "it did not fail")
    assert show(service, "ExecMainStatus") == "78"
    assert any("pth" in e["MESSAGE"] for e in wait_log(service, "GLIMPSED_EVENT=config.error"))
    service.write("/etc/glimpsed/config.yaml", good)
    service.run("systemctl", "reset-failed", "glimpsed")
    service.run("systemctl", "start", "glimpsed")
    assert show(service, "ActiveState") == "active"


def test_uninstall_leaves_config_and_ledger_and_nothing_that_runs(service: Machine) -> None:
    service.write("/etc/glimpsed/third.yaml", "folders: {third: {path: /srv/third}}\n")
    service.run("mkdir", "/srv/third")
    service.run("systemctl", "enable", "--now", "glimpsed@third")
    service.run("make", "-C", "/usr/src/glimpsed", "uninstall")
    gone = (
        "/opt/glimpsed",
        "/usr/local/bin/glimpsed",
        "/usr/local/lib/systemd/system/glimpsed.service",
        "/usr/local/lib/systemd/system/glimpsed-web.socket",
    )
    for path in gone:
        assert service.run("test", "-e", path, check=False).returncode == 1
    for path in ("/etc/glimpsed/config.yaml", "/var/lib/glimpsed/ledger.sqlite"):
        service.run("test", "-s", path)
    for unit in ("glimpsed", "glimpsed@third"):
        assert service.run("systemctl", "is-active", unit, check=False).stdout.strip() == "inactive"
    assert "glimpsed" not in service.run("ls", "/etc/systemd/system/multi-user.target.wants").stdout
