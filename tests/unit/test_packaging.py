"""What the packaging promises: a hardened unit, an install that can be repeated, targets that exist."""

from __future__ import annotations

import http.server
import os
import re
import shutil
import subprocess
import sys
import threading
import tomllib
from pathlib import Path

import pytest
import sqlalchemy as sa

from glimpsed.journal.events import EVENTS
from glimpsed.service.folders import THREADS_MOST

REPO = Path(__file__).parents[2]
SYSTEMD = REPO / "systemd"
EXPOSURE = 20  # tenths
UNITS = {"glimpsed.service": "glimpsed.service", "glimpsed@.service": "glimpsed@office.service"}


def settings(unit: str) -> dict[str, list[str]]:
    """Key -> values, of all sections."""
    found: dict[str, list[str]] = {}
    for line in (SYSTEMD / unit).read_text().splitlines():
        if "=" in line and not line.startswith("#"):
            key, _, value = line.partition("=")
            found.setdefault(key, []).append(value)
    return found


@pytest.fixture
def units(tmp_path: Path) -> Path:
    """Both units and the drop-in, with a program that exists."""
    if shutil.which("systemd-analyze") is None:
        pytest.skip("no systemd-analyze here")
    for source, name in UNITS.items():
        text = re.sub(
            r"^ExecStart=\S+", "ExecStart=/bin/true", (SYSTEMD / source).read_text(), flags=re.MULTILINE
        )
        (tmp_path / name).write_text(text)
        (tmp_path / f"{name}.d").mkdir()
        shutil.copy(SYSTEMD / "glimpsed.service.d" / "folders.conf", tmp_path / f"{name}.d")
    return tmp_path


@pytest.mark.parametrize("name", UNITS.values())
def test_systemd_has_nothing_to_say_about_the_units(units: Path, name: str) -> None:
    done = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", units / name], capture_output=True, text=True, check=False
    )
    ours = [
        line for line in (done.stdout + done.stderr).splitlines() if "glimpsed" in line or "folders" in line
    ]
    assert ours == []  # unknown keys are only printed, so the exit code alone would not tell
    assert done.returncode == 0, done.stderr


def test_systemd_has_nothing_to_say_about_the_socket(units: Path) -> None:
    shutil.copy(SYSTEMD / "glimpsed-web.socket", units)
    done = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", units / "glimpsed-web.socket"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert [line for line in (done.stdout + done.stderr).splitlines() if "glimpsed" in line] == []
    assert done.returncode == 0, done.stderr
    assert settings("glimpsed-web.socket")["Service"] == ["glimpsed.service"]


