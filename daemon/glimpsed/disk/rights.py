"""Who may read and write a file: owner, mode and POSIX access ACL of an image, and what its sidecars get of them.

Reading never gets wider, whatever owner and group the new file can be given; writing may (`sidecar_mode`). All is
reckoned in what each user and group really has, the mask applied (acl(5), "Access check algorithm").
"""

from __future__ import annotations

import contextlib
import errno
import os
import stat
import struct
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import reduce
from operator import and_, or_
from typing import Literal, TypeAlias

from glimpsed.disk.files import entry

_READ, _WRITE = 4, 2
_BOTH = _READ | _WRITE  # a text is never executable
_ACL = "system.posix_acl_access"
# None, or none to be had here.
_NO_ACL = frozenset({errno.ENODATA, errno.ENOTSUP, errno.ENOSYS, errno.EPERM, errno.EACCES})

# The attribute's layout: linux/posix_acl_xattr.h; entries stand in the order of their tags, then of their ids.
_HEAD, _ENTRY = struct.Struct("<I"), struct.Struct("<HHI")
_VERSION, _NOBODY = 2, 0xFFFFFFFF
_OWNER, _USER, _GROUP_OF_FILE, _GROUP, _MASK, _OTHER = 1, 2, 4, 8, 16, 32

# A mode; the image's and its owner's for its group; only the image's.
Wanted: TypeAlias = int | Literal["auto", "same"]


@dataclass(frozen=True, slots=True)
class Rights:
    """A file's owner and group, and what each of these, named users and groups, and all others may do (4 read, 2 write)."""

    uid: int
    gid: int
    owner: int
    group: int
    other: int
    users: Mapping[int, int] = field(default_factory=dict)
    groups: Mapping[int, int] = field(default_factory=dict)


def decode(uid: int, gid: int, mode: int, acl: bytes | None) -> Rights:
    """Rights from a status and the attribute's bytes; without one, or with one that is none, from the mode alone."""
    plain = Rights(uid, gid, mode >> 6 & _BOTH, mode >> 3 & _BOTH, mode & _BOTH)
    if acl is None or len(acl) % _ENTRY.size != _HEAD.size or _HEAD.unpack_from(acl)[0] != _VERSION:
        return plain
    entries = list(_ENTRY.iter_unpack(acl[_HEAD.size :]))
    single = {tag: bits & _BOTH for tag, bits, _ in entries if tag not in (_USER, _GROUP)}
    if not {_OWNER, _GROUP_OF_FILE, _OTHER} <= single.keys():
        return plain
    mask = single.get(_MASK, _BOTH)
    named = {
        tag: {name: bits & mask for kind, bits, name in entries if kind == tag} for tag in (_USER, _GROUP)
    }
    return Rights(
        uid, gid, single[_OWNER], single[_GROUP_OF_FILE] & mask, single[_OTHER], named[_USER], named[_GROUP]
    )


def encode(rights: Rights) -> bytes:
    """The attribute's bytes; the mask is no narrower than it must be."""
    named = bool(rights.users or rights.groups)
    mask = reduce(or_, (rights.group, *rights.users.values(), *rights.groups.values()))
    entries = [
        (_OWNER, rights.owner, _NOBODY),
        *((_USER, bits, uid) for uid, bits in sorted(rights.users.items())),
        (_GROUP_OF_FILE, rights.group, _NOBODY),
        *((_GROUP, bits, gid) for gid, bits in sorted(rights.groups.items())),
        *([(_MASK, mask, _NOBODY)] if named else []),
        (_OTHER, rights.other, _NOBODY),
    ]
    return _HEAD.pack(_VERSION) + b"".join(_ENTRY.pack(*one) for one in entries)


