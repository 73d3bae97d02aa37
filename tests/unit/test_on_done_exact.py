"""What is moved is the version that was answered, or nothing: whoever comes in between, whenever it all ends."""

from __future__ import annotations

import os
import random
import signal
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from glimpsed import sidecar
from glimpsed.config.schema import OnDone
from glimpsed.disk import files, names, temporary
from glimpsed.errors import GlimpsedError
from glimpsed.model import Version
from sidecar_samples import IMAGE, Inbox, inbox

SEEDS = range(100)  # for each file system
NEW = b"\xff\xd8 another scan, of which nobody was asked \xff\xd9"
THEIRS = "somebody else's"
CALLS = ("open", "stat", "rename", "unlink", "fsync", "mkdir")


@pytest.fixture(params=["same file system", "another file system"])
def archive(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Path]:
    if request.param == "same file system":
        path = tmp_path / "archive"
        path.mkdir()
        yield path
        return
    memory = Path("/dev/shm")
    if not os.access(memory, os.W_OK | os.X_OK) or memory.stat().st_dev == tmp_path.stat().st_dev:
        pytest.skip("there is no other file system to write to")
    with tempfile.TemporaryDirectory(dir=memory) as path_:
        yield Path(path_)


def calling(patch: pytest.MonkeyPatch, step: Callable[[], object]) -> None:
    """Have `step` called before each system call that matters."""

    def hooked(call: Callable[..., Any]) -> Callable[..., Any]:
        def hook(*args: Any, **kwargs: Any) -> Any:
            step()
            return call(*args, **kwargs)

        return hook

    for name in CALLS:
        patch.setattr(os, name, hooked(getattr(os, name)))
    patch.setattr(names, "_rename", hooked(names._rename))


def moving(path: Path, archive: Path) -> Inbox:
    return inbox(path, on_done=OnDone(move_to=str(archive)))


def contents(path: Path) -> dict[str, bytes]:
    """By path; the daemon's own temporary files among them."""
    return {str(p.relative_to(path)): p.read_bytes() for p in path.rglob("*") if p.is_file()}


class Intruder:
    """Does one thing to the files, just before the system call of that number."""

    def __init__(self, box: Inbox, archive: Path, dice: random.Random) -> None:
        self.box = box
        self.archive = archive
        self.at = dice.randrange(60)
        self.what = dice.choice(["renamed over", "written into", "deleted", "edited", "taken"])
        self.steps = 0
        self.came = False

    def step(self) -> None:
        self.steps += 1
        if self.steps == self.at:
            self.came = self.intrude()

    def intrude(self) -> bool:
        image, text = self.box.image, self.box.beside("scan.jpg.txt")
        match self.what:
            case "renamed over":
                new = self.box.path / "a" / ".new"
                new.write_bytes(NEW)
                os.replace(new, image)
            case "written into" if image.exists():
                image.write_bytes(NEW)
            case "deleted" if image.exists():
                image.unlink()
            case "edited" if text.exists():
                text.write_text("corrected")
            case "taken" if not (there := self.archive / "a" / "scan.jpg").exists():
                there.write_text(THEIRS)
            case _:
                return False
        return True


@pytest.mark.parametrize("seed", SEEDS)
def test_whoever_comes_in_between_loses_nothing_and_nothing_unasked_moves(
    tmp_path: Path, archive: Path, seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    box = moving(tmp_path / "inbox", archive)
    written, version = box.write(), box.version
    original = contents(box.path)
    (archive / "a").mkdir()
    open_before = len(os.listdir("/proc/self/fd"))
    intruder = Intruder(box, archive, random.Random(seed))
    with monkeypatch.context() as patch:
        calling(patch, intruder.step)
        try:
            moved = sidecar.move(box.root, box.file, box.folder, written, version)
        except GlimpsedError:
            moved = None
    assert len(os.listdir("/proc/self/fd")) == open_before
    here, there = contents(box.path), contents(archive)
    assert not [name for name in [*here, *there] if temporary.is_temporary(Path(name).name)]
    what = intruder.what if intruder.came else "nothing"
    if what in {"renamed over", "written into"}:  # a new version stays where it came
        assert NEW in here.values()
    assert NEW not in there.values()
    if what == "taken":
        assert (archive / "a" / "scan.jpg").read_text() == THEIRS
    sidecars = [{original[f"a/scan.jpg.{kind}"], b"corrected"} for kind in ("txt", "json")]
    if moved is None:
        assert IMAGE not in there.values()
        assert what in {"renamed over", "written into", "deleted"}
        assert all(either & set(here.values()) for either in sidecars)
    else:
        assert Path(moved.path).read_bytes() == IMAGE
        assert moved.version == version
        assert IMAGE not in here.values()
        assert all(either & set(there.values()) for either in sidecars)  # an edit came along …
    if what == "edited":
        assert b"corrected" in {*here.values(), *there.values()}  # … or stayed where it was made


def killed_at(at: int, box: Inbox, written: Any, version: Version) -> bool:
    """Whether a process that moves was killed before its system call number `at`."""
    child = os.fork()
    if child == 0:
        patch, steps = pytest.MonkeyPatch(), 0

        def step() -> None:
            nonlocal steps
            steps += 1
            if steps == at:
                os.kill(os.getpid(), signal.SIGKILL)

        try:
            calling(patch, step)
            sidecar.move(box.root, box.file, box.folder, written, version)
        finally:
            os._exit(0)
    return os.WIFSIGNALED(os.waitpid(child, 0)[1])


def test_killed_at_any_point_image_and_sidecars_are_together_after_the_next_start(
    tmp_path: Path, archive: Path
) -> None:
    """At each system call once."""
    at, going_on = 0, True
    while going_on:
        at += 1
        source, target = tmp_path / f"in{at}", archive / str(at)
        target.mkdir()
        box = moving(source, target)
        answer = box.answer()
        written, version = box.write(answer), box.version
        original = contents(source)
        going_on = killed_at(at, box, written, version)
        # The next start: what was left is swept, the answer written, where its image still is, and moved on.
        for place in (source, target):
            for name in {Path(name).parent for name in contents(place)}:
                root = files.find_root(place / name)
                temporary.sweep(root, "", now=0)
        if box.image.exists():
            written = sidecar.write(box.root, box.file, box.folder, answer, (), box.content)
            assert contents(source) == original
            moved = sidecar.move(box.root, box.file, box.folder, written, version)
            assert moved is not None
        assert contents(source) == {}, at
        assert contents(target) == original, at
    assert at > 10
