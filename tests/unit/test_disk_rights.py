"""Who may read an image's text: nobody who may not read the image, whoever its sidecar belongs to."""

from __future__ import annotations

import itertools
import os
import shutil
import stat
import subprocess
import tempfile
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from glimpsed import sidecar
from glimpsed.config.schema import OnDone
from glimpsed.disk import rights
from glimpsed.disk.rights import Rights
from sidecar_samples import Inbox, inbox

NEEDS_ROOT = pytest.mark.skipif(os.geteuid() != 0, reason="needs root, to be other users")
NEEDS_ACL = pytest.mark.skipif(shutil.which("setfacl") is None, reason="needs the package acl")

# Nobody on this machine has these numbers, and all of them may be used at once.
ANNA, BOB, CAROL, DAEMON = 20_001, 20_002, 20_003, 20_100
OFFICE, SALES, SERVICE = 30_001, 30_002, 30_100
USERS, GROUPS = (ANNA, BOB, CAROL, DAEMON), (OFFICE, SALES, SERVICE)

bits = st.sampled_from([0, 2, 4, 6])
all_rights = st.builds(
    Rights,
    uid=st.sampled_from(USERS),
    gid=st.sampled_from(GROUPS),
    owner=bits,
    group=bits,
    other=bits,
    users=st.dictionaries(st.sampled_from(USERS), bits),
    groups=st.dictionaries(st.sampled_from(GROUPS), bits),
)
modes = st.sampled_from([0o600, 0o640, 0o660, 0o664, 0o666, 0o606, 0o440])


def allowed(file: Rights, uid: int, groups: frozenset[int], bit: int) -> bool:
    """acl(5), 'Access check algorithm', of rights to which the mask has been applied."""
    if uid == file.uid:
        return bool(file.owner & bit)
    if uid in file.users:
        return bool(file.users[uid] & bit)
    matching = [file.group] if file.gid in groups else []
    matching += [found for gid, found in file.groups.items() if gid in groups]
    return any(found & bit for found in matching) if matching else bool(file.other & bit)


def people() -> Iterator[tuple[int, frozenset[int]]]:
    """Everybody, in every choice of groups, and a stranger."""
    for uid in (*USERS, 4711):
        for count in range(len(GROUPS) + 1):
            for groups in itertools.combinations(GROUPS, count):
                yield uid, frozenset(groups)


def by_mode(file: Rights) -> Rights:
    mode = rights.plain(file)
    return Rights(file.uid, file.gid, mode >> 6 & 6, mode >> 3 & 6, mode & 6)


@given(image=all_rights)
def test_what_is_encoded_is_decoded_again(image: Rights) -> None:
    assert rights.decode(image.uid, image.gid, 0o000, rights.encode(image)) == image


@given(acl=st.binary(max_size=60) | st.binary(max_size=56).map(lambda rest: b"\2\0\0\0" + rest))
def test_bytes_that_are_no_acl_leave_the_mode_to_tell(acl: bytes) -> None:
    found = rights.decode(ANNA, OFFICE, 0o640, acl)
    assert (found.uid, found.gid) == (ANNA, OFFICE)


@given(image=all_rights, uid=st.sampled_from(USERS), gid=st.sampled_from(GROUPS), wanted=modes | st.sampled_from(["auto", "same"]))  # fmt: skip
def test_reading_never_gets_wider(image: Rights, uid: int, gid: int, wanted: rights.Wanted) -> None:
    """With ACLs and without: the daemon, whose file it is, has read the image; its owner may let anybody read it."""
    made = rights.following(image, uid, gid, wanted)
    for who, groups in people():
        if who not in (uid, image.uid) and not allowed(image, who, groups, 4):
            assert not allowed(made, who, groups, 4)
            assert not allowed(by_mode(made), who, groups, 4)
            assert not allowed(made, who, groups, 2) or allowed(image, who, groups, 2)


@given(image=all_rights, uid=st.sampled_from(USERS), gid=st.sampled_from(GROUPS))
def test_who_reads_the_image_reads_its_text(image: Rights, uid: int, gid: int) -> None:
    """Wherever there are ACLs; who is in two groups of which one is the daemon's own may be left out."""
    made = rights.following(image, uid, gid, "auto")
    for who, groups in people():
        if gid not in groups - {image.gid} and allowed(image, who, groups, 4):
            assert allowed(made, who, groups, 4)


