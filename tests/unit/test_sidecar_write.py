from __future__ import annotations

import contextlib
import json
import os
import random
import shutil
import socket
import stat
import subprocess
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from glimpsed import sidecar
from glimpsed.discover.filters import Filter
from glimpsed.discover.scan import look_at
from glimpsed.discover.settle import Check
from glimpsed.discover.walk import Walk
from glimpsed.disk import files, names, temporary
from glimpsed.errors import FileError, ForeignSidecar, GlimpsedError, ShareTrouble, SidecarBlocked, Vanished
from glimpsed.model import Written
from glimpsed.sidecar import own
from sidecar_samples import Inbox, inbox

NEEDS_ROOT = pytest.mark.skipif(os.geteuid() != 0, reason="needs root")


def touch(path: Path, *, seconds: float) -> None:
    """Move a file's time, as an edit long after would."""
    status = path.stat()
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns + int(seconds * 1e9)))


@contextlib.contextmanager
def tmpfs(path: Path, size: str) -> Iterator[None]:
    if subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={size}", "glimpsed", str(path)], check=False
    ).returncode:
        pytest.skip("may not mount a tmpfs")
    try:
        yield
    finally:
        subprocess.run(["umount", "-l", str(path)], check=True)


# -- what is written


def test_every_output_stands_beside_the_image_and_no_temporary_file_is_left(tmp_path: Path) -> None:
    box = inbox(tmp_path, outputs=("txt", "json", "md", "xmp"))
    box.check()
    written = box.write()
    names = {"scan.jpg.json", "scan.jpg.txt", "scan.jpg.md", "scan.jpg.xmp"}
    assert box.names() == {"scan.jpg", *names}
    assert {w.name for w in written} == names
    for w in written:
        status = box.beside(w.name).stat()
        assert (w.size, w.mtime_ns) == (status.st_size, status.st_mtime_ns)


def test_a_name_that_is_not_utf8_gets_its_sidecars(tmp_path: Path) -> None:
    box = inbox(tmp_path, os.fsdecode(b"a/sc\xe4n.jpg"))
    box.check()
    box.write()
    assert os.fsdecode(b"sc\xe4n.jpg.txt") in box.names()
    assert (
        json.loads(box.beside(os.fsdecode(b"sc\xe4n.jpg.json")).read_text())["source"]["name"]
        == "sc\udce4n.jpg"
    )
    assert box.found().verdict == "adopt"
    box.write(box.answer("another answer"))  # and they are known as our own


def test_the_json_is_there_before_anything_else(tmp_path: Path) -> None:
    """It proves that the rest is ours, should a crash come between two files."""
    box = inbox(tmp_path, outputs=("txt", "json"))
    assert [w.name for w in box.write()] == ["scan.jpg.json", "scan.jpg.txt"]


@pytest.mark.parametrize(
    ("image", "expected"), [(0o644, 0o644), (0o4775, 0o664), (0o440, 0o640), (0o000, 0o600)]
)
def test_the_mode_follows_the_image_but_is_never_executable_and_always_ours_to_read(
    tmp_path: Path, image: int, expected: int
) -> None:
    box = inbox(tmp_path)
    if not image & 0o400 and os.geteuid() != 0:
        pytest.skip("only root may read that")
    box.image.chmod(image)
    for w in box.write():
        assert stat.S_IMODE(box.beside(w.name).stat().st_mode) == expected


def test_a_text_that_says_the_same_is_for_no_more_people_than_the_image_is_by_now(tmp_path: Path) -> None:
    box = inbox(tmp_path)

    def modes(written: Sequence[Written]) -> set[int]:
        return {stat.S_IMODE(box.beside(w.name).stat().st_mode) for w in written}

    box.image.chmod(0o644)
    assert modes(box.write()) == {0o644}
    box.image.chmod(0o600)
    written = box.write()
    assert modes(written) == {0o600}
    assert not any(name.endswith("~") for name in box.names())
    numbers = [box.beside(w.name).stat().st_ino for w in written]
    box.write()  # nothing to do
    assert [box.beside(w.name).stat().st_ino for w in written] == numbers


@NEEDS_ROOT
def test_owner_and_group_follow_the_image(tmp_path: Path) -> None:
    box = inbox(tmp_path)
    os.chown(box.image, 12345, 23456)
    written = box.write() + sidecar.write_error(box.root, box.file, box.folder, "It broke.", "Mend it.", {})
    assert {(box.beside(w.name).stat().st_uid, box.beside(w.name).stat().st_gid) for w in written} == {
        (12345, 23456)
    }


