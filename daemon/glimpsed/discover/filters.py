"""Which paths are looked at: include and exclude as gitignore patterns, and what is never an image (DESIGN 5).

A file is a candidate when it ends like an image or a PDF, in any case, or in a suffix that an `include`
pattern names itself (``*.dat``); what it really is, its content decides later.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import pathspec
from pathspec.patterns.gitignore.spec import GitIgnoreSpecPattern

from glimpsed.config.schema import Folder
from glimpsed.formats.sniff import ENDINGS
from glimpsed.sidecar import sidecar_name

SIDECARS = frozenset({"txt", "json", "md", "xmp", "hocr"})  # never images, whatever `include` says
BUILT_IN = (
    *(
        ".*",
        "*~",
        "*.tmp",
        "*.part",
        "*.partial",
        "*.filepart",
        "*.crdownload",
        "~$*",
        "Thumbs.db",
        ".DS_Store",
    ),
    *("._*", "@eaDir/", ".@__thumb/", "\\#recycle/", "@Recycle/", ".stfolder/", ".stversions/", "__MACOSX/"),
    *(
        "lost+found/",
        "$RECYCLE.BIN/",
        "$Recycle.Bin/",
        "RECYCLER/",
        "Recycled/",
        "System Volume Information/",
    ),
    *(".snapshot/", "\\#snapshot/", "~snapshot/", "@Recently-Snapshot/", "Network Trash Folder/"),
)

_STAR = "[^/]*"  # what pathspec makes of a star
# Characters and question marks; a set may stand for a slash.
_FIXED = re.compile(r"(?:\[\^/\]|\\.|[^\\()\[\]|])*")
_PLACEHOLDER = re.compile(r"(\{(?:name|stem|ext)\})")


class Filter:
    """The rules of one folder."""

    def __init__(self, folder: Folder) -> None:
        self.suffixes = (ENDINGS | {_suffix(p) for p in folder.include if _suffix(p).isalnum()}) - SIDECARS
        self._own = _own_sidecars(folder, self.suffixes, folder.outputs)
        self.plain = not folder.exclude and folder.include == ("*",) and self._own is None
        self._exclude_lines = (*BUILT_IN, *folder.exclude)
        self._exclude = _spec(self._exclude_lines)
        self._include = _spec(folder.include)

    def skips(self, path: str, is_dir: bool) -> str | None:
        """The rule that keeps this path (relative to the folder) out; None when it is looked at."""
        if not is_dir and not self.may_be(path):
            return "not an image"
        if not is_dir and self._own is not None and self._own.fullmatch(path.rpartition("/")[2]):
            return "a sidecar of glimpsed's own"
        if (rule := self.excluded(path, is_dir=is_dir)) is not None:
            return rule
        if not is_dir and not self.plain and not self._include.match_file(_fold(path)):
            return "not included"
        return None

    def excluded(self, path: str, *, is_dir: bool = False) -> str | None:
        """The pattern that keeps this path out, whatever it is; None when there is none."""
        folded = _fold(path)
        for asked in {f"{folded}/", f"{path}/"} if is_dir else (folded,):
            result = self._exclude.check_file(asked)
            if result.include and result.index is not None:
                return str(self._exclude_lines[result.index])
        return None

    def may_be(self, name: str) -> bool:
        """The cheap part of `skips` for a file: whether its name ends like an image's."""
        return name.rpartition(".")[2].lower() in self.suffixes


def is_called_pdf_of(folder: Folder, name: str) -> bool:
    """Whether a file is called as the folder calls searchable PDFs of images, whether or not it asks for any now."""
    called = _own_sidecars(folder, ENDINGS, ("pdf",))
    return called is not None and called.fullmatch(name) is not None


def _own_sidecars(folder: Folder, suffixes: frozenset[str], kinds: Sequence[str]) -> re.Pattern[str] | None:
    """The names of sidecars of these kinds, where they end like an image: ``{name}.out`` beside ``*.out``."""
    if not any(_suffix(sidecar_name(folder, "scan.jpg", kind)) in suffixes for kind in kinds):
        return None
    meant = {
        "{name}": rf".*\.(?:{'|'.join(map(re.escape, suffixes))})",
        "{stem}": ".*",
        "{ext}": f"(?:{'|'.join(kinds)})",
    }
    parts = (meant.get(part) or re.escape(part) for part in _PLACEHOLDER.split(folder.sidecar))
    return re.compile("".join(parts), re.IGNORECASE | re.DOTALL)


def _suffix(pattern: str) -> str:
    return pattern.rpartition("/")[2].rpartition(".")[2].lower() if "." in pattern else ""


class Linear(GitIgnoreSpecPattern):
    """A gitignore pattern that takes no longer for a hostile name than for any other.

    What stands between two stars is looked for once: where it comes first, as much is left for the rest as can be.
    A regular expression tries every place for each of them: `*_*_*_*_*.jpg` takes minutes for one name of underscores.
    """

    __slots__ = ()

    @classmethod
    def pattern_to_regex(cls, pattern: str | bytes) -> tuple[Any, bool | None]:
        """As pathspec has it, with what stands between stars in groups that are not tried again."""
        regex, include = super().pattern_to_regex(pattern)
        return (regex and _once(regex)), include


def _once(regex: str) -> str:
    first, *parts = regex.split(_STAR)
    if not parts:
        return regex
    once = [f"(?>[^/]*?{part})" if _FIXED.fullmatch(part) else f"{_STAR}{part}" for part in parts[:-1]]
    return "".join([first, *once, _STAR, parts[-1]])


def _spec(lines: tuple[str, ...]) -> Any:
    return pathspec.GitIgnoreSpec.from_lines([_fold(line) for line in lines], Linear)


def _fold(path: str) -> str:
    """The path with its suffix in lower case: ``*.PDF`` and ``a.pdf`` are to match. Directories have none."""
    head, dot, suffix = path.rpartition(".")
    return path if not dot or "/" in suffix else f"{head}.{suffix.lower()}"