@pytest.mark.parametrize("name", UNITS.values())
def test_the_units_are_exposed_no_more_than_promised(units: Path, name: str) -> None:
    done = subprocess.run(
        ["systemd-analyze", "security", "--offline=true", "--no-pager", f"--threshold={EXPOSURE}", units / name],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout[-300:] + done.stderr


def test_the_unit_says_what_the_documentation_promises() -> None:
    unit = settings("glimpsed.service")
    expected = {
        "Type": "notify",
        "Restart": "on-failure",
        "RestartPreventExitStatus": "78",
        "StateDirectory": "glimpsed",
        "CacheDirectory": "glimpsed",
        "CacheDirectoryMode": "0700",
        "ConfigurationDirectory": "glimpsed",
        "CapabilityBoundingSet": "",
        "NoNewPrivileges": "yes",
        "KillMode": "mixed",
        "LimitCORE": "0",
    }
    assert {k: unit[k][0] for k in expected} == expected
    assert unit["SystemCallFilter"][0] == "@system-service"
    assert {"WatchdogSec", "LoadCredential", "MemoryMax"} <= set(unit)
    assert int(unit["TasksMax"][0]) >= 1.5 * THREADS_MOST  # and all that does not hang


def test_an_instance_differs_only_in_its_config_and_state() -> None:
    one, many = settings("glimpsed.service"), settings("glimpsed@.service")
    assert {k for k in one | many if one.get(k) != many.get(k)} == {
        "Description",
        "ExecStart",
        "StateDirectory",
        "CacheDirectory",
        "RuntimeDirectory",
    }
    assert many["ExecStart"] == ["/opt/glimpsed/bin/glimpsed run -c /etc/glimpsed/%i.yaml"]
    assert many["StateDirectory"] == many["CacheDirectory"] == ["glimpsed/%i"]
    # Not below the other's, which goes when that one stops.
    assert (one["RuntimeDirectory"], many["RuntimeDirectory"]) == (["glimpsed"], ["glimpsed@%i"])


def test_the_system_config_is_valid_and_its_folder_is_that_of_the_drop_in() -> None:
    from glimpsed import config

    loaded = config.load(SYSTEMD / "config.yaml", env={})
    assert [str(f.path) for f in loaded.folders.values()] == ["/srv/scans"]
    assert "ReadWritePaths=-/srv/scans" in (SYSTEMD / "glimpsed.service.d" / "folders.conf").read_text()
    assert loaded.state == "sqlite:////var/lib/glimpsed/ledger.sqlite"


def test_the_catalog_has_an_entry_for_every_event_under_its_name() -> None:
    entries = re.findall(r"^# (\S+)\n-- ([0-9a-f]{32})\nSubject: .+\nDefined-By: glimpsed\n\n\S",
                         (SYSTEMD / "glimpsed.catalog").read_text(), flags=re.MULTILINE)  # fmt: skip
    assert dict(entries) == {name: event.message_id for name, event in EVENTS.items()}
    assert len(entries) == (SYSTEMD / "glimpsed.catalog").read_text().count("\n-- ")


@pytest.mark.parametrize("target", ["run", "test", "check", "test-slow", "install", "uninstall", "clean"])
def test_make_knows_the_target(target: str) -> None:
    done = subprocess.run(["make", "-n", target], cwd=REPO, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_make_help_lists_every_target_that_people_use() -> None:
    listed = subprocess.run(["make", "help"], cwd=REPO, capture_output=True, text=True, check=True).stdout
    phony = set(re.findall(r"^\.PHONY: ([a-z-]+)$", (REPO / "Makefile").read_text(), flags=re.MULTILINE))
    assert {line.split()[0] for line in listed.splitlines()} == phony


def test_no_python_that_is_new_enough_is_said_in_one_line(tmp_path: Path) -> None:
    for name in ("Makefile", "pyproject.toml"):
        shutil.copy(REPO / name, tmp_path)
    done = subprocess.run(
        ["make", "run", "PYTHON="], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.returncode != 0
    assert "glimpsed needs Python 3.11 or newer" in done.stderr.splitlines()[0]


def test_the_samples_fill_an_empty_inbox_and_no_other(tmp_path: Path) -> None:
    shutil.copy(REPO / "Makefile", tmp_path)
    shutil.copytree(REPO / "samples", tmp_path / "samples")
    make = ["make", "inbox/.filled"]
    subprocess.run(make, cwd=tmp_path, check=True, capture_output=True)
    inbox = tmp_path / "inbox"
    assert sorted(os.listdir(inbox)) == ["invoice.jpg", "letter.png", "minutes.tif", "receipt.jpg"]
    for name in os.listdir(inbox):
        (inbox / name).unlink()
    (inbox / "mine.jpg").touch()
    subprocess.run(make, cwd=tmp_path, check=True, capture_output=True)
    assert os.listdir(inbox) == ["mine.jpg"]


@pytest.mark.parametrize("builds", [True, False])
def test_make_installs_without_systemd_python_where_that_cannot_be_built(
    tmp_path: Path, builds: bool
) -> None:
    """With a pip that only says what it was asked for."""
    venv = tmp_path / "venv"
    (venv / "bin").mkdir(parents=True)
    (venv / "bin" / "python").touch()
    (venv / ".pip").touch()
    pip = venv / "bin" / "pip"
    pip.write_text(
        f'#!/bin/sh\necho "$@" >> {tmp_path}/asked\ncase "$*" in *journald*) exit {int(not builds)};; esac\n'
    )
    pip.chmod(0o755)
    done = subprocess.run(
        ["make", "-s", f"VENV={venv}", f"{venv}/.installed"],
        cwd=REPO,
        capture_output=True,
        text=True,
        check=True,
    )
    asked = [line.split()[-1] for line in (tmp_path / "asked").read_text().splitlines()]
    assert asked == [".[ready]", ".[journald]"]
    assert ("Going on without systemd-python" in done.stderr) == (not builds)
    assert len(done.stderr.splitlines()) <= 1


def test_what_is_ready_built_and_the_journal_are_everything() -> None:
    extras = tomllib.loads((REPO / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    assert extras["all"] == ["glimpsed[ready,journald]"]
    assert set(extras["ready"][0][len("glimpsed[") : -1].split(",")) == extras.keys() - {
        "all",
        "ready",
        "journald",
    }


def test_the_apparmor_profile_can_be_read() -> None:
    parser = shutil.which("apparmor_parser", path=f"{os.environ['PATH']}:/usr/sbin:/sbin")
    if parser is None:
        pytest.skip("no apparmor_parser here")
    profile = REPO / "packaging" / "apparmor" / "glimpsed"
    done = subprocess.run([parser, "-Q", "-K", profile], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_the_apparmor_profile_lets_the_daemon_at_each_place_of_the_system_that_its_sources_name() -> None:
    profile = (REPO / "packaging" / "apparmor" / "glimpsed").read_text()
    for variable, pattern in {"@{PROC}": "/proc", "@{sys}": "/sys", "@{pids}": "{self,1}"}.items():
        profile = profile.replace(variable, pattern)
    allowed = re.compile(
        "|".join(map(globbed, re.findall(r"^  (?:owner )?(/\S+) \w+,$", profile, re.MULTILINE)))
    )
    commands = {"cli", "desk"}  # people run them, outside of the unit
    sources = REPO / "daemon" / "glimpsed"
    named = {
        place
        for path in sources.rglob("*.py")
        if path.relative_to(sources).parts[0] not in commands
        for place in re.findall(r'"(/(?:proc|sys|etc|run)/[^"\s]+)"', path.read_text())
        if not place.startswith("/proc/self/fd/")  # the file behind it counts
        and not place.endswith("/credstore")  # systemd's, which `check` looks into
    }
    assert {"/proc/self/mountinfo", "/etc/machine-id", "/proc/{pid}/stat"} <= named
    places = (place.replace("{self.pid}", "1").replace("{pid}", "1") for place in named)
    refused = [place for place in places if not any(map(allowed.fullmatch, (place, place + "/")))]
    assert not refused


def globbed(rule: str) -> str:
    """AppArmor's pattern for paths, as a regular expression."""
    parts = {"**": ".*", "*": "[^/]*", "{": "(?:", "}": ")", ",": "|"}
    return "".join(parts.get(part) or re.escape(part) for part in re.findall(r"\*\*|.", rule))


@pytest.mark.parametrize("name", ["deb", "root", "enter", "image", "release", "wheels", "container/start", "container/healthy"])  # fmt: skip
def test_the_scripts_of_the_packaging_are_right_to_their_shell(name: str) -> None:
    script = REPO / "packaging" / name
    shell = script.read_text().splitlines()[0].removeprefix("#!")
    assert os.access(script, os.X_OK)
    assert subprocess.run([shell, "-n", script], check=False).returncode == 0


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root")
def test_in_a_root_that_is_entered_scripts_find_what_they_were_given(tmp_path: Path) -> None:
    """`install /dev/stdin`, as `.ci/packages` has it, or `<(...)`: the build of another Debian's package."""
    root = tmp_path / "root"
    root.mkdir()
    inside = ["cat", "/dev/stdin"]
    entered = ["bash", "-c", 'mount --bind / "$1" && exec "${@:2}"', "enter", root, REPO / "packaging" / "enter", root, *inside]  # fmt: skip
    done = subprocess.run(
        ["unshare", "--mount", "--propagation", "private", *entered],
        input="given", capture_output=True, text=True, check=False,
    )  # fmt: skip
    if "unshare" in done.stderr or "mount:" in done.stderr:
        pytest.skip(f"no namespaces here: {done.stderr}")
    assert (done.stdout, done.stderr) == ("given", "")


def test_what_a_build_needs_is_among_its_sources() -> None:
    """The package's own list, the sdist's and the image's."""
    needed = {
        ".ci",
        "CHANGELOG.md",
        "LICENSE",
        "Makefile",
        "config.example.yaml",
        "daemon",
        "packaging",
        "systemd",
    }
    copied = re.search(r"^sources=\((.*)\)", (REPO / "packaging" / "deb").read_text(), flags=re.MULTILINE)
    assert copied is not None
    assert needed <= set(copied[1].split())
    build = tomllib.loads((REPO / "pyproject.toml").read_text())["tool"]["hatch"]["build"]["targets"]
    assert needed <= {name.removeprefix("/") for name in build["sdist"]["include"]}
    ignored = (REPO / "packaging" / "Containerfile.dockerignore").read_text().splitlines()
    assert needed <= {name.removeprefix("!") for name in ignored}


def test_the_container_reads_its_folder_without_a_config_of_ones_own() -> None:
    from glimpsed import config

    loaded = config.load(REPO / "packaging" / "container" / "config.yaml", env={})
    assert [str(f.path) for f in loaded.folders.values()] == ["/data"]
    assert [m.api for m in loaded.models.values()] == ["local"]
    assert loaded.metrics is not None
    assert f"{loaded.metrics}/healthz" in (REPO / "packaging" / "container" / "healthy").read_text()


def test_compose_keeps_the_container_to_what_it_needs() -> None:
    import yaml

    compose = yaml.safe_load((REPO / "packaging" / "compose.yaml").read_text())
    ours = compose["services"]["glimpsed"]
    assert ours["read_only"] is True
    assert ours["cap_drop"] == ["ALL"]
    assert set(ours["cap_add"]) == {"CHOWN", "SETGID", "SETUID"}
    assert float(ours["stop_grace_period"].removesuffix("s")) > 30  # `drain`
    assert compose["services"]["postgres"]["profiles"] == ["postgres"]


def test_the_state_that_compose_names_for_its_postgresql_loads_and_finds_its_password(tmp_path: Path) -> None:
    import yaml

    from glimpsed import config

    text = (REPO / "packaging" / "compose.yaml").read_text()
    (state,) = re.findall(r"# (state: postgresql\S+)", text)
    services = yaml.safe_load(text)["services"]
    given, asked = services["glimpsed"]["environment"], services["postgres"]["environment"]
    file = tmp_path / "glimpsed.yaml"
    file.write_text(f"folders: {{data: {{path: /data}}}}\n{state}\n")
    url = sa.make_url(config.load(file, env=given).state or "")
    assert (url.username, url.host, url.database) == (
        asked["POSTGRES_USER"],
        "postgres",
        asked["POSTGRES_DB"],
    )
    # In the environment, as PostgreSQL's own programs have it: in a URL its @ and % would have to be written otherwise.
    assert given["PGPASSWORD"] == asked["POSTGRES_PASSWORD"]


@pytest.mark.parametrize("checkout", [True, False])
def test_what_git_does_not_know_is_packed_only_where_there_is_no_git(tmp_path: Path, checkout: bool) -> None:
    """Sidecars of a try in the checkout, notes, a file deleted and not yet committed."""
    if shutil.which("git") is None:
        pytest.skip("no git here")
    tree = tmp_path / "a checkout"
    (tree / "packaging").mkdir(parents=True)
    (tree / "daemon" / "__pycache__").mkdir(parents=True)
    shutil.copy(REPO / "packaging" / "sources", tree / "packaging")
    known = {"daemon/code.py", "daemon/a name\nof two lines", "daemon/gone.py", "packaging/sources"}
    for name in known:
        (tree / name).touch()
    git = ["git", "-C", tree, "-c", "user.name=a", "-c", "user.email=a@example.com"]
    if checkout:
        subprocess.run([*git, "init", "-q"], check=True)
        subprocess.run([*git, "add", "."], check=True)
        if os.geteuid() == 0:
            os.chown(tree / ".git", 12345, 12345)  # somebody else's, as for `sudo make deb`
    (tree / "daemon" / "gone.py").unlink()
    (tree / "daemon" / "notes.txt").touch()
    (tree / "daemon" / "__pycache__" / "code.pyc").touch()
    done = subprocess.run(
        [tree / "packaging" / "sources", "daemon", "packaging"],
        check=True, capture_output=True, text=True,
        env={**os.environ, "GIT_CEILING_DIRECTORIES": str(tmp_path)},
    )  # fmt: skip
    packed = known - {"daemon/gone.py"} | (set() if checkout else {"daemon/notes.txt"})
    assert set(done.stdout.split("\0")) == packed | {""}


class _Says(http.server.BaseHTTPRequestHandler):
    status = 200

    def do_GET(self) -> None:
        self.send_response(self.status)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Nothing."""


@pytest.mark.parametrize(
    ("status", "ledger", "well"),
    [
        (200, "false", True),
        (503, "true", False),
        (404, "true", True),  # the page, where `metrics` has another port
        (401, "false", False),
        (None, "true", True),  # nobody there: without `metrics`
        (None, "false", False),
    ],
)
def test_the_container_is_well_when_the_daemon_is(
    tmp_path: Path, status: int | None, ledger: str, well: bool
) -> None:
    """By its own word, and no proxy's: the environment may name one for the models."""
    (tmp_path / "start").write_text(f"""#!/bin/sh\necho '  "running": {ledger},'\n""")
    script = (REPO / "packaging/container/healthy").read_text()
    handler = type("Handler", (_Says,), {"status": status})
    with (
        http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server,
        http.server.ThreadingHTTPServer(
            ("127.0.0.1", 0), type("Proxy", (_Says,), {"status": 200 if status == 503 else 503})
        ) as proxy,
    ):
        port = server.server_port
        if status is None:
            server.server_close()
        serving = [threading.Thread(target=one.serve_forever, daemon=True) for one in (server, proxy)][
            status is None :
        ]
        for thread in serving:
            thread.start()
        (tmp_path / "healthy").write_text(
            script.replace("/usr/lib/glimpsed/bin/python", sys.executable).replace(":9464/", f":{port}/")
        )
        for name in ("start", "healthy"):
            (tmp_path / name).chmod(0o755)
        env = {
            "PATH": f"{tmp_path}:{os.environ['PATH']}",
            "http_proxy": f"http://127.0.0.1:{proxy.server_port}",
        }
        done = subprocess.run([tmp_path / "healthy"], env=env, timeout=60, check=False)
        for one, thread in zip((proxy, server), reversed(serving), strict=False):
            one.shutdown()
            thread.join()
    assert (done.returncode == 0) is well