def test_an_image_that_is_gone_gets_no_sidecar(tmp_path: Path) -> None:
    box = inbox(tmp_path)
    answer, content = box.answer(), box.content
    box.image.unlink()
    with pytest.raises(Vanished):
        sidecar.write(box.root, box.file, box.folder, answer, (), content)
    with pytest.raises(Vanished):
        sidecar.write_error(box.root, box.file, box.folder, "It broke.", "Mend it.", {})
    assert box.names() == set()


def test_a_directory_that_is_gone_is_the_image_gone(tmp_path: Path) -> None:
    box = inbox(tmp_path)
    root, answer, content = box.root, box.answer(), box.content
    shutil.rmtree(box.image.parent)
    with pytest.raises(Vanished):
        sidecar.write(root, box.file, box.folder, answer, (), content)


def test_nothing_is_written_where_another_directory_stands_in_the_roots_place(tmp_path: Path) -> None:
    box = inbox(tmp_path / "share")
    root, answer, content = box.root, box.answer(), box.content
    box.path.rename(tmp_path / "away")
    other = inbox(tmp_path / "share")
    with pytest.raises(ShareTrouble):
        sidecar.write(root, box.file, box.folder, answer, (), content)
    assert other.names() == {"scan.jpg"}


# -- whose is what stands there


@pytest.mark.parametrize("name", ["scan.jpg.txt", "scan.jpg.json"])
def test_what_another_daemon_writes_at_this_moment_is_no_strangers(tmp_path: Path, name: str) -> None:
    """Two daemons with a ledger each, on one folder: the slower one comes again, and finds what is glimpsed's own."""
    box = inbox(tmp_path)
    directory = box.file.rpartition("/")[0]
    with files.opened_directory(box.root, directory) as parent:
        before = own.place(parent, box.folder, box.image.name)
        box.write(box.answer("theirs"))
        with pytest.raises(ShareTrouble, match="another glimpsed"):
            own.refuse_foreign(before, name)
    box.write(box.answer("ours"))
    assert box.names() == {"scan.jpg", "scan.jpg.txt", "scan.jpg.json"}


@pytest.mark.parametrize("name", ["scan.jpg.txt", "scan.jpg.json"])
def test_a_foreign_file_is_refused_before_anything_is_sent_and_again_at_the_write(
    tmp_path: Path, name: str
) -> None:
    box = inbox(tmp_path)
    box.beside(name).write_text('{"mine": "not yours"}')
    with pytest.raises(ForeignSidecar, match=name) as refused:
        box.check()
    assert name in refused.value.advice
    with pytest.raises(ForeignSidecar):
        box.write()
    assert box.beside(name).read_text() == '{"mine": "not yours"}'
    assert box.names() == {"scan.jpg", name}


@pytest.mark.parametrize("kind", ["link", "dangling", "directory", "fifo"])
def test_only_a_regular_file_is_ever_replaced(tmp_path: Path, kind: str) -> None:
    box = inbox(tmp_path / "inbox")
    written = box.write()
    outside = tmp_path / "outside"
    outside.write_text("secret")
    place = box.beside("scan.jpg.txt")
    place.unlink()
    match kind:
        case "link":
            place.symlink_to(outside)
        case "dangling":
            place.symlink_to(tmp_path / "nowhere")
        case "directory":
            place.mkdir()
        case _:
            os.mkfifo(place)
    for attempt in (lambda: box.check(written), lambda: box.write(box.answer("new"), written)):
        with pytest.raises(ForeignSidecar):
            attempt()
    assert outside.read_text() == "secret"
    assert not (tmp_path / "nowhere").exists()
    assert stat.S_IFMT(place.lstat().st_mode) != stat.S_IFREG


def plant(place: Path, kind: str) -> None:
    """What a sidecar's name may be taken by."""
    match kind:
        case "link":
            place.symlink_to("scan.jpg")
        case "dangling":
            place.symlink_to("nowhere")
        case "directory":
            place.mkdir()
        case "fifo":
            os.mkfifo(place)
        case "socket":
            with socket.socket(socket.AF_UNIX) as server, contextlib.chdir(place.parent):
                server.bind(place.name)


