"""A model's text set on the words that an OCR engine saw, pure.

Letters are aligned, not words: Chinese has no spaces, and an engine parts and joins words as it sees fit. Only letters
and figures count, whatever their case. What was aligned letter by letter is judged word by word: a word has the
place of the letters that it shares with what was seen, or else goes with its line, and a line of which nothing was seen
stands between its neighbours.

Nothing of the text is lost, nothing is added: each of its words comes out once. Only where hardly anything that
was seen is in it (it describes the page, or answers a question about it) are the lines that were seen kept as well, so that
they are found.
"""

from __future__ import annotations

import unicodedata
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace

from rapidfuzz.distance import Levenshtein

from glimpsed.searchable.spread import Slot, spread
from glimpsed.searchable.words import Line, Page, Quad, Word, is_right_to_left

_PASSES = 4  # each finds what the one before could not: blocks that the two read in another order
_LIKE = 0.5  # of a word's letters, at least, are the same as those that were seen
_SHORT = 3  # letters: fewer are found everywhere
_TRANSCRIBED = 0.5  # of what was seen, at least, is in a text that says what stands on the page


@dataclass(frozen=True, slots=True)
class _Place:
    """Where a letter was seen: in which word, and between which shares of its width."""

    page: int  # index
    line: int
    word: int
    start: float
    end: float


@dataclass(slots=True)
class _Asked:
    """A word of the text, on its way to a place."""

    text: str
    letters: str
    found: list[int] = field(default_factory=list)  # of the letters that were seen
    quad: Quad | None = None
    at: tuple[int, int] = (-1, -1)  # page and line, by index


def align(text: str, pages: Sequence[Page]) -> list[Page]:
    """The pages with the text's words instead of those that were seen; `pages`: those that it may be about, in order."""
    lines = [[_Asked(word, _letters(word)) for word in line.split()] for line in text.splitlines()]
    lines = [line for line in lines if line]
    places, seen = _seen(pages)
    free = set(range(len(seen)))
    for number in range(_PASSES):
        if not _matched(lines, places, seen, free, first=number == 0):
            break
    for line in lines:
        for word in line:
            if word.found:
                word.at, word.quad = _placed(word, places, pages)
        _go_along(line, pages)
    out = _set(lines, pages)
    if len(seen) and len(free) > (1 - _TRANSCRIBED) * len(seen):
        claimed = {(p.page, p.line) for n, p in enumerate(places) if n not in free}
        out = [replace(page, lines=page.lines + _others(pages[n], n, claimed)) for n, page in enumerate(out)]
    return out


def _others(page: Page, number: int, claimed: set[tuple[int, int]]) -> tuple[Line, ...]:
    return tuple(line for n, line in enumerate(page.lines) if (number, n) not in claimed)


def _letters(text: str) -> str:
    return "".join(c for c in unicodedata.normalize("NFKC", text).casefold() if c.isalnum())


def _seen(pages: Sequence[Page]) -> tuple[list[_Place], str]:
    """Each letter that was seen, and where."""
    places: list[_Place] = []
    letters: list[str] = []
    for p, page in enumerate(pages):
        for n, line in enumerate(page.lines):
            for w, word in enumerate(line):
                count, backwards = len(word.text), is_right_to_left(word.text)
                for at, character in enumerate(word.text):
                    left = (count - 1 - at if backwards else at) / count
                    for letter in _letters(character):
                        letters.append(letter)
                        places.append(_Place(p, n, w, left, left + 1 / count))
    return places, "".join(letters)


# -- which letters are the same


def _matched(
    lines: Sequence[Sequence[_Asked]], places: Sequence[_Place], seen: str, free: set[int], *, first: bool
) -> bool:
    """Whether more words have found their letters among those that nobody has yet."""
    wanted = [word for line in lines for word in line if word.letters and not word.found]
    there = sorted(free)
    if not wanted or not there:
        return False
    pairs = _pairs("".join(word.letters for word in wanted), "".join(seen[n] for n in there))
    candidates: dict[int, list[tuple[int, bool]]] = {}
    start = 0
    for number, word in enumerate(wanted):
        end = start + len(word.letters)
        candidates[number] = [(there[at], same) for at, same in pairs[start:end] if at >= 0]
        start = end
    taken = [_is_found(word, candidates[n], first=first) for n, word in enumerate(wanted)]
    _take_neighbours(wanted, candidates, taken, places)
    for number, word in enumerate(wanted):
        if taken[number]:
            word.found = [at for at, _ in candidates[number]]
            free -= set(word.found)
    return any(taken)


