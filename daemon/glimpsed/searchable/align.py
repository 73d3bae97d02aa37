"""A model's text set on the words that an OCR engine saw, pure.

Letters are aligned, not words: Chinese has no spaces, and an engine parts and joins words as it sees fit. Only letters
and figures count, whatever their case. What was aligned letter by letter is judged word by word: a word has the
place of the letters that it shares with what was seen, or else goes with its line, and a line of which nothing was seen
stands between its neighbours.

Nothing of the text is lost, nothing is added: each of its words comes out once, also those of a text that describes the page,
or answers a question about it.
"""

from __future__ import annotations

import functools
import itertools
import unicodedata
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from rapidfuzz.distance import Levenshtein

from glimpsed.searchable.spread import Slot, spread
from glimpsed.searchable.words import PageWords, PlacedLine, PlacedWord, Quad, is_right_to_left

_RUN = 4  # letters that are found elsewhere than where their turn is, at least
_SAME = 0.7  # of a word's letters, at least, are the same as those that were seen …
_LIKE = 0.5  # … and so many are one of them at all, beside a word that was found
_SHORT = 3  # letters: fewer are found everywhere


class _Place(NamedTuple):  # made for each letter: three times as fast as a frozen dataclass
    """Where a letter was seen: in which word, and between which shares of its width."""

    page: int  # index
    line: int
    word: int
    start: float
    end: float

    @property
    def of(self) -> tuple[int, int, int]:
        """Which word that is."""
        return self.page, self.line, self.word


@dataclass(slots=True)
class _Asked:
    """A word of the text, on its way to a place."""

    text: str
    letters: str
    found: list[int] = field(default_factory=list)  # of the letters that were seen
    quad: Quad | None = None
    at: tuple[int, int] = (-1, -1)  # page and line, by index


def align(text: str, pages: Sequence[PageWords]) -> list[PageWords]:
    """The pages with the text's words instead of those that were seen; `pages`: those that it may be about, in order."""
    lines = [[_Asked(word, _letters(word)) for word in line.split()] for line in text.splitlines()]
    lines = [line for line in lines if line]
    places, seen = _seen(pages)
    free = set(range(len(seen)))
    words = [word for line in lines for word in line if word.letters]
    _match_in_order(words, places, seen, free, first=True)
    _match_runs(words, seen, free)
    _match_in_order(words, places, seen, free, first=False)
    for line in lines:
        for word in line:
            if word.found:
                word.at, word.quad = _placed(word, places, pages)
        _go_along(line, pages)
    return _set(lines, pages)


@functools.lru_cache(maxsize=10_000)
def _letters(text: str) -> str:
    return "".join(c for c in unicodedata.normalize("NFKC", text).casefold() if c.isalnum())


def _seen(pages: Sequence[PageWords]) -> tuple[list[_Place], str]:
    """Each letter that was seen, and where."""
    places: list[_Place] = []
    letters: list[str] = []
    for p, page in enumerate(pages):
        for n, line in enumerate(page.lines):
            for w, word in enumerate(line):
                count = len(word.text)
                if word.text.isascii() and word.text.isalnum():
                    letters.append(word.text.lower())
                    places += [_Place(p, n, w, at / count, (at + 1) / count) for at in range(count)]
                    continue
                backwards = is_right_to_left(word.text)
                for at, character in enumerate(word.text):
                    left = (count - 1 - at if backwards else at) / count
                    for letter in _letters(character):
                        letters.append(letter)
                        places.append(_Place(p, n, w, left, left + 1 / count))
    return places, "".join(letters)


# -- which letters are the same


def _match_in_order(
    words: Sequence[_Asked], places: Sequence[_Place], seen: str, free: set[int], *, first: bool
) -> None:
    """Have words find their letters among those that nobody has yet, in the order in which both were read."""
    wanted = [word for word in words if not word.found]
    there = sorted(free)
    pairs = _pairs("".join(word.letters for word in wanted), "".join(seen[n] for n in there))
    candidates: list[list[tuple[int, bool]]] = []
    start = 0
    for word in wanted:
        end = start + len(word.letters)
        candidates.append([(there[at], same) for at, same in pairs[start:end] if at >= 0])
        start = end
    taken = [_is_found(word, candidates[n], places, first=first) for n, word in enumerate(wanted)]
    _take_neighbours(wanted, candidates, taken, places)
    for number, word in enumerate(wanted):
        if taken[number]:
            word.found = [at for at, _ in candidates[number]]
            free -= set(word.found)


