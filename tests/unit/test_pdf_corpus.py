"""What PDF pages say by themselves, on pages as many programs write them, is what a person reads there."""

from __future__ import annotations

import asyncio
import io

import pypdfium2
import pytest

from glimpsed.images import pdf
from glimpsed.images.prepare import Images
from glimpsed.model import Content, Version
from pdf_corpus import BROWSER, CASES, Case, names, printed_by_a_browser


def test_the_corpus_is_large() -> None:
    assert len(CASES) >= 40
    assert len(set(names())) == len(CASES)


@pytest.mark.parametrize("case", CASES, ids=list(names()))
def test_a_page_is_read_as_a_person_reads_it(case: Case) -> None:
    text, nature = pdf.own_text(io.BytesIO(case.pdf()), 1)
    assert nature == case.nature
    if case.text is not None:
        assert text.split("\n") == case.text.split("\n")


def test_local_models_get_the_same_through_the_image_workers() -> None:
    async def read() -> list[str | None]:
        images = Images(1)
        try:
            found = []
            for case in CASES:
                data = case.pdf()
                own = await images.own_text(Content(data, "0" * 64, Version(len(data), 0)), 1)
                found.append(own.text if own else None)
            return found
        finally:
            await images.close()

    assert asyncio.run(read()) == [case.text for case in CASES]


def test_what_a_browser_prints_is_read_as_it_shows_it() -> None:
    data = printed_by_a_browser()
    if data is None:
        pytest.skip("Chromium is not installed, or cannot print here")
    assert len(pypdfium2.PdfDocument(data)) >= len(BROWSER)
    for number, (_, wanted) in enumerate(BROWSER, 1):
        text, nature = pdf.own_text(io.BytesIO(data), number)
        assert (text.split("\n"), nature) == (wanted.split("\n"), "digital")
