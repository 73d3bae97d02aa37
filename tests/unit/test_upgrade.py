"""What version 0.1.0 left on a machine goes on: its example config with every option, and its ledger, through the commands."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import pytest

from daemon import glimpsed
from glimpsed import config

OLD = Path(__file__).parents[1] / "upgrade"
EXAMPLE = OLD / "config-0.1.0.yaml"


def test_a_config_with_every_option_of_then_means_the_same(tmp_path: Path) -> None:
    file = tmp_path / "glimpsed.yaml"
    file.write_text(EXAMPLE.read_text())
    now = config.load(file, env={"GLIMPSED_API_KEY": "sk-1"})
    model, folder = now.models["gpt-4o"], now.folders["inbox"]
    assert (model.api, model.concurrency, model.timeout, model.max_bytes) == ("responses", 8, 120.0, 700_000)
    assert (folder.model, folder.settle, folder.rescan, folder.outputs) == (
        "gpt-4o",
        2.0,
        300.0,
        ("txt", "json"),
    )
    assert (folder.sidecar, folder.reuse, folder.existing, folder.on_done.command) == (
        "{name}.{ext}",
        True,
        "process",
        None,
    )
    # What came later does nothing before somebody asks for it.
    assert (folder.verify_with, folder.upright, folder.lines, folder.sidecar_mode) == (
        None,
        False,
        False,
        "auto",
    )
    assert (now.web, now.notify, now.burst_confirm) == (None, None, None)


@pytest.mark.parametrize(
    "command", [["status", "--json"], ["failures", "--json"], ["search", "oak"], ["check", "--json"]]
)
def test_commands_work_on_the_ledger_of_then(tmp_path: Path, command: list[str]) -> None:
    (tmp_path / "ledger.db").write_bytes(gzip.decompress((OLD / "version-1.sqlite.gz").read_bytes()))
    (tmp_path / "in").mkdir()
    (tmp_path / "glimpsed.yaml").write_text(
        f"models: {{local: {{api: local}}}}\nfolders: {{invoices: {{path: in}}}}\nstate: sqlite:///{tmp_path}/ledger.db\n"
    )
    done = glimpsed(*command, home=tmp_path)
    assert done.returncode in ({0, 1} if command[0] in {"search", "check"} else {0}), done.stderr
    assert "Traceback" not in done.stderr
    if command[0] == "status":
        assert json.loads(done.stdout)["folders"]["invoices"]["done"] > 0
    if command[0] == "failures":
        assert json.loads(done.stdout)
