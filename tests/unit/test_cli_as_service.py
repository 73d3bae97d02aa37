"""What `check --as-service` takes over from a unit; a real systemd starts it in e2e/test_systemd.py and test_debian.py."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from glimpsed.cli.as_service import parse, run, specified
from glimpsed.errors import NotPermitted, UsageError

SYSTEMD = Path(__file__).parents[2] / "systemd"
DROP_IN = """
# /etc/systemd/system/glimpsed@office.service.d/folders.conf
[Service]
ReadWritePaths=/srv/%i \\
# a comment between
  /srv/more
ReadWritePaths=
Restart=always
[Install]
User=nobody
"""


def test_a_units_sandbox_user_and_keys_are_taken_and_how_it_is_run_is_not() -> None:
    unit = parse(
        "glimpsed@office.service", (SYSTEMD / "glimpsed@.service").read_text().replace("/opt", "/o") + DROP_IN
    )
    assert unit.start == ("/o/glimpsed/bin/glimpsed", "run", "-c", "/etc/glimpsed/office.yaml")
    assert unit.config == "/etc/glimpsed/office.yaml"
    taken = dict(unit.settings)
    assert taken["StateDirectory"] == "glimpsed/office"
    assert taken["User"] == "glimpsed"
    assert {"LoadCredential", "ProtectSystem", "SystemCallFilter", "CapabilityBoundingSet"} <= taken.keys()
    assert (
        not {"Type", "ExecReload", "Restart", "WatchdogSec", "KillMode", "RemoveIPC", "RuntimeDirectory"}
        & taken.keys()
    )
    folders = [value for key, value in unit.settings if key == "ReadWritePaths"]
    assert [value.split() for value in folders] == [
        ["/srv/office", "/srv/more"],
        [],
    ]  # the empty one takes back
    assert [value for key, value in unit.settings if key == "SystemCallFilter"] == [
        "@system-service", "~@privileged", "@chown",
    ]  # fmt: skip


def test_the_last_start_of_a_unit_counts() -> None:
    text = "[Service]\nExecStart=/bin/a\nExecStart=\nExecStart=-/bin/b run --config '/etc/my %%.yaml'\n"
    unit = parse("x.service", text)
    assert unit.start == ("/bin/b", "run", "--config", "/etc/my %.yaml")
    assert unit.config == "/etc/my %.yaml"


def test_a_unit_without_a_program_is_told() -> None:
    with pytest.raises(UsageError, match="starts no program"):
        parse("x.service", "[Unit]\nExecStart=/bin/no\n")


@pytest.mark.parametrize(
    ("value", "expected"),
    [("%i/%I", "a-b/a/b"), ("%p %n", "glimpsed glimpsed@a-b.service"), ("%S/x 100%%", "/var/lib/x 100%"), ("%q", "%q")],
)  # fmt: skip
def test_specifiers_are_filled_in(value: str, expected: str) -> None:
    assert specified(value, "glimpsed@a-b.service") == expected


def test_it_takes_root() -> None:
    if os.geteuid() == 0:
        pytest.skip("this is root")
    with pytest.raises(NotPermitted):
        run("glimpsed", [], None)
