"""Which of tesseract's languages are written in which script, as its script detection (OSD) names them; pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

AUTO = "auto"
LANGUAGES: Mapping[str, tuple[str, ...]] = {
    "Latin": (
        *("eng", "deu", "fra", "spa", "ita", "por", "nld", "pol", "ces", "slk", "slv", "hrv", "hun", "ron"),
        *("swe", "dan", "nor", "fin", "est", "lav", "lit", "tur", "cat", "glg", "eus", "isl", "gle", "lat"),
        *("vie", "ind", "msa"),
    ),
    "Fraktur": ("deu_frak", "frk", "deu"),
    "Cyrillic": ("rus", "ukr", "bel", "bul", "srp", "mkd", "kaz"),
    "Greek": ("ell",),
    "Arabic": ("ara", "fas", "urd"),
    "Hebrew": ("heb",),
    "Han": ("chi_sim", "chi_tra"),
    "Japanese": ("jpn",),
    "Korean": ("kor",),
    "Hangul": ("kor",),
    "Devanagari": ("hin", "mar", "nep", "san"),
    "Bengali": ("ben", "asm"),
    "Gurmukhi": ("pan",),
    "Gujarati": ("guj",),
    "Tamil": ("tam",),
    "Telugu": ("tel",),
    "Kannada": ("kan",),
    "Malayalam": ("mal",),
    "Sinhala": ("sin",),
    "Thai": ("tha",),
    "Lao": ("lao",),
    "Khmer": ("khm",),
    "Myanmar": ("mya",),
    "Georgian": ("kat",),
    "Armenian": ("hye",),
    "Ethiopic": ("amh",),
    "Tibetan": ("bod",),
}
_SCRIPT = re.compile(r"^Script: (\S+)", re.MULTILINE)
_USUAL = "Latin"


def installed(languages: Iterable[str]) -> dict[str, str]:
    """Script -> what tesseract's ``-l`` gets for it, of the languages whose data is there."""
    there = set(languages)
    known = {script: [name for name in names if name in there] for script, names in LANGUAGES.items()}
    return {script: "+".join(names) for script, names in known.items() if names}


def told(osd: str) -> str:
    """The script that the detection found; where it saw too little to tell, the usual one."""
    found = _SCRIPT.search(osd)
    return found[1] if found and found[1] in LANGUAGES else _USUAL


def package(script: str) -> str:
    """Debian's package with data for a script."""
    return f"tesseract-ocr-{LANGUAGES[script][0].replace('_', '-')}"
