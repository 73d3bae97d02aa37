"""Deep and wide trees: listed in time that grows with their number, and what is left out is told."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from glimpsed.config.schema import Folder
from glimpsed.discover import depth
from glimpsed.discover import walk as module
from glimpsed.discover.depth import Descent, is_below
from glimpsed.discover.filters import Filter
from glimpsed.discover.scan import gone
from glimpsed.discover.walk import Directory, Walk
from glimpsed.disk.files import find_root, opened_directory
from glimpsed.errors import FileError, Vanished

paths = st.lists(st.sampled_from("abc"), max_size=4).map("/".join)


def nested(path: Path, count: int, name: str = "d") -> Iterator[int]:
    """So many directories, each in the one before; a descriptor of each."""
    fd = os.open(path, os.O_RDONLY)
    try:
        for _ in range(count):
            os.mkdir(name, dir_fd=fd)
            below = os.open(name, os.O_RDONLY, dir_fd=fd)
            os.close(fd)
            fd = below
            yield fd
    finally:
        os.close(fd)


@pytest.fixture(autouse=True)
def _emptied(tmp_path: Path) -> Iterator[None]:
    """`shutil.rmtree`, by which pytest removes directories, calls itself once a level."""
    yield
    subprocess.run(["rm", "-rf", *tmp_path.iterdir()], check=True)


def walk(path: Path, **options: Any) -> tuple[Walk, list[Directory]]:
    it = Walk(find_root(path), Filter(Folder(path=path)), {}, [""], recursive=True, **options)
    listings = []
    while it.todo:
        listings += it.slice()
    return it, listings


@given(paths, st.sets(paths))
def test_what_is_below_is_what_has_one_of_them_before_it(path: str, tops: set[str]) -> None:
    assert is_below(path, tops) == any(not t or path == t or path.startswith(f"{t}/") for t in tops)


def test_thousands_of_nested_directories_are_each_opened_once_and_what_is_too_deep_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number, fd in enumerate(nested(tmp_path, 9000)):
        if number in {1000, 8999}:
            os.close(os.open("a.png", os.O_CREAT | os.O_WRONLY, dir_fd=fd))
    monkeypatch.setattr(module, "SLICE", 60.0)  # a pause costs going down once more
    opened: list[Any] = []
    really = os.open
    monkeypatch.setattr(os, "open", lambda *a, **k: opened.append(a) or really(*a, **k))
    it, listings = walk(tmp_path)
    assert len(opened) <= len(listings) + 2
    found = {listing.path for listing in listings if listing.count}
    assert found == {"/".join(["d"] * 1001)}
    ((path, reason),) = it.left_out.items()
    assert len(os.fsencode(tmp_path / path)) > depth.LONGEST >= len(os.fsencode(tmp_path / path)) - 2
    assert "longer than 3,839 bytes" in reason
    deep = [listing.path for listing in listings]
    opened.clear()
    assert gone(it.root, [*deep, "d/e"]) == ["d/e"]
    assert len(opened) <= len(deep) + 4


def test_no_more_descriptors_are_open_than_are_kept(tmp_path: Path) -> None:
    for _ in nested(tmp_path, 300):
        pass
    top = os.open(tmp_path, os.O_RDONLY)
    before = len(os.listdir("/proc/self/fd"))
    with Descent(top) as descent:
        descent.open("/".join(["d"] * 300))
        assert len(os.listdir("/proc/self/fd")) - before == depth._KEPT
        assert os.path.samestat(os.fstat(descent.open("d/d")), os.stat(tmp_path / "d/d"))
        with pytest.raises(Vanished):
            descent.open("d/e/d")
        assert os.path.samestat(os.fstat(descent.open("")), os.stat(tmp_path))
    assert len(os.listdir("/proc/self/fd")) == before
    os.close(top)


def test_a_folder_with_too_many_directories_is_listed_as_far_as_the_limit_and_that_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(depth, "MOST", 50)
    for number in range(20):
        for below in range(5):
            (tmp_path / f"{number}/{below}").mkdir(parents=True)
    it, listings = walk(tmp_path)
    assert len(listings) == 50
    assert it.left_out == {"": "it has more than 50 directories: the others are not looked at"}


def test_a_directory_that_is_mounted_below_itself_has_an_end(tmp_path: Path) -> None:
    (tmp_path / "a/b/c").mkdir(parents=True)
    if subprocess.run(
        ["mount", "--bind", tmp_path / "a", tmp_path / "a/b"], check=False, capture_output=True
    ).returncode:
        pytest.skip("mounts are not allowed here")
    try:
        it, listings = walk(tmp_path)
        assert [listing.path for listing in listings] == ["", "a"]
        assert it.left_out == {"a/b": "a/b is a directory above it once more."}
        with opened_directory(it.root) as top, Descent(top) as descent, pytest.raises(FileError):
            descent.open("a/b")
    finally:
        subprocess.run(["umount", tmp_path / "a/b"], check=True)


def test_where_each_step_is_slow_going_down_once_more_is_no_part_of_a_slice(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for _ in nested(tmp_path, 1000):
        pass
    steps = 0
    really = os.open

    def slowly(*a: Any, **k: Any) -> int:
        nonlocal steps
        steps += 1
        return really(*a, **k)

    clock = SimpleNamespace(monotonic=lambda: steps / 1000, time=time.time, thread_time=time.thread_time)
    monkeypatch.setattr(os, "open", slowly)
    monkeypatch.setattr(module, "time", clock)
    _, listings = walk(tmp_path)
    assert len(listings) == 1001
    assert steps < 10 * len(listings)