def open_files() -> int:
    return len(os.listdir("/proc/self/fd"))


@pytest.mark.parametrize("name", ["scan.jpg.json", "scan.jpg.txt", "scan.jpg.error.txt"])
@pytest.mark.parametrize("kind", ["link", "dangling", "directory", "fifo", "socket"])
def test_a_name_that_is_taken_by_whatever_is_told_before_anything_is_sent_and_leaves_nothing_open(
    tmp_path: Path, kind: str, name: str
) -> None:
    box = inbox(tmp_path / "inbox")
    plant(box.beside(name), kind)
    answer, content, before = box.answer(), box.content, open_files()
    for _ in range(10):
        if name != "scan.jpg.error.txt":
            for attempt in (
                box.check,
                lambda: sidecar.write(box.root, box.file, box.folder, answer, (), content),
            ):
                with pytest.raises(FileError, match="already exists"):
                    attempt()
        assert (sidecar.write_error(box.root, box.file, box.folder, "It broke.", "Mend it.", {}) == ()) == (
            name == "scan.jpg.error.txt"
        )
        sidecar.remove_error(box.root, box.file)
        assert box.found().verdict != "adopt"
        assert sidecar.load(box.root, box.file, box.folder) is None
    assert open_files() == before
    assert box.names() == {"scan.jpg", name}


@pytest.mark.parametrize("kind", ["link", "dangling", "directory", "fifo", "socket", "file", "nothing"])
def test_whatever_stands_where_an_image_was_nothing_is_left_open(tmp_path: Path, kind: str) -> None:
    box = inbox(tmp_path / "inbox")
    root, version, answer, content = box.root, box.version, box.answer(), box.content
    box.image.unlink()
    if kind == "file":
        box.image.write_bytes(b"another version")
    elif kind != "nothing":
        plant(box.image, kind)
    attempts: list[Callable[[], object]] = [
        lambda: files.read_content(root, box.file, version),
        lambda: sidecar.write(root, box.file, box.folder, answer, (), content),
        lambda: sidecar.write_error(root, box.file, box.folder, "It broke.", "Mend it.", {}),
        lambda: sidecar.check(root, box.file, box.folder),
        lambda: sidecar.refuse_closed(root, f"{box.file}/x", doubted=True),
        lambda: sidecar.adoptable(
            root, "a", "scan.jpg", version, box.folder, ["scan.jpg.json", "scan.jpg.txt"]
        ),
        lambda: look_at(root, [Check(box.file, None, at_its_word=True)]),
        lambda: files.find_root(box.image),
        lambda: temporary.sweep(root, box.file, now=0),
    ]
    before = open_files()
    for attempt in attempts:
        for _ in range(3):
            with contextlib.suppress(GlimpsedError):
                attempt()
    assert open_files() == before


@pytest.mark.parametrize("name", ["scan.jpg.json", "scan.jpg.txt"])
def test_an_immutable_sidecar_of_our_own_is_told_before_anything_is_sent(tmp_path: Path, name: str) -> None:
    box = inbox(tmp_path / "inbox")
    written = box.write()
    place = box.beside(name)
    if subprocess.run(["chattr", "+i", str(place)], check=False, capture_output=True).returncode:
        pytest.skip("no immutable files here")
    try:
        before = open_files()
        for attempt in (lambda: box.check(written), lambda: box.write(box.answer("new"), written)):
            with pytest.raises(FileError, match="cannot be replaced"):
                attempt()
        assert open_files() == before
    finally:
        subprocess.run(["chattr", "-i", str(place)], check=True)


def test_a_backup_that_will_not_fit_is_told_before_anything_is_sent(tmp_path: Path) -> None:
    box = inbox(tmp_path, "x" * 247 + ".jpg", outputs=("txt",))
    written = box.write(box.answer("old"))
    box.beside(written[0].name).write_text("edited by hand")
    with pytest.raises(ForeignSidecar, match="edited"):
        box.check(written)


