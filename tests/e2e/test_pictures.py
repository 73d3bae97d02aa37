"""Pictures that were once sent wrongly, as the gateway gets them from the real daemon."""

from __future__ import annotations

import io
import json
import re
import struct
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont

import images_samples as samples
from daemon import Daemon, glimpsed
from gateway import Gateway
from pictures import drop

CONFIG = """
models:
  m: {{api: chat, base_url: "{url}", api_key_env: GLIMPSED_API_KEY}}
folders:
  inbox: {{path: {inbox}, settle: 20ms, settle_limit: 2s, prompt: "{{filename}}", pages: together, reuse: false}}
log: {{target: json, level: debug}}
"""


def long_orientation() -> bytes:
    exif = b"Exif\0\0" + samples.tiff_file([(274, 4, (6,))])
    return samples.save(samples.corners().transpose(Image.Transpose.ROTATE_90), "JPEG", exif=exif, quality=95)


def white_print() -> bytes:
    image = Image.new("RGBA", (240, 160), (255, 255, 255, 0))
    ImageDraw.Draw(image).text((20, 60), "crates", (255, 255, 255, 255), ImageFont.load_default(size=40))
    return samples.save(image, "PNG")


def colour_map() -> bytes:
    table = [colour[band] for band in range(3) for colour in samples.CORNERS]
    pixels = bytes(y // 80 * 2 + x // 120 for y in range(160) for x in range(240))
    padded = [*(table[n * 4 + i] if i < 4 else 0 for n in range(3) for i in range(256))]
    entries: list[samples.Entry] = [
        (256, 3, (240,)), (257, 3, (160,)), (258, 3, (8,)), (259, 3, (1,)), (262, 3, (3,)), (273, 4, (16,)),
        (277, 3, (1,)), (278, 3, (160,)), (279, 4, (len(pixels),)), (320, 3, tuple(padded)),
    ]  # fmt: skip
    return samples.tiff_file(entries, data=pixels)


NAMED = {
    "jpeg": "jpg", "progressive": "jpg", "gray": "jpg", "cmyk": "jpg", "palette": "png", "apng": "png", "heif": "heic",
    "lossless-webp": "webp", "animated-webp": "webp", "animated-gif": "gif", "lzw": "tif", "deflate": "tif",
    "jpeg-in-tiff": "tif", "bigtiff": "tif", "cmyk-tiff": "tif", "lab-tiff": "tif", "palette-tiff": "tif", "planes": "tif",
}  # fmt: skip


def updated(pdf: bytes) -> bytes:
    """With what another program has added to it: a second end mark."""
    before = int(pdf.rsplit(b"startxref", 1)[1].split()[0])
    root = re.findall(rb"/Root (\d+) 0 R", pdf)[-1]
    note = b"90 0 obj\n<</Note (%s)>>\nendobj\n" % (b"x" * 3000)
    table = b"xref\n90 1\n%010d 00000 n \ntrailer\n<</Size 91/Root %s 0 R/Prev %d>>\n" % (
        len(pdf),
        root,
        before,
    )
    return pdf + note + table + b"startxref\n%d\n%%%%EOF\n" % (len(pdf) + len(note))


SHOWN = {
    "map.tif": colour_map,
    "long.jpg": long_orientation,
    "camera.dng": lambda: samples.dng(samples.corners()),
    "program.ppm": lambda: samples.save(samples.corners(), "PPM"),
    "program.tga": lambda: samples.save(samples.corners(), "TGA"),
    "photo.mpo": samples.EVERY["mpo"],
    "scan.jpeg2000": samples.EVERY["jp2"],
    "motorola.tif": lambda: samples.tiff(samples.corners(), big=True, order=">"),
}


def test_what_the_gateway_gets_is_what_people_see(tmp_path: Path, inbox: Path) -> None:
    with Gateway() as gateway, Daemon(CONFIG.format(url=gateway.base_url, inbox=inbox), tmp_path) as daemon:
        daemon.wait_event("service.ready")
        for name, made in SHOWN.items():
            drop(inbox, name, made())
        drop(inbox, "white.png", white_print())
        fax = Image.new("L", (1687, 1146), 255)  # A4 at 204 by 98 dpi
        drop(inbox, "fax.jpg", samples.save(fax, "JPEG", dpi=(204, 98)))
        for name in (*SHOWN, "white.png", "fax.jpg"):
            daemon.wait_event("file.done", file=name)
        got = {
            seen.prompt: Image.open(io.BytesIO(seen.images[0].data)).convert("RGB")
            for seen in gateway.requests
        }
        assert daemon.stop() == 0
    for name in SHOWN:
        image = got[name]
        assert image.size == (240, 160), name
        for n, colour in enumerate(samples.CORNERS):
            found = image.getpixel((60 + n % 2 * 120, 40 + n // 2 * 80))
            assert all(abs(a - b) < 25 for a, b in zip(found, colour, strict=True)), name  # type: ignore[arg-type]
    low, high = got["white.png"].convert("L").getextrema()
    assert high - low > 200  # type: ignore[operator]
    assert abs(got["fax.jpg"].height / got["fax.jpg"].width - 1.414) < 0.02


def test_a_page_without_a_size_is_left_out_and_said_and_reasons_name_what_is_unusual(
    tmp_path: Path, inbox: Path
) -> None:
    boxes = [b"[0 0 300 400]", b"[0 0 300 400]/CropBox[600 800 900 900]", b"[0 0 200 100]"]
    pages = samples.pdf_of(
        b"<</Type/Catalog/Pages 2 0 R>>",
        b"<</Type/Pages/Count 3/Kids[3 0 R 4 0 R 5 0 R]>>",
        *(b"<</Type/Page/Parent 2 0 R/MediaBox%s>>" % box for box in boxes),
    )
    header = samples.save(samples.corners(mode="L"), "PNG")
    body = struct.pack(">IIBBBBB", 240, 160, 3, 0, 0, 0, 0)
    with Gateway() as gateway, Daemon(CONFIG.format(url=gateway.base_url, inbox=inbox), tmp_path) as daemon:
        daemon.wait_event("service.ready")
        drop(inbox, "pages.pdf", pages)
        drop(inbox, "bits.png", header[:8] + samples.png_chunk(b"IHDR", body) + header[33:])
        done = daemon.wait_event("file.done", file="pages.pdf")
        assert "page 2" in done["reason"]
        daemon.wait_event("file.failed", file="bits.png")
        assert daemon.stop() == 0
    source = json.loads((inbox / "pages.pdf.json").read_text())["source"]
    assert (source["pages"], source["left_out"]) == (3, [2])
    [seen] = gateway.requests
    assert len(seen.images) == 2


def test_a_document_that_arrives_slowly_is_waited_for_past_an_end_mark_in_its_middle(
    tmp_path: Path, inbox: Path
) -> None:
    body = samples.pdf(b"0 0 m 9 9 l S")
    first = b"%PDF-1.4\n9 0 obj\n<</Linearized 1/L 0000000000/O 3/N 1>>\nendobj\nstartxref\n0\n%%EOF\n"
    pdf = (first + body).replace(b"0000000000", b"%010d" % len(first + body), 1)
    jp2 = samples.EVERY["jp2"]()
    box = jp2.index(b"jp2c") - 4
    arriving = {
        "slow.pdf": (pdf, len(first)),
        "slow.jp2": (jp2[:box] + bytes(4) + jp2[box + 4 :], len(jp2) // 2),
    }
    config = CONFIG.replace("settle_limit: 2s", "settle_limit: 5m")
    with Gateway() as gateway, Daemon(config.format(url=gateway.base_url, inbox=inbox), tmp_path) as daemon:
        daemon.wait_event("service.ready")
        for name, (data, there) in arriving.items():
            (inbox / name).write_bytes(data[:there])
        for n in range(3):  # each of these has been quiet for as long, and was looked at
            drop(inbox, f"{n}.png", samples.save(samples.photo(64, 48, n), "PNG"))
            daemon.wait_event("file.done", file=f"{n}.png")
        assert not daemon.seen("file.failed")
        assert len(gateway.requests) == 3
        for name, (data, there) in arriving.items():
            with (inbox / name).open("ab") as file:
                file.write(data[there:])
        for name in arriving:
            daemon.wait_event("file.done", file=name)
        assert not daemon.seen("file.failed")
        assert daemon.stop() == 0


def test_every_format_that_arrives_in_pieces_is_asked_about_once_and_never_before(
    tmp_path: Path, inbox: Path
) -> None:
    """All but MPO: a picture after the end of a JPEG may be there or not."""
    files = {
        f"{kind}.{NAMED.get(kind, kind)}": samples.EVERY[kind]() for kind in samples.EVERY if kind != "mpo"
    }
    files["updated.pdf"] = updated(files["pdf.pdf"])
    files["exif.jpg"] = long_orientation()
    config = CONFIG.replace("settle_limit: 2s", "settle_limit: 5m")
    with Gateway() as gateway, Daemon(config.format(url=gateway.base_url, inbox=inbox), tmp_path) as daemon:
        daemon.wait_event("service.ready")
        for number, share in enumerate((0.0, 0.3, 0.6, 0.9)):
            for name, data in files.items():
                with (inbox / name).open("ab") as file:
                    file.write(data[file.tell() : max(7, int(len(data) * share))])
            for n in range(3):  # each of these has been quiet for as long, and was looked at
                clock = f"{number}-{n}.png"
                drop(inbox, clock, samples.save(samples.photo(64, 48, n), "PNG"))
                daemon.wait_event("file.done", file=clock)
            assert not daemon.seen("file.failed")
            assert {request.prompt for request in gateway.requests} == {f"{a}-{b}.png" for a in range(number + 1) for b in range(3)}  # fmt: skip
        for name, data in files.items():
            with (inbox / name).open("ab") as file:
                file.write(data[file.tell() :])
        for name in files:
            daemon.wait_event("file.done", file=name)
        assert not daemon.seen("file.failed")
        assert daemon.stop() == 0
    assert len(gateway.requests) == len(files) + 12


def test_what_is_passed_over_is_counted_by_its_ending(tmp_path: Path, inbox: Path) -> None:
    for name in ("a.docx", "b.DOCX", "film.mp4", ".hidden.xyz", "scan.png.txt"):
        (inbox / name).write_bytes(b"x")
    with Gateway() as gateway:
        (tmp_path / "glimpsed.yaml").write_text(
            CONFIG.format(url=gateway.base_url, inbox=inbox).replace("target: json", "target: console")
        )
        check = json.loads(glimpsed("check", "--json", home=tmp_path).stdout)
        assert check["folders"]["inbox"]["passed_over"] == {".docx": 2, ".mp4": 1}
        assert "passed over by their ending: 2 .docx, 1 .mp4" in glimpsed("check", home=tmp_path).stdout
        assert "passed over by their ending: 2 .docx, 1 .mp4" in glimpsed("once", home=tmp_path).stdout
