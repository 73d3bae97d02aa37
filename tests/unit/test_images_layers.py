"""The text of a PDF's layers: read when the layer is on, as it is seen."""

from __future__ import annotations

import io

import pytest

from glimpsed.images import pdf

pikepdf = pytest.importorskip("pikepdf")
pytest.importorskip("pypdfium2")

ALWAYS = "This line is always there for everybody to see and to read"
ON, OFF = "Layer that is switched on and that everybody can see", "Secret line of a layer that is off"
SHOW = "BT {2} Tr /F 12 Tf 50 {1} Td ({0}) Tj ET"


def layered(default: str, *, forms: bool = False, objects: bool = False, mode: int = 0) -> bytes:
    """A page with a line on no layer, one on the layer `off` and one on `on`, marked or as forms of their own."""
    document = pikepdf.new()
    page = document.add_blank_page(page_size=(595, 842))
    name, dictionary, array = pikepdf.Name, pikepdf.Dictionary, pikepdf.Array
    font = dictionary(Type=name.Font, Subtype=name.Type1, BaseFont=name.Helvetica)
    off, on = (document.make_indirect(dictionary(Type=name.OCG, Name=said)) for said in ("off", "on"))
    states = {
        "listed": dictionary(OFF=array([off])),
        "base": dictionary(BaseState=name.OFF, ON=array([on])),
        "both": dictionary(ON=array([off, on])),
    }
    document.Root.OCProperties = dictionary(OCGs=array([off, on]), D=states[default])
    page.Resources = dictionary(
        Font=dictionary(F=font), Properties=dictionary(L0=off, L1=on), XObject=dictionary()
    )
    content = [SHOW.format(ALWAYS, 700, 0)]
    for number, (text, group) in enumerate(((OFF, off), (ON, on))):
        drawn = SHOW.format(text, 680 - 20 * number, mode)
        if not forms:
            content.append(f"/OC /L{number} BDC {drawn} EMC")
            continue
        form = pikepdf.Stream(document, drawn.encode())
        form.Type, form.Subtype, form.OC = name.XObject, name.Form, group
        form.BBox, form.Resources = array([0, 0, 595, 842]), dictionary(Font=dictionary(F=font))
        page.Resources.XObject[f"/X{number}"] = document.make_indirect(form)
        content.append(f"/X{number} Do")
    page.Contents = pikepdf.Stream(document, "\n".join(content).encode())
    out = io.BytesIO()
    kind = pikepdf.ObjectStreamMode.generate if objects else pikepdf.ObjectStreamMode.disable
    document.save(out, object_stream_mode=kind)
    return out.getvalue()


def text(data: bytes) -> list[str]:
    return pdf.own_text(io.BytesIO(data), 1)[0].splitlines()


@pytest.mark.parametrize("objects", [False, True])
@pytest.mark.parametrize("forms", [False, True])
@pytest.mark.parametrize("default", ["listed", "base"])
def test_text_of_a_layer_that_is_off_is_not_read(default: str, forms: bool, objects: bool) -> None:
    data = layered(default, forms=forms, objects=objects)
    assert text(data) == [ALWAYS, ON]
    assert [line for line, _ in pdf.own_lines(io.BytesIO(data), 1, (595, 842))] == [ALWAYS, ON]


@pytest.mark.parametrize("forms", [False, True])
def test_text_of_layers_that_are_on_is_read(forms: bool) -> None:
    assert text(layered("both", forms=forms)) == [ALWAYS, OFF, ON]


def test_text_that_is_invisible_on_a_layer_is_an_ocr_programs_and_stays() -> None:
    assert text(layered("both", mode=3)) == [ALWAYS, OFF, ON]
