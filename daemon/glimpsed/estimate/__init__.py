"""What a number of files will cost: pages, tokens, money and time, from a sample of them. Pure arithmetic.

Input tokens follow the formula of the model's family for the sizes that would be sent. How much a model
will say is not known before it is asked: what this folder's answers had so far, or else a guess.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from glimpsed.config.schema import Folder, ModelEntry
from glimpsed.images import plan
from glimpsed.vision.families import family, text_tokens

OUTPUT_TOKENS = 500  # a page's answer, where there is nothing to go by: half a page of text
ENOUGH = 5  # answers that tell more than the guess
ANSWER_SECONDS = 8.0  # a remote request; field reports say 3 to 15
LOCAL_SECONDS = 3.0  # a page through the embedded OCR on one core
OVERHEAD = 20  # tokens of a request around its texts and images


@dataclass(frozen=True, slots=True)
class Sampled:
    """One file that was looked at."""

    pages: int  # that are sent
    width: int  # px of its first page
    height: int
    texts: tuple[int, ...] = ()  # tokens of the own text of pages that have one
    blind: int = 0  # of those, pages that go without their picture
    sizes: tuple[tuple[int, int], ...] = ()  # px of each page that is sent, upright; where that was looked at


@dataclass(frozen=True, slots=True)
class Group:
    """Files of one kind, and those that were looked at; None: one that will fail unasked."""

    files: int
    sample: tuple[Sampled | None, ...]


@dataclass(frozen=True, slots=True)
class Past:
    """What a folder's model answered so far."""

    answers: int = 0
    output_tokens: int = 0


@dataclass(frozen=True, slots=True)
class Estimate:
    """What is to be expected; `cost` is None without a price, or in several currencies."""

    files: int = 0
    pages: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    cost: float | None = 0.0
    currency: str | None = None
    seconds: float = 0.0


def estimate(
    groups: Iterable[Group], folder: Folder, entry: ModelEntry, past: Past, *, cores: int = 1
) -> Estimate:
    """What asking this model about all of these files will take."""
    files = 0
    pages = requests = tokens_in = tokens_out = 0.0
    for group in groups:
        files += group.files
        each = group.files / max(1, len(group.sample))
        for seen in group.sample:
            if seen is None or seen.pages > folder.max_pages:
                continue
            pages += each * seen.pages
            requests += each * (seen.pages if folder.pages == "each" else 1)
            tokens_in += each * input_tokens(seen, folder, entry)
            tokens_out += each * output_tokens(seen, folder, entry, past)
    return Estimate(
        files=files,
        pages=round(pages),
        input_tokens=round(tokens_in),
        output_tokens=round(tokens_out),
        cost=cost(entry, tokens_in, tokens_out),
        currency=None if entry.local or entry.price is None else entry.currency,
        seconds=round(seconds(entry, pages, requests, tokens_in + tokens_out, cores), 1),
    )


def of_folder(
    groups: Sequence[Group], folder: Folder, models: Mapping[str, ModelEntry], past: Past, *, cores: int = 1
) -> Estimate:
    """What a folder's model will take for these files, with the second reader where it has one."""
    first = estimate(groups, folder, models[folder.model], past, cores=cores)
    if folder.verify_with is None:
        return first
    second = estimate(groups, folder, models[folder.verify_with], past, cores=cores)
    return replace(total([first, second]), files=first.files, pages=first.pages)


def input_tokens(seen: Sampled, folder: Folder, entry: ModelEntry) -> int:
    """Tokens that one file's requests send: its pages as they would be sent, the texts with each request."""
    if entry.local:
        return 0
    kind = family(entry.model)
    requests = seen.pages if folder.pages == "each" else 1
    target = plan.target(entry, folder, pages=1 if folder.pages == "each" else seen.pages)
    layouts = [plan.layout(*size, target) for size in seen.sizes or [(seen.width, seen.height)]]
    bands = [(size.width, last - first) for size in layouts for first, last in size.rows]
    page = sum(kind.tokens(band, folder.detail) for band in bands) / len(layouts)
    return round(page * (seen.pages - seen.blind)) + sum(seen.texts) + requests * _text(folder)


def output_tokens(seen: Sampled, folder: Folder, entry: ModelEntry, past: Past) -> float:
    """Tokens that one file's answer will have."""
    if entry.local:
        return 0.0
    if past.answers >= ENOUGH:
        return past.output_tokens / past.answers
    most = folder.max_output_tokens or math.inf
    requests = seen.pages if folder.pages == "each" else 1
    return min(OUTPUT_TOKENS * seen.pages, most * requests)


def cost(entry: ModelEntry, tokens_in: float, tokens_out: float) -> float | None:
    """Money for these tokens; None for a remote model without a price."""
    if entry.local:
        return 0.0
    if entry.price is None:
        return None
    return round((tokens_in * entry.price.input + tokens_out * entry.price.output) / 1e6, 6)


def seconds(entry: ModelEntry, pages: float, requests: float, tokens: float, cores: int) -> float:
    """How long it takes at the configured pace: the slowest of concurrency and both rates."""
    if entry.local:
        return pages * LOCAL_SECONDS / min(cores, entry.concurrency)
    paces = [requests * ANSWER_SECONDS / entry.concurrency]
    if entry.requests_per_minute:
        paces.append(requests * 60 / entry.requests_per_minute)
    if entry.tokens_per_minute:
        paces.append(tokens * 60 / entry.tokens_per_minute)
    return max(paces)


def total(estimates: Sequence[Estimate]) -> Estimate:
    """The sum; models work side by side, but folders may share one: time is the sum as well."""
    some = [e for e in estimates if e.files]
    currencies = {e.currency for e in some if e.currency is not None}
    costs = [e.cost for e in some if e.cost is not None]
    known = len(costs) == len(some) and len(currencies) <= 1
    return Estimate(
        files=sum(e.files for e in estimates),
        pages=sum(e.pages for e in estimates),
        input_tokens=sum(e.input_tokens for e in estimates),
        output_tokens=sum(e.output_tokens for e in estimates),
        cost=round(sum(costs), 6) if known else None,
        currency=currencies.pop() if len(currencies) == 1 else None,
        seconds=round(sum(e.seconds for e in estimates), 1),
    )


def _text(folder: Folder) -> int:
    schema = json.dumps(folder.schema_, ensure_ascii=False) if folder.schema_ is not None else ""
    return sum(text_tokens(text) for text in (folder.system or "", folder.prompt, schema)) + OVERHEAD