def following(image: Rights, uid: int, gid: int, wanted: Wanted) -> Rights:
    """What a file that belongs to this user and group gets, to be readable by those only who may read the image."""
    ours = uid != image.uid
    owner, group, other = image.owner, image.group, image.other
    users, groups = dict(image.users), dict(image.groups)
    if isinstance(wanted, int):
        owner, least = wanted >> 6 & _BOTH, wanted >> 3 & _BOTH
        group, other = _within(group, least), _within(other, wanted & _BOTH)
        users = {name: _within(bits, least) for name, bits in users.items()}
        groups = {name: _within(bits, least) for name, bits in groups.items()}
    elif wanted == "auto" and ours and group & _READ:
        group |= owner
    if gid != image.gid:
        # Who is in our group and in none of the image's is 'other' there; who is in both is what those are.
        of_all = reduce(and_, groups.values(), other & group)
        groups[image.gid] = groups.get(image.gid, 0) | group
        group = groups.pop(gid, of_all)
    users.pop(uid, None)
    if ours:
        users[image.uid] = owner
        if all(bits & owner == owner for bits in (group, other, *groups.values())):
            del users[image.uid]  # the mode alone lets the image's owner in
    return Rights(uid, gid, owner if isinstance(wanted, int) else _BOTH, group, other, users, groups)


def is_wider(there: Rights, image: Rights, wanted: Wanted) -> bool:
    """Whether somebody may read a file that is there already who may not read the image any more."""
    least = following(image, there.uid, there.gid, wanted)
    users = {*there.users, *least.users} - {there.uid, image.uid}
    groups = {*there.groups, *least.groups}
    some = reduce(or_, there.groups.values(), there.group | there.other)
    all_ = reduce(and_, least.groups.values(), least.group & least.other)
    pairs = [
        (there.group, least.group),
        (there.other, least.other),
        *((there.users.get(uid, some), least.users.get(uid, all_)) for uid in users),
        *((there.groups.get(gid, there.other), least.groups.get(gid, all_)) for gid in groups),
    ]
    return any(has & _READ and not may & _READ for has, may in pairs)


def plain(rights: Rights) -> int:
    """The mode that comes closest where there are no ACLs: who is named there may be among group or others here."""
    group = _common(rights.group, rights.users.values())
    other = _common(rights.other, (*rights.users.values(), *rights.groups.values()))
    return rights.owner << 6 | group << 3 | other


def of_file(parent: int, name: str) -> Rights | None:
    """The rights of a regular file in an open directory; None when there is none. Raises OSError."""
    status = entry(parent, name)
    if status is None or not stat.S_ISREG(status.st_mode):
        return None
    # By its name: one may know who reads a file without reading it. A link as its last part is not followed.
    return _rights(status, _acl(f"/proc/self/fd/{parent}/{name}"))


def of_open(fd: int) -> Rights:
    """The rights of an open file. Raises OSError."""
    return _rights(os.fstat(fd), _acl(fd))


def follow(fd: int, image: Rights, wanted: Wanted) -> None:
    """Give a new file, which nobody else may read so far, the image's owner and group, as far as we may, and its rights.

    The owner last: what is another's by then cannot be changed any more. Many shares map owners themselves, and refuse.
    """
    now = os.fstat(fd)
    if now.st_gid != image.gid:
        with contextlib.suppress(OSError):
            os.fchown(fd, -1, image.gid)
            now = os.fstat(fd)
    _give(fd, following(image, image.uid, now.st_gid, wanted))
    if now.st_uid != image.uid:
        try:
            os.fchown(fd, image.uid, -1)
        except OSError:
            _give(fd, following(image, now.st_uid, now.st_gid, wanted))


def _give(fd: int, rights: Rights) -> None:
    # The directory's default ACL, which a change of mode would bring to life.
    inherited = _acl(fd) is not None
    if inherited or rights.users or rights.groups:
        try:
            os.setxattr(fd, _ACL, encode(rights))
        except OSError:
            if inherited:
                return
        else:
            return
    with contextlib.suppress(OSError):
        os.fchmod(fd, plain(rights))


def _rights(status: os.stat_result, acl: bytes | None) -> Rights:
    return decode(status.st_uid, status.st_gid, status.st_mode, acl)


def _acl(file: str | int) -> bytes | None:
    try:
        return os.getxattr(file, _ACL, follow_symlinks=isinstance(file, int))
    except OSError as e:
        if e.errno in _NO_ACL:
            return None
        raise


def _within(bits: int, wanted: int) -> int:
    """What is wanted, for those who may read."""
    return wanted if bits & wanted & _READ else 0


def _common(bits: int, others: Iterable[int]) -> int:
    return reduce(and_, others, bits)
