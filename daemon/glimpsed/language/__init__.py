"""What people read in their own language: error sidecars, the report and the live page.

The log, the ledger, `--json` and the terminal speak English, whatever the language: they are read by programs, and
searched for on the web. So what went wrong is kept in English, and is said in another language only where it is
shown, by `told`: it knows the program's own sentences with their values (``Page {1} has no size.``), and leaves alone
what is not its own, like the words of a model's API. Everything else goes through gettext's `translator`, which
jinja2's i18n extension takes as it is.

The catalogs are the `.po` files beside this one, read as they are: there is nothing to compile. `make messages` brings
them in step with the program.
"""

from __future__ import annotations

import functools
import gettext
import io
import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import resources
from typing import TYPE_CHECKING, Literal, TypeAlias, get_args

if TYPE_CHECKING:
    import polib

Language: TypeAlias = Literal["en", "zh"]
LANGUAGES: tuple[Language, ...] = get_args(Language)
SAID = "said.po"  # sentences about files and models; the other catalogs are what is marked in the source

_DEEPEST = 8  # values within values that are translated as well
_LONGEST = 2000  # characters of what is looked into
_VALUE = re.compile(r"\{(\d+)\}")
_ENDS: Mapping[Language, str] = {"zh": "。"}
_ADDED: Mapping[Language, str] = {"zh": "（{}）"}
_JOINS: Mapping[Language, Sequence[tuple[str, str]]] = {"zh": (("; ", "；"), (": ", "："), (". ", "。"))}


def N_(message: str) -> str:  # noqa: N802 -- gettext's own name for it
    """Mark a text that is translated where it is shown."""
    return message


def chosen(setting: str, environ: Mapping[str, str] = os.environ) -> Language:
    """The language that `language` in the config means; ``auto``: the environment's, as POSIX orders its variables."""
    if setting != "auto":
        return _known(setting) or "en"
    names = (environ.get(name, "") for name in ("LC_ALL", "LC_MESSAGES", "LANG"))
    locale = next(filter(None, names), "")
    return _known(locale.partition("_")[0].partition(".")[0].lower()) or "en"


def _known(name: str) -> Language | None:
    return next((language for language in LANGUAGES if language == name), None)


@functools.cache
def translator(language: Language) -> gettext.NullTranslations:
    """The translations, as gettext has them, into this language, of everything that is marked in the source."""
    found: gettext.NullTranslations = gettext.NullTranslations()
    for path in _catalogs(language):
        read = gettext.GNUTranslations(io.BytesIO(_read(path).to_binary()))
        read.add_fallback(found)
        found = read
    return found


@functools.lru_cache(maxsize=2000)
def told(text: str, language: Language) -> str:
    """What the program said in English, in this language; what it did not say itself stays as it is."""
    return text if language == "en" else _told(text, language, 0) or text


def _told(text: str, language: Language, depth: int) -> str | None:
    if depth > _DEEPEST or not 0 < len(text) <= _LONGEST:
        return None
    if text.endswith("."):  # which a sentence loses within another, and a word gets at its end
        known = _told(text[:-1], language, depth + 1)
        return known and known + _ENDS[language]
    for sentence in _sentences(language):
        values = sentence.values(text)
        if values is not None:
            return sentence.said([_told(value, language, depth + 1) or value for value in values])
    if text.endswith(")"):  # somebody else's words, and what we add to them
        before, _, added = text[:-1].rpartition(" (")
        if known := _told(added, language, depth + 1):
            return f"{_told(before, language, depth + 1) or before}{_ADDED[language].format(known)}"
    for english, joined in _JOINS[language]:  # several reasons in one: each model's, a file's and what to do
        parts = text.split(english) if english == "; " else text.split(english, 1)
        new = [_told(part, language, depth + 1) for part in parts] if len(parts) > 1 else []
        if any(new):
            return joined.join(part or old for part, old in zip(new, parts, strict=True))
    return None


@dataclass(frozen=True, slots=True)
class Sentence:
    """One of the program's own, with numbered values, and its translation."""

    literals: tuple[str, ...]  # around the values, which are one fewer, numbered in the order they stand in
    translation: str

    @classmethod
    def of(cls, english: str, translation: str) -> Sentence:
        """As a catalog has it: ``Page {1} has no size.``; without its full stop."""
        return cls(tuple(_VALUE.split(english.removesuffix("."))[::2]), translation.removesuffix("。"))

    def values(self, text: str) -> list[str] | None:
        """The values of a text that is this sentence; else None. Linear: texts may be anybody's."""
        first, *rest = self.literals
        if not text.startswith(first):
            return None
        if not rest:
            return [] if text == first else None
        found, at = [], len(first)
        for literal in rest[:-1]:
            end = text.find(literal, at)
            if end < 0:
                return None
            found.append(text[at:end])
            at = end + len(literal)
        end = len(text) - len(rest[-1])
        return [*found, text[at:end]] if end >= at and text.endswith(rest[-1]) else None

    def said(self, values: Sequence[str]) -> str:
        """The translation, with these values."""
        return _VALUE.sub(lambda number: values[int(number[1]) - 1], self.translation)


@functools.cache
def _sentences(language: Language) -> tuple[Sentence, ...]:
    """Those that begin with words of their own first, and of these those that say most."""
    entries = _read(resources.files(__name__).joinpath(language, SAID))
    found = [Sentence.of(entry.msgid, entry.msgstr) for entry in entries if entry.translated()]
    return tuple(sorted(found, key=lambda one: (not one.literals[0], -sum(map(len, one.literals)))))


def _catalogs(language: Language) -> list[resources.abc.Traversable]:
    directory = resources.files(__name__).joinpath(language)
    if not directory.is_dir():  # the language that the source is written in
        return []
    return sorted(
        (file for file in directory.iterdir() if file.name.endswith(".po") and file.name != SAID),
        key=lambda file: file.name,
    )


def _read(path: resources.abc.Traversable) -> polib.POFile:
    import polib  # noqa: PLC0415 -- English needs none

    return polib.pofile(path.read_text(encoding="utf-8"))
