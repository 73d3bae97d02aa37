"""The Debian package on a fresh Debian with a real systemd: installed, working, upgraded, removed, purged.

`make test-deb`; SUITE=trixie for another Debian than this machine's. Builds the package first, or takes DEB=FILE.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from daemon import wait_until
from machine import Machine, obstacle
from pictures import LETTER, drop, page

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1800)]

REPO = Path(__file__).parents[2]
EARLIER = "0.0.9"
NEEDED = ("dpkg-buildpackage", "dh", "lintian", "mmdebstrap")
NO_FRESH_DEBIAN = 75  # `packaging/root`'s word for it


def release() -> dict[str, str]:
    lines = Path("/etc/os-release").read_text().splitlines()
    return {key: value.strip('"') for key, _, value in (line.partition("=") for line in lines)}


@pytest.fixture(scope="module")
def suite() -> str:
    if (why := obstacle()) is not None:
        pytest.skip(why)
    if missing := [name for name in NEEDED if shutil.which(name) is None]:
        pytest.skip(f"needs {', '.join(missing)}")
    here = release()
    if here.get("ID") != "debian" and "SUITE" not in os.environ:
        pytest.skip("this is no Debian; SUITE=bookworm or trixie says for which one")
    return os.environ.get("SUITE") or here["VERSION_CODENAME"]


@pytest.fixture(scope="module")
def root(suite: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A fresh Debian with systemd and a Python, and nothing else."""
    root = tmp_path_factory.mktemp("debian") / "root"
    made = subprocess.run(
        [REPO / "packaging" / "root", root, suite, "systemd", "python3"],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    if made.returncode == NO_FRESH_DEBIAN:
        pytest.skip(made.stderr.strip())
    assert made.returncode == 0, made.stderr
    yield root
    shutil.rmtree(root)


@pytest.fixture(scope="module")
def package(suite: str, root: Path) -> Path:
    """What `make deb` built."""
    assert root.exists()  # without a mirror there is nothing to build with, either
    if "DEB" in os.environ:
        return Path(os.environ["DEB"])
    another = [] if suite == release().get("VERSION_CODENAME") else [f"SUITE={suite}"]
    built = subprocess.run(
        ["make", "-s", "deb", *another], cwd=REPO, capture_output=True, text=True, check=False
    )
    assert built.returncode == 0, built.stderr
    return REPO / built.stdout.split()[-1]


@pytest.fixture(scope="module")
def unpacked(package: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    tree = tmp_path_factory.mktemp("unpacked") / "tree"
    subprocess.run(["dpkg-deb", "-R", package, tree], check=True)
    return tree


@pytest.fixture(scope="module")
def earlier(unpacked: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The same as the version before, with another config as it came."""
    control = unpacked / "DEBIAN" / "control"
    config = unpacked / "etc" / "glimpsed" / "config.yaml"
    as_it_is = {path: path.read_text() for path in (control, config)}
    lines = as_it_is[control].splitlines(keepends=True)
    control.write_text(
        "".join(f"Version: {EARLIER}\n" if line.startswith("Version:") else line for line in lines)
    )
    config.write_text("# as the version before had it\n" + as_it_is[config])
    deb = tmp_path_factory.mktemp("earlier") / "glimpsed.deb"
    subprocess.run(
        ["dpkg-deb", "--root-owner-group", "-Znone", "-b", unpacked, deb], check=True, capture_output=True
    )
    for path, text in as_it_is.items():
        path.write_text(text)
    yield deb
    deb.unlink()


@pytest.fixture(scope="module")
def scans(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("scans")
    folder.chmod(0o777)
    return folder


@pytest.fixture(scope="module")
def machine(
    root: Path, package: Path, earlier: Path, scans: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Machine]:
    binds = {scans: "/srv/scans", package.parent: "/new", earlier.parent: "/old"}
    with Machine(tmp_path_factory.mktemp("machine"), binds, root) as machine:
        yield machine


def dpkg(machine: Machine, *args: str) -> str:
    """Run it as an administrator would who keeps an own config and is not asked."""
    env = {"DEBIAN_FRONTEND": "noninteractive"}
    return machine.run("dpkg", "--force-confold", *args, env=env, seconds=600).stdout


def show(machine: Machine, what: str) -> str:
    return machine.run("systemctl", "show", "-P", what, "glimpsed").stdout.strip()


def lacks(machine: Machine, *paths: str) -> list[str]:
    return [path for path in paths if machine.run("test", "-e", path, check=False).returncode != 0]


def test_lintian_finds_no_error(unpacked: Path, tmp_path: Path) -> None:
    """In all but the packages of others, which `lintian dist/*.deb` takes many minutes to look at."""
    tree = tmp_path / "tree"
    others = shutil.ignore_patterns("[!g]*")
    shutil.copytree(
        unpacked,
        tree,
        symlinks=True,
        ignore=lambda place, names: others(place, names) if place.endswith("/site-packages") else set(),
    )
    sums = tree / "DEBIAN" / "md5sums"
    kept = [line for line in sums.read_text().splitlines() if (tree / line.split("  ", 1)[1]).exists()]
    sums.write_text("".join(f"{line}\n" for line in kept))
    deb = tmp_path / "glimpsed.deb"
    subprocess.run(["dpkg-deb", "--root-owner-group", "-Zxz", "-z0", "-b", tree, deb], check=True)
    done = subprocess.run(
        ["lintian", "--allow-root", "--fail-on", "error", deb], capture_output=True, text=True, check=False
    )
    assert [line for line in done.stdout.splitlines() if line.startswith("E:")] == []
    assert done.returncode == 0, done.stderr


def test_a_fresh_install_has_everything_and_starts_nothing(machine: Machine) -> None:
    dpkg(machine, "-i", "/old/glimpsed.deb")
    assert lacks(
        machine,
        "/etc/glimpsed/config.yaml",
        "/etc/systemd/system/glimpsed.service.d/folders.conf",
        "/usr/share/man/man1/glimpsed.1.gz",
        "/usr/share/bash-completion/completions/glimpsed",
        "/usr/share/doc/glimpsed/config.example.yaml",
    ) == []  # fmt: skip
    assert machine.run("stat", "-c", "%U %a", "/var/lib/glimpsed").stdout.split() == ["glimpsed", "750"]
    assert show(machine, "ActiveState") == "inactive"
    assert show(machine, "UnitFileState") == "disabled"
    assert "A file failed" in machine.run("journalctl", "--dump-catalog").stdout
    asked = machine.run("glimpsed", "check", "--as-service")
    assert "looked as  glimpsed" in asked.stdout


def test_as_installed_it_reads_a_letter(machine: Machine, scans: Path) -> None:
    machine.run("systemctl", "enable", "--now", "glimpsed")
    machine.run("systemctl", "reload", "glimpsed")  # with no more programs than these packages ask for
    drop(scans, "letter.png", page())
    wait_until((scans / "letter.png.txt").exists, "no text", 300)
    text = (scans / "letter.png.txt").read_text()
    assert all(line.split()[0] in text for line in LETTER)


def test_an_upgrade_restarts_it_and_keeps_config_and_ledger(
    machine: Machine, package: Path, scans: Path
) -> None:
    pid = show(machine, "MainPID")
    machine.run("bash", "-c", "echo '# mine' >> /etc/glimpsed/config.yaml")
    dpkg(machine, "-i", f"/new/{package.name}")
    assert show(machine, "ActiveState") == "active"
    assert show(machine, "MainPID") != pid
    assert machine.run("tail", "-n", "1", "/etc/glimpsed/config.yaml").stdout == "# mine\n"
    status = machine.run("glimpsed", "status", "--json").stdout
    assert '"done": 1' in status
    assert sorted(os.listdir(scans)) == ["letter.png", "letter.png.json", "letter.png.txt"]


def test_a_removal_leaves_what_is_the_administrators(machine: Machine) -> None:
    dpkg(machine, "-r", "glimpsed")
    assert show(machine, "ActiveState") == "inactive"
    assert lacks(machine, "/usr/bin/glimpsed", "/usr/lib/glimpsed") == ["/usr/bin/glimpsed", "/usr/lib/glimpsed"]  # fmt: skip
    assert lacks(machine, "/etc/glimpsed/config.yaml", "/var/lib/glimpsed/ledger.sqlite") == []


def test_a_purge_leaves_the_images_and_their_sidecars(machine: Machine, scans: Path) -> None:
    dpkg(machine, "-P", "glimpsed")
    gone = ["/etc/glimpsed", "/var/lib/glimpsed", "/etc/systemd/system/glimpsed.service.d"]
    assert lacks(machine, *gone) == gone
    units = machine.run("systemctl", "list-unit-files", "glimpsed*", check=False).stdout
    assert "0 unit files" in units
    assert sorted(os.listdir(scans)) == ["letter.png", "letter.png.json", "letter.png.txt"]