@given(image=all_rights, uid=st.sampled_from(USERS), gid=st.sampled_from(GROUPS))
def test_the_owner_of_the_image_may_do_as_much_to_its_text(image: Rights, uid: int, gid: int) -> None:
    made = rights.following(image, uid, gid, "auto")
    for bit in (4, 2):
        if image.owner & bit:
            assert all(allowed(made, image.uid, groups, bit) for _, groups in people())


@given(image=all_rights, there=all_rights, wanted=modes | st.sampled_from(["auto", "same"]))
def test_what_more_may_read_than_the_image_is_known_and_what_was_just_made_is_no_such(
    image: Rights, there: Rights, wanted: rights.Wanted
) -> None:
    made = rights.following(image, there.uid, there.gid, wanted)
    assert not rights.is_wider(made, image, wanted)
    assert not rights.is_wider(by_mode(made), image, wanted)
    if not rights.is_wider(there, image, wanted):
        for who, groups in people():
            if who not in (there.uid, image.uid) and not allowed(image, who, groups, 4):
                assert not allowed(there, who, groups, 4)


# -- real files, real users


@pytest.fixture
def open_place() -> Iterator[Path]:
    """A directory that every user can reach."""
    place = Path(tempfile.mkdtemp(prefix="glimpsed-test-"))
    place.chmod(0o777)
    yield place
    shutil.rmtree(place)


def as_user(uid: int, gid: int, groups: list[int], act: Callable[[], object]) -> bool:
    """Whether this works out for a user, in a process of its own."""
    child = os.fork()
    if child == 0:
        try:
            os.setgroups(groups)
            os.setresgid(gid, gid, gid)
            os.setresuid(uid, uid, uid)
            os.umask(0o077)
            act()
        except OSError:
            os._exit(1)
        except Exception:  # noqa: BLE001 - told, and the test fails by the code
            traceback.print_exc()
            os._exit(2)
        os._exit(0)
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    assert code in (0, 1)
    return code == 0


def reads(path: Path, uid: int, *groups: int) -> bool:
    return as_user(uid, uid, list(groups), lambda: path.open().close())


def corrects(path: Path, uid: int, *groups: int) -> bool:
    return as_user(uid, uid, list(groups), lambda: path.open("r+").close())


def facl(path: Path, *arguments: str) -> None:
    if subprocess.run(["setfacl", *arguments, str(path)], check=False).returncode:
        pytest.skip("no ACLs on this file system")


def image_of(place: Path, owner: int, group: int, mode: int, **keys: object) -> Inbox:
    box = inbox(place / "inbox", **keys)
    for directory in (box.folder.path, box.image.parent):
        directory.chmod(0o777)
    os.chown(box.image, owner, group)
    box.image.chmod(mode)
    return box


def texts(box: Inbox) -> list[Path]:
    return [box.beside(name) for name in sorted(box.names() - {box.image.name})]


def write_as(box: Inbox, uid: int, *groups: int) -> None:
    assert as_user(uid, groups[0] if groups else uid, list(groups), box.write)


@NEEDS_ROOT
@NEEDS_ACL
def test_the_texts_of_an_image_with_an_acl_are_for_those_whom_it_names(open_place: Path) -> None:
    box = image_of(open_place, ANNA, OFFICE, 0o600)
    facl(box.image, "-m", f"u:{BOB}:rw-,g::---,m::rw-")
    box.write()
    sidecar.write_error(box.root, box.file, box.folder, "It broke.", "Mend it.", {})
    assert len(texts(box)) == 3
    for text in texts(box):
        assert reads(text, BOB)
        assert reads(text, ANNA)
        assert not reads(text, CAROL, OFFICE)
        assert not reads(text, CAROL)


@NEEDS_ROOT
@NEEDS_ACL
@pytest.mark.parametrize("mode", [0o600, 0o640, 0o644])
def test_the_default_acl_of_a_directory_lets_nobody_read_more_than_the_image(
    open_place: Path, mode: int
) -> None:
    box = image_of(open_place, ANNA, OFFICE, mode)  # it was moved here, so it has none
    facl(box.image.parent, "-d", "-m", f"u:{BOB}:rwx,g:{SALES}:rwx")
    box.write()
    for text in texts(box):
        assert stat.S_IMODE(text.stat().st_mode) == mode
        assert corrects(text, ANNA)
        assert not corrects(text, BOB)
        assert not corrects(text, CAROL, SALES)
        assert reads(text, BOB) == (mode == 0o644)
        assert reads(text, CAROL, OFFICE) == (mode != 0o600)


