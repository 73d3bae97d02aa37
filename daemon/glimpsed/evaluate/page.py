"""What `eval` found as one HTML page: the sums, then each file with what was read otherwise marked.

It stands alone, as the page of `report` does, whose looks it has: no script, no network, all foreign text escaped.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from html import escape
from typing import Any

from rapidfuzz.distance import Opcodes
from rapidfuzz.distance.Indel import opcodes

from glimpsed import looks
from glimpsed.evaluate import meaning
from glimpsed.evaluate.known import KnownFile
from glimpsed.evaluate.score import Reading, Score
from glimpsed.model import shown

_LONGEST = 20_000  # characters of a text whose differences are marked
_STYLE = """
main { overflow-x: auto; }
table { width: 100%; border-collapse: collapse; font-size: .92rem; }
th, td { padding: .35rem .6rem; border-bottom: 1px solid var(--line); text-align: left; vertical-align: top; }
td.number { text-align: right; font-variant-numeric: tabular-nums; }
ins { color: var(--bad); text-decoration-thickness: 2px; }
del { color: var(--soft); }
article { display: block; }
"""


@dataclass(frozen=True, slots=True)
class Column:
    """One model with one prompt: its score, and what it read in each file."""

    model: str
    prompt: str
    currency: str
    score: Score
    readings: Sequence[Reading]


def render(columns: Sequence[Column], files: Sequence[KnownFile]) -> str:
    """The page as HTML."""
    return "".join(_document(columns, files))


def _document(columns: Sequence[Column], files: Sequence[KnownFile]) -> Iterator[str]:
    style = looks.style("glimpsed.report") + _STYLE
    policy = f"default-src 'none'; style-src '{looks.digest(style)}'; base-uri 'none'; form-action 'none'"
    yield f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="{escape(policy)}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>How right – glimpsed</title>
<style>{style}</style>
</head>
<body>
<header>
<h1>How right</h1>
<p class="made">{len(files):,} files whose right answers are known. <del>Right</del> was read as <ins>otherwise</ins>.</p>
</header>
<main>
"""
    yield from _sums(columns)
    for number, file in enumerate(files):
        yield from _file(file, [(column, column.readings[number]) for column in columns])
    yield "</main>\n</body>\n</html>\n"


def _sums(columns: Sequence[Column]) -> Iterator[str]:
    heads = ("model", "prompt", "right", "characters wrong", "words wrong", "schema failures", "errors", "seconds",
             "cost of 1,000")  # fmt: skip
    yield f"<table>\n<tr>{''.join(f'<th scope=col>{head}</th>' for head in heads)}</tr>\n"
    for column in columns:
        found = column.score
        cost = "unknown" if found.cost_per_1000 is None else f"{found.cost_per_1000:.2f} {column.currency}"
        numbers = [*map(_percent, (found.right, found.cer, found.wer)), str(found.schema_failures), str(found.errors),
                   f"{found.seconds:.1f}", cost]  # fmt: skip
        cells = "".join(f'<td class="number">{escape(n)}</td>' for n in numbers)
        yield f"<tr><td>{escape(column.model)}</td><td>{escape(column.prompt)}</td>{cells}</tr>\n"
    yield "</table>\n"


def _file(file: KnownFile, read: Sequence[tuple[Column, Reading]]) -> Iterator[str]:
    yield f'<article>\n<h2 dir="auto">{escape(shown(file.path.name))}</h2>\n'
    for column, reading in read:
        yield f'<p class="facts">{escape(column.model)} · {escape(column.prompt)}</p>\n'
        if reading.error is not None:
            yield f'<p class="reason" dir="auto">{escape(shown(reading.error))}</p>\n'
        elif file.known.data is not None:
            yield from _fields(file.known.data, reading.data)
        else:
            yield f'<pre dir="auto">{_marked(file.known.text or "", reading.text)}</pre>\n'
    yield "</article>\n"


def _fields(right: Any, read: Any) -> Iterator[str]:
    found = list(meaning.differences(right, read))
    if not found:
        yield "<p>All right.</p>\n"
        return
    yield "<table>\n"
    for difference in found:
        path, value, other = (escape(_text(v)) for v in (difference.path, difference.value, difference.other))
        yield f'<tr><th scope="row">{path}</th><td dir="auto"><del>{value}</del></td><td dir="auto"><ins>{other}</ins></td></tr>\n'
    yield "</table>\n"


def _marked(right: str, read: str) -> str:
    """What was read, with what should have stood there struck out and what should not underlined, word by word."""
    if max(len(right), len(read)) > _LONGEST:
        return escape(read)
    one, other = (text.split(" ") for text in (right.strip(), read.strip()))
    steps: Opcodes = opcodes(one, other)
    parts = []
    for step in steps:
        gone = " ".join(one[step.src_start : step.src_end])
        come = " ".join(other[step.dest_start : step.dest_end])
        if step.tag == "equal":
            parts.append(escape(come))
            continue
        parts += [f"<del>{escape(gone)}</del>"] if gone else []
        parts += [f"<ins>{escape(come)}</ins>"] if come else []
    return " ".join(parts)


def _text(value: Any) -> str:
    return "–" if value is None else str(value)


def _percent(share: float | None) -> str:
    return "" if share is None else f"{100 * share:.2f} %"
