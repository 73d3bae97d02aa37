"""Which of tesseract's languages are written in which script, as its script detection (OSD) names them; pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from glimpsed.ocr.tsv import Sureness

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
_FIELD = re.compile(r"^([A-Z][a-z ]+): (\S+)$", re.MULTILINE)
USUAL = "Latin"  # to go by where the detection saw too little to tell
_KIN = {"Fraktur": "Latin", "Japanese": "Han", "Hiragana": "Han", "Katakana": "Han", "Hangul": "Korean"}

# Measured on 32 scripts, typed, blurred, as faxes and photos, and on print, handwriting and filled-in forms in known ones:
# of print that it knows tesseract is 0.65 sure or more, also of languages that it has no data for. Below 0.37 seldom more than
# a quarter of the words is right. Between them are other scripts as well as handwriting and poor print, which is there to
# be read; but of those the detection is not sure which way up the page lies (8 at most), or a good part is certain.
DOUBTFUL = 0.6  # how sure tesseract is of a page's letters: below that the page is looked at again
HOPELESS = 0.37  # likewise: below that it is nothing that it can read, whichever way up it lies
UPRIGHT = 9.0  # how sure the detection is which way up a page lies
PARTLY_READ, HARDLY_READ = 0.25, 0.15  # share of letters that it is certain of, of an upright page and of any
FEW = 40  # characters: less is no page of text, but what is read of a picture
SURER = 0.2  # by so much more than of the page as it came, it is sure of one that it got the right way up


@dataclass(frozen=True, slots=True)
class Osd:
    """What tesseract's detection of orientation and script says of a page."""

    script: str = ""  # nothing where it saw too little to tell
    turn: int = 0  # degrees clockwise until it stands upright
    certainty: float = 0.0  # of which way up it lies; 0 to about 40

    @property
    def is_upright(self) -> bool:
        """Whether it is sure which way up it lies, as it is of print in any script."""
        return self.certainty >= UPRIGHT

    @classmethod
    def of(cls, written: str) -> Osd:
        """From what it wrote."""
        fields = dict(_FIELD.findall(written))
        try:
            turn, certainty = int(fields["Rotate"]), float(fields["Orientation confidence"])
        except (KeyError, ValueError):
            turn, certainty = 0, 0.0
        script = fields.get("Script", "")
        return cls(script if script in LANGUAGES else "", turn if turn in (90, 180, 270) else 0, certainty)


def installed(languages: Iterable[str]) -> dict[str, str]:
    """Script -> what tesseract's ``-l`` gets for it, of the languages whose data is there."""
    there = set(languages)
    known = {script: [name for name in names if name in there] for script, names in LANGUAGES.items()}
    return {script: "+".join(names) for script, names in known.items() if names}


def is_known(script: str, languages: Iterable[str]) -> bool:
    """Whether one of these languages is written in it, in one that shares its letters, or in one that is not known here."""
    script_of = {name: script for script, names in LANGUAGES.items() for name in names}
    known = {script_of.get(name, script) for name in languages}
    return not script or _KIN.get(script, script) in {_KIN.get(one, one) for one in known}


def is_doubtful(sure: Sureness) -> bool:
    """Whether a page may be in another script, or lie on its side or its head."""
    return sure.characters >= FEW and sure.mean < DOUBTFUL


def is_strange(sure: Sureness, seen: Osd) -> bool:
    """Whether a page is in another script than tesseract was told to read, or cannot be read at all."""
    if not is_doubtful(sure):
        return False
    if seen.is_upright:
        return sure.certain < PARTLY_READ
    return sure.mean < HOPELESS and sure.certain < HARDLY_READ


def package(script: str) -> str:
    """Debian's package with data for a script."""
    return f"tesseract-ocr-{LANGUAGES[script][0].replace('_', '-')}"