@pytest.mark.parametrize("seed", range(100))
def test_what_somebody_saves_at_the_moment_of_the_write_is_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, seed: int
) -> None:
    """Just before one of the system calls, over a sidecar of ours, or where none was yet."""
    dice = random.Random(seed)
    box = inbox(tmp_path)
    written = box.write(box.answer("old")) if dice.random() < 0.7 else ()
    answer, content, at, steps, came = box.answer("new"), box.content, dice.randrange(40), 0, False
    known: tuple[Written, ...] = ()

    def step() -> None:
        nonlocal steps, came
        steps += 1
        if steps == at:
            (tmp_path / "edit").write_text("corrected by hand")
            os.replace(tmp_path / "edit", box.beside("scan.jpg.txt"))
            came = True

    def hooked(call: Callable[..., Any]) -> Callable[..., Any]:
        def hook(*args: Any, **keys: Any) -> Any:
            step()
            return call(*args, **keys)

        return hook

    with monkeypatch.context() as patch, contextlib.suppress(ForeignSidecar):
        for call in ("open", "stat", "rename", "unlink", "fsync"):
            patch.setattr(os, call, hooked(getattr(os, call)))
        patch.setattr(names, "_rename", hooked(names._rename))
        known = sidecar.write(box.root, box.file, box.folder, answer, written, content)
    if came:
        text = box.beside("scan.jpg.txt")
        if text.read_text() == "corrected by hand":  # and does not pass for ours
            assert text.stat().st_mtime_ns not in {w.mtime_ns for w in known if w.name == text.name}
        assert "corrected by hand" in [box.beside(name).read_text() for name in box.names() if ".txt" in name]


def test_a_link_in_the_place_of_the_directory_is_not_followed(tmp_path: Path) -> None:
    box = inbox(tmp_path / "inbox")
    answer, content = box.answer(), box.content
    elsewhere = tmp_path / "elsewhere"
    box.image.parent.rename(elsewhere)
    box.image.parent.symlink_to(elsewhere)
    with pytest.raises((FileError, Vanished)):
        sidecar.write(box.root, box.file, box.folder, answer, (), content)
    assert os.listdir(elsewhere) == ["scan.jpg"]


def test_what_the_ledger_knows_is_replaced(tmp_path: Path) -> None:
    box = inbox(tmp_path, outputs=("txt",))
    written = box.write(box.answer("old"))
    box.check(written)
    again = box.write(box.answer("newer"), written)
    assert box.beside("scan.jpg.txt").read_text() == "newer\n"
    assert box.names() == {"scan.jpg", "scan.jpg.txt"}
    assert [w.size for w in again] == [6]


def test_without_the_ledger_what_stands_beside_an_own_json_is_replaced(tmp_path: Path) -> None:
    box = inbox(tmp_path)
    box.write(box.answer("old"))
    box.check()
    box.write(box.answer("new"))
    assert box.beside("scan.jpg.txt").read_text() == "new\n"
    assert box.names() == {"scan.jpg", "scan.jpg.txt", "scan.jpg.json"}


def test_without_ledger_and_json_a_txt_is_somebody_elses(tmp_path: Path) -> None:
    box = inbox(tmp_path, outputs=("txt",))
    box.write(box.answer("old"))
    with pytest.raises(ForeignSidecar):
        box.check()


@pytest.mark.parametrize("known", [True, False], ids=["ledger", "lost ledger"])
@pytest.mark.parametrize("name", ["scan.jpg.txt", "scan.jpg.json"])
def test_an_edited_sidecar_is_kept_as_a_backup(tmp_path: Path, name: str, known: bool) -> None:
    box = inbox(tmp_path)
    written = box.write(box.answer("old text"))
    edited = box.beside(name).read_text()
    edited = edited.replace("old", "my") if name.endswith("txt") else json.dumps(json.loads(edited))
    box.beside(name).write_text(edited)
    touch(box.beside(name), seconds=5)
    box.write(box.answer("new"), written if known else ())
    assert box.beside(f"{name}~").read_text() == edited
    assert box.beside("scan.jpg.txt").read_text() == "new\n"
    assert box.names() == {"scan.jpg", "scan.jpg.txt", "scan.jpg.json", f"{name}~"}


def test_a_touched_txt_that_still_says_what_the_json_says_is_no_edit(tmp_path: Path) -> None:
    box = inbox(tmp_path)
    written = box.write(box.answer("old"))
    touch(box.beside("scan.jpg.txt"), seconds=5)
    box.write(box.answer("new"), written)
    assert "scan.jpg.txt~" not in box.names()