@NEEDS_ROOT
@pytest.mark.parametrize("group", [OFFICE, SERVICE])
def test_the_owner_of_an_image_may_correct_a_text_that_belongs_to_the_daemon(
    open_place: Path, group: int
) -> None:
    """The usual share: image anna:office 0644, the daemon a member of office, or not even that."""
    box = image_of(open_place, ANNA, OFFICE, 0o644)
    write_as(box, DAEMON, group)
    for text in texts(box):
        assert text.stat().st_uid == DAEMON
        assert corrects(text, ANNA, OFFICE)
        assert reads(text, BOB)
        assert not corrects(text, BOB)
        assert corrects(text, CAROL, OFFICE)


@NEEDS_ROOT
@NEEDS_ACL
def test_an_acl_entry_lets_in_an_owner_whom_the_mode_would_not(open_place: Path) -> None:
    box = image_of(open_place, ANNA, OFFICE, 0o600)
    facl(box.image, "-m", f"u:{DAEMON}:r")
    write_as(box, DAEMON, SERVICE)
    for text in texts(box):
        assert corrects(text, ANNA)
        assert not reads(text, BOB, OFFICE, SERVICE)


@NEEDS_ROOT
@pytest.mark.parametrize(
    ("mode", "image", "expected"),
    [
        (0o660, 0o644, 0o660),
        (0o660, 0o600, 0o600),
        (0o666, 0o644, 0o666),
        (0o666, 0o640, 0o660),
        (0o600, 0o644, 0o600),
        (0o440, 0o644, 0o440),
    ],
)
def test_a_mode_of_ones_own_may_let_write_but_nobody_read_more(
    open_place: Path, mode: int, image: int, expected: int
) -> None:
    box = image_of(open_place, ANNA, OFFICE, image, sidecar_mode=mode)
    box.write()
    assert {stat.S_IMODE(text.stat().st_mode) for text in texts(box)} == {expected}


@NEEDS_ROOT
@NEEDS_ACL
def test_image_and_texts_keep_their_acl_when_they_move_to_another_file_system(open_place: Path) -> None:
    archive = open_place / "archive"
    archive.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "glimpsed", str(archive)], check=False).returncode:
        pytest.skip("may not mount a tmpfs")
    try:
        box = image_of(open_place, ANNA, OFFICE, 0o600, on_done=OnDone(move_to=str(archive)))
        facl(box.image, "-m", f"u:{BOB}:r--,g::---")
        facl(archive, "-d", "-m", f"u:{CAROL}:rwx")
        assert sidecar.move(box.root, box.file, box.folder, box.write(), box.version) is not None
        moved = [path for path in archive.rglob("*") if path.is_file()]
        assert len(moved) == 3
        for path in moved:
            assert reads(path, BOB)
            assert not reads(path, CAROL, OFFICE)
            assert (path.stat().st_uid, path.stat().st_gid) == (ANNA, OFFICE)
    finally:
        subprocess.run(["umount", "-l", str(archive)], check=True)


@NEEDS_ROOT
@NEEDS_ACL
def test_where_there_are_no_acls_the_mode_lets_nobody_read_who_was_shut_out(open_place: Path) -> None:
    """ramfs knows none: whom an entry of the image's kept out could be among its group there, or among the others."""
    archive = open_place / "archive"
    archive.mkdir()
    if subprocess.run(["mount", "-t", "ramfs", "glimpsed", str(archive)], check=False).returncode:
        pytest.skip("may not mount a ramfs")
    try:
        archive.chmod(0o755)
        box = image_of(open_place, ANNA, OFFICE, 0o644, on_done=OnDone(move_to=str(archive)))
        facl(box.image, "-m", f"u:{BOB}:---")
        assert sidecar.move(box.root, box.file, box.folder, box.write(), box.version) is not None
        moved = [path for path in archive.rglob("*") if path.is_file()]
        assert len(moved) == 3
        for path in moved:
            assert corrects(path, ANNA)
            assert not reads(path, BOB, OFFICE)
    finally:
        subprocess.run(["umount", "-l", str(archive)], check=True)