def _match_runs(words: Sequence[_Asked], seen: str, free: set[int]) -> None:
    """Have words that follow one another find the same letters anywhere: the two may read columns in another order."""
    left = "".join(letter if n in free else "\0" for n, letter in enumerate(seen))
    number, after = 0, 0
    while number < len(words):
        run, start, length = "", -1, 0
        while number + length < len(words) and not words[number + length].found:
            run += words[number + length].letters
            at = left.find(run, start if start >= 0 else after)
            at = left.find(run) if at < 0 else at
            if at < 0:
                break
            start, length = at, length + 1
        found = words[number : number + length]
        taken = sum(len(word.letters) for word in found)
        if taken < _RUN:
            number += 1
            continue
        for word in found:
            word.found = list(range(start, start + len(word.letters)))
            free -= set(word.found)
            start += len(word.letters)
        left = left[: start - taken] + "\0" * taken + left[start:]
        number, after = number + length, start


def _pairs(asked: str, seen: str) -> list[tuple[int, bool]]:
    """For each letter, which of those seen stands for it, -1 for none, and whether it is the same."""
    pairs = [(-1, False)] * len(asked)
    for step in Levenshtein.opcodes(asked, seen):
        if step.tag in ("equal", "replace"):
            for n in range(step.src_end - step.src_start):
                pairs[step.src_start + n] = (step.dest_start + n, step.tag == "equal")
    return pairs


def _is_found(
    word: _Asked, found: Sequence[tuple[int, bool]], places: Sequence[_Place], *, first: bool
) -> bool:
    """Whether so much of a word was seen, in one piece, that it was surely the word."""
    if not found or sum(is_same for _, is_same in found) < _SAME * len(word.letters):
        return False
    start, end = found[0][0], found[-1][0]
    if len(word.letters) < _SHORT:  # a word by itself, or else it is taken along by what stands beside it
        return first and end - start == len(word.letters) - 1 and _is_whole(start, end, places)
    return end - start <= 1.5 * len(word.letters) + 1


def _is_whole(start: int, end: int, places: Sequence[_Place]) -> bool:
    """Whether these letters are all that one word was seen to have."""
    here = places[start]
    around = [places[n] for n in (start - 1, end + 1) if 0 <= n < len(places)]
    return places[end].of == here.of and all(place.of != here.of for place in around)


def _take_neighbours(
    wanted: Sequence[_Asked],
    candidates: Sequence[Sequence[tuple[int, bool]]],
    taken: list[bool],
    places: Sequence[_Place],
) -> None:
    """Words that were misread, or are short, count where what stands beside them was seen in the same line."""
    for order in (range(len(wanted)), range(len(wanted) - 1, -1, -1)):
        step = order.step
        for n in order:
            beside = n - step
            if taken[n] or not 0 <= beside < len(wanted) or not taken[beside] or not candidates[n]:
                continue
            here, there = places[candidates[n][0][0]], places[candidates[beside][-1 if step > 0 else 0][0]]
            span = candidates[n][-1][0] - candidates[n][0][0]
            enough = len(candidates[n]) >= _LIKE * len(wanted[n].letters)
            if (
                (here.page, here.line) == (there.page, there.line)
                and enough
                and span < 2 * len(wanted[n].letters)
            ):
                taken[n] = True


# -- where words stand


def _placed(
    word: _Asked, places: Sequence[_Place], pages: Sequence[PageWords]
) -> tuple[tuple[int, int], Quad]:
    """The line that most of its letters were seen in, and the box around them."""
    found = [places[n] for n in word.found]
    page, line = found[0].page, found[0].line
    several = any(place.of != found[0].of for place in found)  # words; most letters are in one
    if several:
        (page, line), _ = Counter((p.page, p.line) for p in found).most_common(1)[0]
        found = [p for p in found if (p.page, p.line) == (page, line)]
        several = len({p.word for p in found}) > 1
    words = pages[page].lines[line]
    first = min(found, key=lambda p: (several and _along(words, p.word), p.start))
    last = max(found, key=lambda p: (several and _along(words, p.word), p.end))
    left, right = words[first.word], words[last.word]
    top_left, _, _, bottom_left = left.part(_edge(left, first.start, low=True), 1.0)
    _, top_right, bottom_right, _ = right.part(0.0, _edge(right, last.end, low=False))
    return (page, line), (top_left, top_right, bottom_right, bottom_left)


