"""Where on its pages an answer's words stand."""

from __future__ import annotations

import re
import time
from pathlib import Path

import pytest
from PIL import Image

from glimpsed.model import Doubt, DoubtfulWords, Job, Line, Usage
from glimpsed.web.places import lines, places
from history import History
from webpage import Reader, history, served

NOW = time.time()


def line(text: str, page: int = 1, box: tuple[int, int, int, int] = (32, 24, 160, 48)) -> Line:
    return Line(page=page, text=text, box=box, confidence=0.9)


LINES = (
    line("ACME <GmbH>"),
    line("Datum 05.09.2024", box=(160, 120, 320, 240)),
    line("Summe 1.234,50 EUR", page=2, box=(0, 0, 320, 24)),
)


def test_values_are_found_in_whatever_form_they_stand_there() -> None:
    seen = lines(None, [])
    assert places(seen, ["x"]) == {}
    (_,) = LINES[0].box[:1]
    answer_lines = {1: LINES[:2], 2: LINES[2:]}
    found = places(
        answer_lines,
        ["2024-09-05", "1234.5", "acme gmbh", "", "nothing of it", "17", "1.284,50", "AGME Gmbh"],
    )
    assert found == {
        "2024-09-05": "1:1",
        "1234.5": "2:0",
        "acme gmbh": "1:0",
        "": "",
        "nothing of it": "",
        "17": "",
        "1.284,50": "2:0",  # misread: what is most like it
        "AGME Gmbh": "1:0",
    }


@pytest.fixture
def told(tmp_path: Path) -> History:
    made = history(tmp_path)
    doubt = Doubt(by="m", agreement=0.5, words=(DoubtfulWords(value="1.234,50", other="1.284,50"),))
    made.done(
        "invoices",
        "a.png",
        ("ACME <GmbH>\nDatum 05.09.2024", "Summe 1.234,50 EUR"),
        NOW,
        told={"lines": LINES, "doubt": doubt},
    )
    made.done("archive", "none.png", ("No lines.",), NOW)
    return made


def test_the_page_tells_each_line_and_where_it_stands_in_the_picture(told: History, tmp_path: Path) -> None:
    with served(told.config, tmp_path) as port, Reader(port) as reader:
        page = reader.get("/files/1").text
        assert re.findall(r'<li data-line="([\d:]+)"', page) == ["1:0", "1:1", "2:0"]
        assert "ACME &lt;GmbH&gt;</li>" in page
        assert 'data-at="2:0"' in page  # of the doubtful words
        assert page.count("data-lines=") == 2
        assert reader.get("/files/1/pages/1/lines").json() == [[0.1, 0.1, 0.5, 0.2], [0.5, 0.5, 1.0, 1.0]]
        for url in ("/files/1/pages/3/lines", "/files/2/pages/1/lines"):
            assert reader.get(url).json() == []
        assert reader.get("/files/1/pages/999/lines").status_code == 404
        assert "data-lines" not in reader.get("/files/2").text
    # Also of pictures that are on disk from before.
    for kept in (tmp_path / "cache" / "pages").iterdir():
        if kept.stat().st_size < 100:
            kept.unlink()
    with served(told.config, tmp_path) as port, Reader(port) as reader:
        assert reader.get("/files/1/pages/1/lines").json()[0] == [0.1, 0.1, 0.5, 0.2]
    told.ledger.close()


def test_fields_of_a_remote_answer_are_marked_where_the_local_second_reader_saw_them(tmp_path: Path) -> None:
    made = history(tmp_path)
    data = {"date": "2024-09-05", "total": 1234.5}
    made.done("invoices", "a.png", ("{}",), NOW, data)
    row = made.ledger.browse(["invoices"], ["done"])[0]
    (about,) = made.ledger.answers_about(row.sha256 or "")
    seen = about.answer.model_copy(update={"lines": LINES[1:2], "data": None, "text": "Datum 05.09.2024"})
    job = Job(row.id, row.key, row.version, attempts=1, retries=0, cut_off=0, fresh=False, round=0, claim=1)
    made.ledger.to_verify(job)
    (second,) = made.ledger.claim_readings(["invoices"], 1, NOW + 1, 60)
    made.ledger.read_second(
        second.job, "local", Usage(), agreement=0.5, doubtful=True, reading="{}", seen=seen, now=NOW
    )
    with served(made.config, tmp_path) as port, Reader(port) as reader:
        page = reader.get(f"/files/{row.id}").text
        assert re.findall(r'name="data.date"[^>]*data-at="([^"]*)"', page) == ["1:0"]
        assert len(reader.get(f"/files/{row.id}/pages/1/lines").json()) == 1
        assert "as the second reader saw it" in page
    made.ledger.read_second(  # once more, in the place of the one before
        second.job, "local", Usage(), agreement=0.5, doubtful=True, reading="{}", seen=seen, now=NOW
    )
    assert [one.second for one in made.ledger.answers_about(row.sha256 or "")].count(True) == 1
    assert made.ledger.search("Datum") == []  # nobody's answer
    made.ledger.close()


def test_a_page_that_is_shown_upright_has_its_lines_upright(tmp_path: Path) -> None:
    made = history(tmp_path)
    place = tmp_path / "invoices" / "turned.jpg"
    image = Image.new("RGB", (320, 240), "white")
    exif = Image.Exif()
    exif[0x0112] = 6  # the top of the page is at the right of the file
    make = made.image

    def turned(folder: str, path: str, size: tuple[int, int] = (320, 240)) -> object:
        found = make(folder, path, size)
        image.save(place, exif=exif)
        return found

    made.image = turned  # type: ignore[method-assign, assignment]
    made.done(
        "invoices", "turned.jpg", ("Left below.",), NOW, told={"lines": (line("x", box=(0, 0, 32, 24)),)}
    )
    with served(made.config, tmp_path) as port, Reader(port) as reader:
        ((left, top, right, bottom),) = reader.get("/files/1/pages/1/lines").json()
        assert (left, top, right, bottom) == pytest.approx((0.9, 0.0, 1.0, 0.1))
    made.ledger.close()
