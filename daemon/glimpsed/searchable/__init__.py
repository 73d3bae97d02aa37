"""Pages as they are under words that nobody sees (`outputs: pdf`), and the same words with their boxes (`hocr`).

`maker` gathers what is known of each page, and asks a process of its own: there (`worker`) the text is set on what the OCR saw
(`align`, `spread`), rendered as `hocr`, and put under the pages (`document`, with `embed`, `layer`, `font` and `archival`). `words` are the values,
`geometry` knows where things are on a turned page.
"""

import importlib.util
import shutil

MARK = "GlimpsedSearchable"  # in the trailer of every PDF that is written here: it is how they are known

KINDS = ("hocr", "pdf")  # outputs that are made here
NO_OCR = "no OCR is installed: words of searchable PDFs and hOCR are spread over their pages, line below line"


def installed_ocr() -> str | None:
    """Which OCR there is to see where words stand; None: none."""
    if all(importlib.util.find_spec(module) for module in ("rapidocr", "onnxruntime", "cv2")):
        return "rapidocr"
    return "tesseract" if shutil.which("tesseract") else None


def is_ours(data: bytes) -> bool:
    """Whether a file is a searchable PDF of ours, and no document that somebody wants to have read."""
    return data.startswith(b"%PDF-") and f"/{MARK}".encode() in data