def _pairs(asked: str, seen: str) -> list[tuple[int, bool]]:
    """For each letter, which of those seen stands for it, -1 for none, and whether it is the same."""
    pairs = [(-1, False)] * len(asked)
    for tag, start, end, other, other_end in Levenshtein.opcodes(asked, seen):
        if tag in ("equal", "replace"):
            for n in range(min(end - start, other_end - other)):
                pairs[start + n] = (other + n, tag == "equal")
    return pairs


def _is_found(word: _Asked, found: Sequence[tuple[int, bool]], *, first: bool) -> bool:
    """Whether so much of a word was seen, in one piece, that it was surely the word."""
    same = sum(is_same for _, is_same in found)
    if not found or same < _LIKE * len(word.letters) or (len(word.letters) < _SHORT and same < len(found)):
        return False
    if not first and len(word.letters) < _SHORT:
        return False  # taken along by what stands beside it
    return found[-1][0] - found[0][0] <= 1.5 * len(word.letters) + 1


def _take_neighbours(
    wanted: Sequence[_Asked],
    candidates: dict[int, list[tuple[int, bool]]],
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
            if (here.page, here.line) == (there.page, there.line) and enough and span < 2 * len(wanted[n].letters):
                taken[n] = True


# -- where words stand


def _placed(word: _Asked, places: Sequence[_Place], pages: Sequence[Page]) -> tuple[tuple[int, int], Quad]:
    """The line that most of its letters were seen in, and the box around them."""
    found = [places[n] for n in word.found]
    (page, line), _ = Counter((p.page, p.line) for p in found).most_common(1)[0]
    found = [p for p in found if (p.page, p.line) == (page, line)]
    words = pages[page].lines[line]
    first = min(found, key=lambda p: (_along(words, p.word), p.start))
    last = max(found, key=lambda p: (_along(words, p.word), p.end))
    left, right = words[first.word], words[last.word]
    top_left, _, _, bottom_left = left.part(_edge(left, first.start, low=True), 1.0)
    _, top_right, bottom_right, _ = right.part(0.0, _edge(right, last.end, low=False))
    return (page, line), (top_left, top_right, bottom_right, bottom_left)


def _along(words: Line, number: int) -> float:
    """How far along its line a word begins."""
    (x, y), (right, bottom) = words[0].quad[0], words[0].quad[1]
    width = max(1e-6, words[0].width)
    at = words[number].quad[0]
    return ((at[0] - x) * (right - x) + (at[1] - y) * (bottom - y)) / width


def _edge(word: Word, share: float, *, low: bool) -> float:
    """The word's own edge where only signs stand between it and the letter."""
    count = len(word.text)
    at = round(share * count)
    text = word.text[::-1] if is_right_to_left(word.text) else word.text
    beyond = text[:at] if low else text[at:]
    return (0.0 if low else 1.0) if not _letters(beyond) else share


def _go_along(line: list[_Asked], pages: Sequence[Page]) -> None:
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
        text = Word(one.text, one.quad)
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
            word.quad = _within(Word("", whole).part(at / count, (at + length - 0.5) / count), page)
            word.at = one.at
            at += length


def _gaps(known: Sequence[int], count: int) -> Iterator[tuple[int, int]]:
    edges = [-1, *known, count]
    for one, other in zip(edges, edges[1:], strict=False):
        if other - one > 1:
            yield one + 1, other


def _distance(word: Word, quad: Quad) -> float:
    """From a word's end to another's beginning, along its line."""
    (x, y), (right, bottom) = word.quad[0], word.quad[1]
    width = max(1e-6, word.width)
    return ((quad[0][0] - right) * (right - x) + (quad[0][1] - bottom) * (bottom - y)) / width


def _within(quad: Quad, page: Page) -> Quad:
    """On the page: a line may be longer than what was seen of it."""
    top_left, top_right, bottom_right, bottom_left = (
        (min(max(x, 0.0), page.width), min(max(y, 0.0), page.height)) for x, y in quad
    )
    return top_left, top_right, bottom_right, bottom_left


# -- lines


def _set(lines: Sequence[Sequence[_Asked]], pages: Sequence[Page]) -> list[Page]:
    """Each line on its page; those of which nothing was seen between their neighbours."""
    slots = [_slot(line) for line in lines]
    texts = [" ".join(word.text for word in line) for line in lines]
    return spread(texts, slots, pages)


def _slot(line: Sequence[_Asked]) -> Slot | None:
    if not line or line[0].quad is None:
        return None
    page = Counter(word.at[0] for word in line).most_common(1)[0][0]
    here = tuple(Word(word.text, word.quad) for word in line if word.quad is not None and word.at[0] == page)
    elsewhere = tuple(
        (word.at[0], Word(word.text, word.quad)) for word in line if word.quad is not None and word.at[0] != page
    )
    return Slot(page, here, elsewhere)