@pytest.mark.parametrize("outputs", [("txt",), ("txt", "json")])
def test_an_edit_that_leaves_size_and_time_as_they_were_is_seen(
    tmp_path: Path, outputs: tuple[str, ...]
) -> None:
    """A figure is corrected where times are whole seconds, or by an editor that puts them back."""
    box = inbox(tmp_path, outputs=outputs)
    written = box.write(box.answer("Total 100"))
    text = box.beside("scan.jpg.txt")
    before = text.stat()
    text.write_text("Total 700\n")
    os.utime(text, ns=(before.st_atime_ns, before.st_mtime_ns))
    box.write(box.answer("another answer"), written)
    assert box.beside("scan.jpg.txt~").read_text() == "Total 700\n"
    assert text.read_text() == "another answer\n"


def test_an_edit_that_keeps_size_and_ledger_time_apart_is_seen(tmp_path: Path) -> None:
    box = inbox(tmp_path, outputs=("txt",))
    written = box.write(box.answer("0O0"))
    box.beside("scan.jpg.txt").write_text("OO0\n")
    touch(box.beside("scan.jpg.txt"), seconds=1)
    box.write(box.answer("new"), written)
    assert box.beside("scan.jpg.txt~").read_text() == "OO0\n"


def test_a_backup_never_takes_the_place_of_another_file(tmp_path: Path) -> None:
    box = inbox(tmp_path, outputs=("txt",))
    box.beside("scan.jpg.txt~").write_text("an editor's own")
    written = box.write(box.answer("first"))
    for edit in ("edited once", "edited again"):
        box.beside("scan.jpg.txt").write_text(edit)
        written = box.write(box.answer("new"), written)
    assert box.beside("scan.jpg.txt~").read_text() == "an editor's own"
    assert box.beside("scan.jpg.txt~2").read_text() == "edited once"
    assert box.beside("scan.jpg.txt~3").read_text() == "edited again"


def test_a_backup_whose_number_no_longer_fits_is_a_refusal_not_a_loss(tmp_path: Path) -> None:
    box = inbox(tmp_path, "x" * 246 + ".jpg", outputs=("txt",))
    written = box.write(box.answer("old"))
    box.beside(f"{written[0].name}~").write_text("kept before")
    box.beside(written[0].name).write_text("edited by hand")
    with pytest.raises(ForeignSidecar, match="edited"):
        box.write(box.answer("new"), written)
    assert box.beside(f"{written[0].name}~").read_text() == "kept before"
    assert box.beside(written[0].name).read_text() == "edited by hand"


def test_a_backup_whose_name_would_be_too_long_is_a_refusal_not_a_loss(tmp_path: Path) -> None:
    box = inbox(tmp_path, "x" * 247 + ".jpg", outputs=("txt",))
    written = box.write(box.answer("old"))
    sidecar_path = box.beside(written[0].name)
    sidecar_path.write_text("edited by hand")
    with pytest.raises(ForeignSidecar, match="edited"):
        box.write(box.answer("new"), written)
    assert sidecar_path.read_text() == "edited by hand"


# -- names


def test_a_name_too_long_for_its_sidecar_is_told_before_anything_is_sent(tmp_path: Path) -> None:
    box = inbox(tmp_path, "ä" * 124 + ".jpg")  # 252 bytes; .json makes it 257
    for attempt in (box.check, box.write):
        with pytest.raises(FileError, match="too long") as refused:
            attempt()
        assert not isinstance(refused.value, ForeignSidecar)
    assert sidecar.write_error(box.root, box.file, box.folder, "It broke.", "Mend it.", {}) == ()
    assert box.names() == {box.image.name}


def test_the_longest_name_that_fits_works(tmp_path: Path) -> None:
    box = inbox(tmp_path, "x" * 246 + ".jpg")
    box.check()
    assert {len(w.name) for w in box.write()} == {254, 255}


def test_two_images_of_one_stem_the_second_is_refused_and_says_whose_the_name_is(tmp_path: Path) -> None:
    first = inbox(tmp_path, "scan.jpg", sidecar="{stem}.{ext}")
    second = inbox(tmp_path, "scan.png", sidecar="{stem}.{ext}")
    written = first.write()
    for attempt in (second.check, second.write):
        with pytest.raises(ForeignSidecar, match=r"scan\.json.*scan\.jpg"):
            attempt()
    first.check(written)
    first.write(first.answer("again"), written)


