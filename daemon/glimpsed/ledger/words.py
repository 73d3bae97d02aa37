"""What texts are found by, and what is looked for in them: pure, the same for both databases.

Words are runs of letters and digits, without case and accents. Scripts that put no spaces between words are cut into
pairs of characters that stand side by side, so that two of them are as good as a word. An index need not know where in a
text its words stand, which would make it three times as large: whether they stand side by side, the text itself tells.

What `indexed` makes of a text is part of the format: the index has to be told the same again to forget it.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from itertools import pairwise

# Thai, Lao, Khmer and Burmese; kana, bopomofo, CJK and its extensions. Hangul has spaces.
_UNSPACED = (
    "\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u312f\u3400-\u9fff\uf900-\ufaff\U00020000-\U0003ffff"
)
_IN_WORD = rf"[^\W_{_UNSPACED}]"
_WORD = re.compile(rf"(?=\w)[{_UNSPACED}]|{_IN_WORD}+")
_ALONE = re.compile(f"[{_UNSPACED}]")
_ACCENTS = re.compile("[\u0300-\u036f]")
_LONGEST = 64  # characters of a word
_MOST = 900_000  # bytes of all words of one answer: PostgreSQL's index takes 1 MB
_PHRASE = re.compile(r'"([^"]*)"(\*?)|(\S+)')
_MOST_PHRASES = 100


@dataclass(frozen=True, slots=True)
class Phrase:
    """Words that stand side by side; with `begun`, the last of them may go on."""

    words: tuple[str, ...]
    quoted: bool
    begun: bool

    def pattern(self) -> re.Pattern[str]:
        """Where it stands in a text that was `folded`: nothing but white space and punctuation between its words."""
        first, parts = re.escape(self.words[0]), []
        for word, after in zip(self.words, (*self.words[1:], None), strict=True):
            parts.append(re.escape(word))
            # After it: what begins with a text is found ten times as quickly.
            if not parts[1:] and _spaced(word):
                parts.append(f"(?<!{_IN_WORD}{first})")
            parts.append(f"{_IN_WORD}*" if len(word) == _LONGEST else "")
            if after is not None:
                parts.append(r"[\W_]+" if _spaced(word) and _spaced(after) else r"[\W_]*")
        if _spaced(self.words[-1]) and not self.begun:
            parts.append(f"(?!{_IN_WORD})")
        return re.compile("".join(parts))

    def terms(self) -> Iterator[tuple[str, bool]]:
        """The terms that any text has in which it stands, and whether each is only the beginning of one."""
        last = len(self.words) - 1
        for at, word in enumerate(self.words):
            if _spaced(word):
                yield word, self.begun and at == last
            elif at < last and not _spaced(self.words[at + 1]):
                yield word + self.words[at + 1], False
            elif at == 0 or _spaced(self.words[at - 1]):
                yield word, True


def phrases(query: str) -> list[Phrase]:
    """What a query looks for: words, or several in quotes; with a ``*`` only their beginning."""
    found = []
    for part in list(_PHRASE.finditer(query))[:_MOST_PHRASES]:
        text, begun = (part[1], bool(part[2])) if part[3] is None else (part[3], part[3].endswith("*"))
        if words := tuple(cut(text)):
            found.append(Phrase(words, quoted=part[3] is None, begun=begun))
    return found


def begun(wanted: Sequence[Phrase]) -> list[Phrase]:
    """Taken for beginnings, but for what is quoted."""
    return [phrase if phrase.quoted else replace(phrase, begun=True) for phrase in wanted]


def matching_line(body: str, wanted: Sequence[Phrase]) -> str:
    """The line of a text that holds most of these phrases, else most of their words; the first of those."""
    phrases = [phrase.pattern() for phrase in wanted]
    words = [
        Phrase((word,), quoted=False, begun=True).pattern() for phrase in wanted for word in phrase.words
    ]

    def held(line: str) -> tuple[int, int]:
        text = folded(line)
        return sum(bool(some.search(text)) for some in phrases), sum(bool(one.search(text)) for one in words)

    lines = [line.strip() for line in body.splitlines() if line.strip()] or [""]
    return max(lines, key=held)


def spans(line: str, query: str) -> list[tuple[int, int]]:
    """From where to where in a line, as it is written, something that a query looks for stands; in order, apart."""
    text, at = line.lower(), list(range(len(line)))
    if not line.isascii():  # folding makes nothing of some characters, and several of some
        each = [_folded_sign(sign) for sign in line]
        text = "".join(each)
        at = [number for number, sign in enumerate(each) for _ in sign]
    whole = phrases(query)
    # As the search takes them: where whole words find nothing, for beginnings.
    found = [
        one if one.pattern().search(text) else other for one, other in zip(whole, begun(whole), strict=True)
    ]
    if not found:
        return []
    anything = re.compile("|".join(f"(?:{phrase.pattern().pattern})" for phrase in found))
    return [(at[match.start()], at[match.end() - 1] + 1) for match in anything.finditer(text)]


def folded(text: str) -> str:
    """A text without case, accents and widths."""
    if text.isascii():
        return text.lower()
    return unicodedata.normalize("NFC", _ACCENTS.sub("", unicodedata.normalize("NFKD", text.casefold())))


@lru_cache(4096)
def _folded_sign(sign: str) -> str:
    return folded(sign)


def cut(text: str) -> list[str]:
    """A text's words, in their order."""
    return [word[:_LONGEST] for word in _WORD.findall(folded(text))]


def indexed(pages: Iterable[str]) -> list[str]:
    """The terms that an answer is found by, each once."""
    found: dict[str, None] = {}
    room = _MOST
    for page in pages:
        for term in _terms(cut(page)):
            if term not in found:
                room -= len(term.encode())
                if room < 0:
                    return list(found)
                found[term] = None
    return list(found)


def _terms(words: Sequence[str]) -> Iterable[str]:
    if not _ALONE.search("".join(words)):
        return words
    pairs = pairwise([*words, ""])
    return [
        word + after if after and not _spaced(word) and not _spaced(after) else word for word, after in pairs
    ]


def _spaced(word: str) -> bool:
    """Whether it is a word of a script with spaces, and no single character of one without."""
    return len(word) > 1 or _ALONE.match(word) is None
