"""A page through rapidocr's parts: lines found at the scale that their height needs, turned upright, then read.

Runs in the OCR process only, beside the engine. Detection works on a small picture, recognition on cuts from the
full one: print of any size on paper of any shape is read, and a page that lies on its side or its head is turned
before it is read.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from glimpsed.ocr import cuts, detection, recognition
from glimpsed.ocr.cuts import INK
from glimpsed.ocr.page import Page, ReadLine, ReadWord
from glimpsed.ocr.strange import is_read, is_strange

SMALL, MARGIN = 320, 32  # px: smaller pictures are enlarged, and get a margin
VOTERS = 12  # lines that are asked which way up the page lies
SEEN = 4  # heights of a line that the classifier sees: it squeezes a longer one into that, and then tosses a coin
CONTESTED = 1 / 3  # of the votes for upright: so many for the other way leave it open
READERS = 3  # of the voters, that are then read both ways