def test_the_names_of_an_image_that_is_gone_are_free_for_the_next_of_its_stem(tmp_path: Path) -> None:
    first = inbox(tmp_path, "scan.jpg", sidecar="{stem}.{ext}")
    first.write()
    first.image.unlink()
    second = inbox(tmp_path, "scan.png", sidecar="{stem}.{ext}")
    second.check()
    second.write(second.answer("png"))
    assert second.beside("scan.txt").read_text() == "png\n"


@pytest.mark.parametrize("about", ["../../etc/passwd", "x\0y", "\ud800", "n" * 5000, "", 7, None])
def test_a_crafted_json_is_no_way_out_of_the_directory_and_no_crash(tmp_path: Path, about: object) -> None:
    box = inbox(tmp_path, "scan.jpg", sidecar="{stem}.{ext}")
    box.beside("scan.json").write_text(json.dumps({"glimpsed": 1, "source": {"name": about}}))
    box.check()
    box.write()


@pytest.mark.parametrize(
    "data",
    [b"", b"\xff\xfe", b"[" * 100_000, b'{"glimpsed": 2, "source": {}}', b'{"glimpsed": 1}', b"1", b"null"],
)
def test_a_json_that_does_not_say_so_is_not_ours(tmp_path: Path, data: bytes) -> None:
    box = inbox(tmp_path)
    box.beside("scan.jpg.json").write_bytes(data)
    with pytest.raises(ForeignSidecar):
        box.check()


@pytest.mark.parametrize("template", ["{name}", "{name}.txt", "scan.jpg"])
def test_a_template_that_gives_two_files_one_name_is_told_before_anything_is_sent(
    tmp_path: Path, template: str
) -> None:
    box = inbox(tmp_path, sidecar=template)
    with pytest.raises(FileError, match="template"):
        box.check()


# -- crashes


