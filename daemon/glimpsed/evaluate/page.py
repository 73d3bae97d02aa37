"""What `eval` found as one HTML page: the sums, then what was read otherwise, file by file, with the differences marked.

It stands alone, as the page of `report` does, whose looks it has: no script, no network, all foreign text escaped.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from importlib import resources

from markupsafe import Markup
from rapidfuzz.distance.Indel import opcodes

from glimpsed.evaluate import meaning
from glimpsed.evaluate.known import KnownFile
from glimpsed.evaluate.score import Reading, Score
from glimpsed.language import Language
from glimpsed.looks import digest, environment, plainly, style
from glimpsed.model import shown

_LONGEST = 20_000  # characters of a text whose differences are marked

Piece = tuple[str, str, bool]  # what is right, what was read, whether they are the same


@dataclass(frozen=True, slots=True)
class Column:
    """One model with one prompt: its score, and what it read in each file."""

    model: str
    prompt: str
    currency: str
    score: Score
    readings: Sequence[Reading]


@dataclass(frozen=True, slots=True)
class Shown:
    """What one model made of one file: an error, or the fields or words that it read otherwise."""

    column: Column
    error: str = ""
    fields: Sequence[tuple[str, str, str]] = ()  # path, what is right, what was read
    text: Sequence[Piece] = ()

    @property
    def right(self) -> bool:
        """Whether it is all right."""
        return not (self.error or self.fields or any(not same for *_, same in self.text))


def render(columns: Sequence[Column], files: Sequence[KnownFile], language: Language = "en") -> str:
    """The page as HTML."""
    css = style("glimpsed.report") + resources.files(__package__).joinpath("page.css").read_text("utf-8")
    policy = f"default-src 'none'; style-src '{digest(css)}'; base-uri 'none'; form-action 'none'"
    compared = [
        (shown(file.path.name), [_shown(column, file, column.readings[number]) for column in columns])
        for number, file in enumerate(files)
    ]
    return (
        environment("glimpsed.evaluate", language)
        .get_template("eval.html")
        .render(
            columns=columns,
            files=files,
            prompts=len({column.prompt for column in columns}),
            fields=list(dict.fromkeys(name for column in columns for name in column.score.fields)),
            differing=[(name, some) for name, some in compared if not all(one.right for one in some)],
            alike=[name for name, some in compared if all(one.right for one in some)],
            policy=policy,
            style=Markup(css),  # noqa: S704 - our own
            language={"zh": "zh-CN"}.get(language, language),
        )
    )


def _shown(column: Column, file: KnownFile, reading: Reading) -> Shown:
    if reading.error is not None:
        return Shown(column, error=reading.error)
    if file.known.data is not None:
        found = meaning.differences(file.known.data, reading.data)
        return Shown(
            column, fields=[(one.path, plainly(one.value) or "–", plainly(one.other) or "–") for one in found]
        )
    right = file.known.text or ""
    alike = right.split() == reading.text.split()  # as the score has it
    return Shown(column, text=[] if alike else list(_pieces(right, reading.text)))


def _pieces(right: str, read: str) -> Iterator[Piece]:
    """Word by word; as a whole where both are very long."""
    if max(len(right), len(read)) > _LONGEST:
        yield "", shown(read, lines=True), False
        return
    one, other = (text.strip().split(" ") for text in (right, read))
    for step in opcodes(one, other):
        gone = " ".join(one[step.src_start : step.src_end])
        come = " ".join(other[step.dest_start : step.dest_end])
        yield shown(gone, lines=True), shown(come, lines=True), step.tag == "equal"
