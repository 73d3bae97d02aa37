"""Prompt templates: ``{filename}`` and its like are filled in, every other brace is literal (DESIGN 5).

So a prompt may hold JSON. A ``{word}`` that is nearly one of the names is a mistake worth stopping for:
the model would be shown ``{file_name}`` as it stands, and answer anyway.
"""

from __future__ import annotations

import difflib
import itertools
import re
from collections.abc import Iterator

NAMES = ("filename", "stem", "folder", "relpath", "date", "page", "pages")
_PLACEHOLDER = re.compile(r"\{(" + "|".join(NAMES) + r")\}")
_OF_FILE = re.compile(r"\{(?:" + "|".join(name for name in NAMES if name not in ("page", "pages")) + r")\}")
_WORD = re.compile(r"\{( *)([^\W\d][\w-]*) *\}")
_WORDS = 1000  # in braces that are looked at: each is compared with all names
_NEAR = 0.75  # of difflib's ratio: 'file_name', 'Pages', 'filenme'; not 'total', 'image'
_MEANT = {"name": "filename", "file": "filename", "path": "relpath"}  # too short for a ratio to tell


def fill(
    template: str, *, filename: str, stem: str, folder: str, relpath: str, date: str, page: str, pages: int
) -> str:
    """The template with every name filled in, once: braces in a file name stay what they are."""
    values = {
        "filename": filename,
        "stem": stem,
        "folder": folder,
        "relpath": relpath,
        "date": date,
        "page": page,
        "pages": str(pages),
    }
    return _PLACEHOLDER.sub(lambda match: values[match[1]], template)


def names_file(template: str) -> bool:
    """Whether what is filled in depends on the file's name, place or day, and not on its content alone."""
    return _OF_FILE.search(template) is not None


def near_misses(template: str) -> Iterator[tuple[str, str]]:
    """Every ``{word}`` that is not one of the names but nearly is, with the name that was meant.

    With a space inside the braces, ``{ data }``, only the names themselves are mistakes: that is how to
    write a word that looks too much like one of them.
    """
    words = dict.fromkeys((m[0], m[1], m[2]) for m in itertools.islice(_WORD.finditer(template), _WORDS))
    for text, space, word in words:
        if word in NAMES:
            if _PLACEHOLDER.fullmatch(text) is None:
                yield text, word
        elif not space and (meant := _nearest(word)):
            yield text, meant


def _nearest(word: str) -> str | None:
    plain = word.lower().replace("_", "").replace("-", "")
    close = difflib.get_close_matches(plain, NAMES, n=1, cutoff=_NEAR)
    return _MEANT.get(plain) or (close[0] if close else None)