def _along(words: PlacedLine, number: int) -> float:
    """How far along its line a word begins."""
    (x, y), (right, bottom) = words[0].quad[0], words[0].quad[1]
    width = max(1e-6, words[0].width)
    at = words[number].quad[0]
    return ((at[0] - x) * (right - x) + (at[1] - y) * (bottom - y)) / width


def _edge(word: PlacedWord, share: float, *, low: bool) -> float:
    """The word's own edge where only signs stand between it and the letter."""
    count = len(word.text)
    at = round(share * count)
    text = word.text[::-1] if is_right_to_left(word.text) else word.text
    beyond = text[:at] if low else text[at:]
    return (0.0 if low else 1.0) if not _letters(beyond) else share


def _go_along(line: list[_Asked], pages: Sequence[PageWords]) -> None:
    """What was not seen of a line stands between what was, or at its ends."""
    known = [n for n, word in enumerate(line) if word.quad is not None]
    if not known:
        return
    for start, end in _gaps(known, len(line)):
        unseen = line[start:end]
        before = line[start - 1] if start else None
        after = line[end] if end < len(line) else None
        one = before or after
        assert one is not None
        assert one.quad is not None
        page = pages[one.at[0]]
        count = sum(len(word.text) for word in unseen) + len(unseen)
        text = PlacedWord(one.text, one.quad)
        letter = text.width / max(1, len(one.text))
        backwards = is_right_to_left(one.text)
        room = count * letter
        if before and after and after.quad is not None and before.at == after.at and not backwards:
            gap = _distance(text, after.quad)
            room = gap if gap > 0 else 0.2 * room
        share = room / max(1e-6, text.width)
        ahead = (before is None) == backwards
        whole = text.part(1.0, 1.0 + share) if ahead else text.part(-share, 0.0)
        at = 0
        for word in unseen[::-1] if backwards else unseen:
            length = len(word.text) + 1
            word.quad = _within(PlacedWord("", whole).part(at / count, (at + length - 0.5) / count), page)
            word.at = one.at
            at += length


def _gaps(known: Sequence[int], count: int) -> Iterator[tuple[int, int]]:
    edges = [-1, *known, count]
    for one, other in itertools.pairwise(edges):
        if other - one > 1:
            yield one + 1, other


def _distance(word: PlacedWord, quad: Quad) -> float:
    """From a word's end to another's beginning, along its line."""
    (x, y), (right, bottom) = word.quad[0], word.quad[1]
    width = max(1e-6, word.width)
    return ((quad[0][0] - right) * (right - x) + (quad[0][1] - bottom) * (bottom - y)) / width


def _within(quad: Quad, page: PageWords) -> Quad:
    """On the page: a line may be longer than what was seen of it."""
    top_left, top_right, bottom_right, bottom_left = (
        (min(max(x, 0.0), page.width), min(max(y, 0.0), page.height)) for x, y in quad
    )
    return top_left, top_right, bottom_right, bottom_left


# -- lines


def _set(lines: Sequence[Sequence[_Asked]], pages: Sequence[PageWords]) -> list[PageWords]:
    """Each line on its page; those of which nothing was seen between their neighbours."""
    slots = [_slot(line) for line in lines]
    texts = [" ".join(word.text for word in line) for line in lines]
    return spread(texts, slots, pages)


def _slot(line: Sequence[_Asked]) -> Slot | None:
    if not line or line[0].quad is None:
        return None
    page = Counter(word.at[0] for word in line).most_common(1)[0][0]
    here = tuple(
        PlacedWord(word.text, word.quad) for word in line if word.quad is not None and word.at[0] == page
    )
    elsewhere = tuple(
        (word.at[0], PlacedWord(word.text, word.quad))
        for word in line
        if word.quad is not None and word.at[0] != page
    )
    return Slot(page, here, elsewhere)