@settings(
    max_examples=25,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(
    outputs=st.permutations(["txt", "json", "md"]).flatmap(
        lambda p: st.integers(1, 3).map(lambda n: tuple(p[:n]))
    ),
    kept=st.integers(0, 3),
    replaces=st.booleans(),
)
def test_a_write_that_was_cut_between_two_files_is_completed_by_the_next(
    tmp_path_factory: pytest.TempPathFactory, outputs: tuple[str, ...], kept: int, replaces: bool
) -> None:
    """The ledger has the answer, but not what of it was renamed into place."""
    box = inbox(tmp_path_factory.mktemp("inbox"), outputs=outputs)
    before = box.write(box.answer("old")) if replaces else ()
    old = {w.name: (box.beside(w.name).read_bytes(), box.beside(w.name).stat().st_mtime_ns) for w in before}
    answer = box.answer("new")
    after = box.write(answer, before)
    for w in after[kept:]:  # these had not been renamed yet
        if replaces:
            box.beside(w.name).write_bytes(old[w.name][0])
            os.utime(box.beside(w.name), ns=(old[w.name][1], old[w.name][1]))
        else:
            box.beside(w.name).unlink()
    again = box.write(answer, before)
    assert {w.name for w in again} == {w.name for w in after}
    assert box.names() == {"scan.jpg", *(w.name for w in after)}  # and nothing was taken for an edit
    for kind, name in sidecar.names(box.folder, "scan.jpg").items():
        assert box.beside(name).read_bytes() == sidecar.render(answer, kind)


def test_a_dead_process_temporary_file_is_swept_and_a_living_ones_is_not(tmp_path: Path) -> None:
    box = inbox(tmp_path)
    mine = temporary.new_name()
    dead = mine.replace(f"-{os.getpid()}-", "-999999999-")
    foreign_new, foreign_old = (f".glimpsed-{'0' * 8}-1-1-{'0' * 7}{n}.tmp" for n in "12")
    theirs = ".glimpsed-notes.tmp"
    for name in (mine, dead, foreign_new, foreign_old, theirs):
        box.beside(name).write_text("half")
    now = box.beside(mine).stat().st_mtime
    touch(box.beside(foreign_old), seconds=-7200)
    assert all(sidecar.is_temporary(name) for name in (mine, dead, foreign_new, foreign_old))
    assert not sidecar.is_temporary(theirs)
    assert sidecar.sweep(box.root, "a", now=now) == 2
    assert box.names() == {"scan.jpg", mine, foreign_new, theirs}


def test_the_first_listing_removes_what_a_crash_left_behind(tmp_path: Path) -> None:
    box = inbox(tmp_path)
    left = temporary.new_name().replace(f"-{os.getpid()}-", "-999999999-")
    box.beside(left).write_text("half a sidec")
    Walk(box.root, Filter(box.folder), {}, [""], recursive=True).slice()
    assert box.names() == {"scan.jpg"}


# -- a disk that does not take it


@NEEDS_ROOT
def test_a_full_disk_changes_nothing_and_the_write_works_once_there_is_space(tmp_path: Path) -> None:
    with tmpfs(tmp_path, "64k"):
        box = inbox(tmp_path, "scan.jpg")
        box.write(box.answer("old"))
        before = {name: box.beside(name).read_bytes() for name in box.names()}
        filler = box.beside("filler")
        with contextlib.suppress(OSError), filler.open("wb", buffering=0) as file:
            while True:
                file.write(bytes(4096))
        with pytest.raises(SidecarBlocked, match="No space left"):
            box.write(box.answer("new " * 1000))
        assert {name: box.beside(name).read_bytes() for name in box.names() - {"filler"}} == before
        with pytest.raises(SidecarBlocked):
            sidecar.write_error(box.root, box.file, box.folder, "It broke.", "Mend it.", {})
        filler.unlink()
        box.write(box.answer("new " * 1000))
        assert box.beside("scan.jpg.txt").read_text() == "new " * 1000 + "\n"


@NEEDS_ROOT
def test_a_read_only_share_is_waited_for(tmp_path: Path) -> None:
    with tmpfs(tmp_path, "1m"):
        box = inbox(tmp_path, "scan.jpg")
        subprocess.run(["mount", "-o", "remount,ro", str(tmp_path)], check=True)
        with pytest.raises(SidecarBlocked, match="Read-only"):
            box.write()
        subprocess.run(["mount", "-o", "remount,rw", str(tmp_path)], check=True)
        box.write()


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_directory_without_write_permission_is_waited_for(tmp_path: Path) -> None:
    box = inbox(tmp_path)
    box.image.parent.chmod(0o555)
    with pytest.raises(SidecarBlocked):
        box.write()
    box.image.parent.chmod(0o755)
    box.write()


# -- error sidecars, and taking away


def write_error(box: Inbox) -> Path:
    (written,) = sidecar.write_error(box.root, box.file, box.folder, "It broke.", "Mend it.", {"requests": 3})
    return box.beside(written.name)


def test_an_error_sidecar_comes_is_replaced_and_goes(tmp_path: Path) -> None:
    box = inbox(tmp_path)
    assert write_error(box).read_text().startswith("It broke.\nMend it.\n\nrequests: 3\n")
    write_error(box)
    sidecar.remove_error(box.root, box.file)
    assert box.names() == {"scan.jpg"}
    sidecar.remove_error(box.root, box.file)


def test_somebody_elses_file_of_that_name_is_neither_replaced_nor_removed(tmp_path: Path) -> None:
    box = inbox(tmp_path)
    box.beside("scan.jpg.error.txt").write_text("my own notes on what glimpsed did\n")
    assert sidecar.write_error(box.root, box.file, box.folder, "It broke.", "Mend it.", {}) == ()
    sidecar.remove_error(box.root, box.file)
    assert box.beside("scan.jpg.error.txt").read_text() == "my own notes on what glimpsed did\n"


def test_a_folder_without_error_sidecars_gets_none(tmp_path: Path) -> None:
    box = inbox(tmp_path, error_sidecar=False)
    assert sidecar.write_error(box.root, box.file, box.folder, "It broke.", "Mend it.", {}) == ()
    assert box.names() == {"scan.jpg"}


def test_sidecars_of_an_old_name_go_but_an_edited_one_stays(tmp_path: Path) -> None:
    box = inbox(tmp_path, outputs=("txt", "json", "md"))
    written = box.write()
    box.beside("scan.jpg.md").write_text("edited")
    sidecar.remove(box.root, box.file, written)
    assert len(box.names()) == 4  # the image is there, or there again
    box.image.unlink()
    sidecar.remove(box.root, box.file, written)
    assert box.names() == {"scan.jpg.md"}
    sidecar.remove(box.root, box.file, written)


# -- other programs


@pytest.mark.skipif(shutil.which("exiftool") is None, reason="exiftool is not installed")
def test_exiftool_reads_the_description(tmp_path: Path) -> None:
    box = inbox(tmp_path, outputs=("xmp",))
    text = "Zürich & <Söhne>\n東京 “quoted” 🙂"
    box.write(box.answer(text))
    told = subprocess.run(
        ["exiftool", "-j", "-charset", "utf8", "-validate", "-XMP-dc:Description", "scan.jpg.xmp"],
        cwd=box.image.parent,
        capture_output=True,
        check=True,
    )
    (facts,) = json.loads(told.stdout)
    assert facts["Description"] == text
    assert facts["Validate"] == "OK"


@pytest.mark.skipif(shutil.which("exiv2") is None, reason="exiv2 is not installed")
def test_exiv2_by_which_digikam_reads_gets_the_description(tmp_path: Path) -> None:
    box = inbox(tmp_path, outputs=("xmp",))
    text = "Zürich & <Söhne>\n東京 “quoted” 🙂"
    box.write(box.answer(text))
    told = subprocess.run(
        ["exiv2", "-K", "Xmp.dc.description", "-Pt", "scan.jpg.xmp"],
        cwd=box.image.parent,
        capture_output=True,
        check=True,
    )
    assert told.stdout.decode() == f'lang="x-default" {text}\n'
    assert told.stderr == b""


@pytest.mark.skipif(None in map(shutil.which, ("exiftool", "exiv2")), reason="exiftool or exiv2 is missing")
@pytest.mark.parametrize(
    "keywords", [["Straße", "東京 <1>", "a, b", "Straße"], "Straße,東京 <1> , a, b"], ids=["list", "text"]
)
def test_other_programs_read_title_description_and_keywords_of_a_schema(
    tmp_path: Path, keywords: object
) -> None:
    box = inbox(tmp_path, outputs=("xmp",), schema={"type": "object"})
    data = {"title": "Quay & “Sons”", "description": "Two\nlines <b>", "keywords": keywords, "total": 3}
    box.write(box.answer(json.dumps(data), data=data))
    words = ["Straße", "東京 <1>", *(["a, b"] if isinstance(keywords, list) else ["a", "b"])]
    told = subprocess.run(
        ["exiftool", "-j", "-charset", "utf8", "-validate", "-XMP-dc:all", "scan.jpg.xmp"],
        cwd=box.image.parent,
        capture_output=True,
        check=True,
    )
    (facts,) = json.loads(told.stdout)
    assert (facts["Title"], facts["Description"], facts["Subject"]) == (
        data["title"],
        data["description"],
        words,
    )
    assert facts["Validate"] == "OK"
    for name, said in (("title", data["title"]), ("description", data["description"])):
        read = ["exiv2", "-K", f"Xmp.dc.{name}", "-Pt", "scan.jpg.xmp"]
        told = subprocess.run(read, cwd=box.image.parent, capture_output=True, check=True)
        assert (told.stdout.decode(), told.stderr) == (f'lang="x-default" {said}\n', b"")
    read = ["exiv2", "-K", "Xmp.dc.subject", "-Pt", "scan.jpg.xmp"]
    told = subprocess.run(read, cwd=box.image.parent, capture_output=True, check=True)
    assert told.stdout.decode() == ", ".join(words) + "\n"


@pytest.mark.parametrize("outputs", [("txt",), ("txt", "json"), ("md",)])
def test_two_images_of_one_stem_are_told_of_one_another(tmp_path: Path, outputs: tuple[str, ...]) -> None:
    box = inbox(tmp_path, "scan.jpg", sidecar="{stem}.{ext}", outputs=outputs)
    box.write()
    other = Inbox(tmp_path, box.folder, "scan.png")
    other.image.write_bytes(b"another")
    with pytest.raises(ForeignSidecar) as e:
        other.check()
    name = "scan.json" if "json" in outputs else f"scan.{outputs[0]}"
    assert e.value.reason == f"The sidecar name {name} is already taken by scan.jpg."
    assert "{name}" in e.value.advice


def test_a_file_of_somebodys_beside_a_lone_image_is_no_other_image(tmp_path: Path) -> None:
    box = inbox(tmp_path, "scan.jpg", sidecar="{stem}.{ext}", outputs=("txt",))
    for name in ("scan.txt", "scan.md", "scan.XMP", "scanner.png", "scan"):
        (tmp_path / name).write_text("mine")
    (tmp_path / "scan").unlink()
    with pytest.raises(ForeignSidecar, match=r"scan\.txt already exists and was not written by glimpsed\."):
        box.check()
