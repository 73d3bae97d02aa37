"""The ledger is lost: what was spent is added up again from the JSON sidecars that are adopted, once."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path
from typing import Any

from daemon import Daemon, glimpsed, wait_until
from gateway import Gateway, Scripted
from pictures import drop, picture

CONFIG = """
models:
  paid: {{api: chat, base_url: "{url}", api_key_env: GLIMPSED_API_KEY, price: {{input: 1000, output: 1000}}, currency: EUR}}
  free: {{api: chat, base_url: "{url}", api_key_env: GLIMPSED_API_KEY, model: other}}
defaults: {{settle: 50ms, rescan: 1s, model: paid}}
folders:
  bills: {{path: {home}/bills}}
  notes: {{path: {home}/notes, model: free}}
budget: {{per_day: {budget}, currency: EUR}}
log: {{target: json, level: info}}
"""


def spent(daemon: Daemon) -> dict[str, Any]:
    found = json.loads(glimpsed("status", "--json", "-c", daemon.config, home=daemon.home).stdout)
    return dict(found["spend"])


def test_what_adopted_answers_have_cost_counts_once(tmp_path: Path) -> None:
    bills, notes, state = tmp_path / "bills", tmp_path / "notes", tmp_path / "state"
    for folder in (bills, notes):
        folder.mkdir()
    with Gateway(*[Scripted(usage=(500, 500))] * 9) as gateway:
        config = CONFIG.format(url=gateway.base_url, home=tmp_path, budget=100)
        with Daemon(config, tmp_path) as daemon:
            for number in range(3):
                drop(bills, f"{number}.png", picture(seed=number))
            drop(notes, "n.png", picture(seed=9))
            daemon.wait_event("file.done", count=4)
            shutil.copy(bills / "0.png", bills / "copy.png")
            daemon.wait_event("file.reused")
            before = spent(daemon)
        assert (before["day"], before["month"], before["currency"]) == (3.0, 3.0, "EUR")
        old = json.loads((bills / "1.png.json").read_text())  # of another year
        old["finished"] = "2020-06-01T12:00:00.000000Z"
        (bills / "1.png.json").write_text(json.dumps(old))
        shutil.rmtree(state)
        with Daemon(config, tmp_path) as daemon:
            daemon.wait_event("scan.finished", folder="bills")
            assert (spent(daemon)["day"], spent(daemon)["month"]) == (2.0, 2.0)
            # Forgotten, and adopted again; moved with its sidecars; copied with them: the same answers.
            assert (
                glimpsed("forget", str(bills / "0.png"), "-c", daemon.config, home=tmp_path).returncode == 0
            )
            for name in ("2.png.txt", "2.png.json", "2.png"):
                (bills / name).rename(bills / f"new {name}")
                shutil.copy2(bills / f"new {name}", notes / name)
            drop(bills, "last.png", picture(seed=50))
            daemon.wait_event("file.done", file="last.png")
            assert spent(daemon)["day"] == 3.0
        with Daemon(config, tmp_path) as daemon:
            daemon.wait_event("scan.finished", folder="bills")
            assert spent(daemon)["day"] == 3.0
        assert len(gateway.requests) == 5


def test_a_budget_that_was_used_up_is_so_again_without_the_ledger(tmp_path: Path) -> None:
    (tmp_path / "bills").mkdir()
    (tmp_path / "notes").mkdir()
    with Gateway(Scripted(usage=(500, 500))) as gateway:
        config = CONFIG.format(url=gateway.base_url, home=tmp_path, budget=1)
        with Daemon(config, tmp_path) as daemon:
            drop(tmp_path / "bills", "a.png", picture(seed=1))
            daemon.wait_event("budget.reached")
            wait_until((tmp_path / "bills/a.png.json").exists, "no answer")
        shutil.rmtree(tmp_path / "state")
        drop(tmp_path / "bills", "b.png", picture(seed=2))
        with Daemon(config, tmp_path) as daemon:
            daemon.wait_event("budget.reached")
            assert spent(daemon)["day"] == 1.0


def test_a_folder_that_has_another_name_in_the_config_costs_nothing_again(tmp_path: Path) -> None:
    (tmp_path / "bills").mkdir()
    (tmp_path / "notes").mkdir()
    with Gateway(Scripted(usage=(500, 500))) as gateway:
        config = CONFIG.format(url=gateway.base_url, home=tmp_path, budget=10)
        with Daemon(config, tmp_path) as daemon:
            drop(tmp_path / "bills", "a.png", picture(seed=1))
            daemon.wait_event("file.done")
        with Daemon(config.replace("  bills:", "  invoices:"), tmp_path) as daemon:
            daemon.wait_event("scan.finished", folder="invoices")
            assert spent(daemon)["day"] == 1.0
    assert os.listdir(tmp_path / "bills")
