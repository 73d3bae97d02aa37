"""What stands in the picture of a line: its letters, and where; runs in the OCR process only.

`Parted` runs the model that rapidocr would, taken apart by `model_file`; `Whole` lets rapidocr run it, where it is of another
make or for another engine than onnxruntime.
"""

from __future__ import annotations

import contextlib
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from glimpsed.ocr import model_file

HEIGHT = 48  # px, at which the model sees a line
ROOM = 320  # px: what is narrower is seen with room beside it, as in its training
DOUBT = 0.9  # of the characters that most text consists of: below that all of them are looked at …
USUAL = "\u2100"  # letters, figures, punctuation and currencies stand before it
FAINT = 0.7  # … and where the best one's weight is less than that of the line's usual ones

Array = Any  # a NumPy array: the type checker need not know the library, which is an extra


@dataclass(frozen=True, slots=True)
class Letter:
    """A character, blanks included; where its middle is, 0 to 1 of the line's length; how sure the model is of it."""

    text: str
    at: float
    confidence: float


class Recogniser(Protocol):
    """Reads the picture of one line. May be called from several threads at a time."""

    def __call__(self, picture: Array, *, scale: float = 1.0) -> list[Letter]:
        """Its letters from left to right; with a scale below 1 from a picture that much narrower."""


def recogniser(ocr: Any) -> Recogniser:
    """The recognition model that rapidocr's configuration names."""
    with contextlib.suppress(ValueError, OSError, AttributeError, KeyError):
        if ocr.cfg.Rec.engine_type.value == "onnxruntime" and ocr.cfg.Rec.rec_keys_path is None:
            return Parted(Path(_path(ocr.cfg)).read_bytes(), ocr.cfg.EngineConfig.onnxruntime)
    return Whole(ocr._load_rec_model())  # noqa: SLF001 - it has no other name


def _path(cfg: Any) -> str:
    """Where rapidocr has the model, or would download it to."""
    from rapidocr.inference_engine.base import FileInfo, InferSession  # noqa: PLC0415 - an extra

    if cfg.Rec.model_path is not None:
        return str(cfg.Rec.model_path)
    rec = cfg.Rec
    known = FileInfo(rec.engine_type, rec.ocr_version, rec.task_type, rec.lang_type, rec.model_type)
    return str(Path(cfg.Global.model_root_dir) / Path(InferSession.get_model_url(known)["model_dir"]).name)


class Parted:
    """The model but for its last layer in onnxruntime; that layer only as far as a line needs it."""

    def __init__(self, model: bytes, settings: Any) -> None:
        import onnxruntime  # noqa: PLC0415 - an extra

        parts = model_file.parted(model)
        options = onnxruntime.SessionOptions()
        options.log_severity_level = 4
        options.enable_cpu_mem_arena = bool(settings.enable_cpu_mem_arena)
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        self._session = onnxruntime.InferenceSession(parts.model, options, providers=["CPUExecutionProvider"])
        [self._input] = [one.name for one in self._session.get_inputs()]
        characters = self._session.get_modelmeta().custom_metadata_map["character"].splitlines()
        self._characters = ["", *characters, " "]
        usual = [n for n, c in enumerate(self._characters) if _is_usual(c)]
        self._usual = np.array(usual)
        self._is_usual = np.isin(np.arange(len(self._characters)), self._usual)
        self._weights, self._bias = parts.weights, parts.bias
        self._few, self._few_bias = parts.weights[:, usual].copy(), parts.bias[usual]

    def __call__(self, picture: Array, *, scale: float = 1.0) -> list[Letter]:
        """See `Recogniser`."""
        seen, width = _seen(picture, scale)
        [[features]] = self._session.run(None, {self._input: seen})
        return _letters(*self._best(features), self._characters, seen.shape[3] / width)

    def _best(self, features: Array) -> tuple[Array, Array]:
        """Each time step's best character, and how sure the model is of it."""
        best, weight, share = _leading(features @ self._few + self._few_bias)
        best = self._usual[best]
        doubtful = (share < DOUBT) | (weight < FAINT * np.percentile(weight, 75))
        self._weigh(features, np.flatnonzero(doubtful), best, share)
        if not self._is_usual[best].all():
            self._weigh(features, np.flatnonzero(~doubtful), best, share)
        return best, share

    def _weigh(self, features: Array, steps: Array, best: Array, share: Array) -> None:
        """Put the best of all the characters in."""
        if len(steps):
            best[steps], _, share[steps] = _leading(features[steps] @ self._weights + self._bias)


class Whole:
    """As rapidocr has it."""

    def __init__(self, recognise: Any) -> None:
        self._recognise = recognise

    def __call__(self, picture: Array, *, scale: float = 1.0) -> list[Letter]:  # noqa: ARG002 - it reads no narrower
        """See `Recogniser`."""
        from rapidocr.ch_ppocr_rec import TextRecInput  # noqa: PLC0415 - an extra

        result = self._recognise(TextRecInput(img=[picture], return_word_box=True))
        [text], [found], [score] = result.txts, result.word_results, result.scores
        inked = [c for c in text if not c.isspace()]
        steps = [step for word in found.word_cols for step in word] if found else []
        if len(steps) == len(inked):
            places = [(step + 0.5) / found.line_txt_len for step in steps]
        else:
            places = [(number + 0.5) / len(inked) for number in range(len(inked))]
        return list(_spread(text, places, float(score)))


def _spread(text: str, places: Sequence[float], score: float) -> list[Letter]:
    """Blanks stand where the letter before them does."""
    letters: list[Letter] = []
    left = iter(places)
    for c in text:
        at = (letters[-1].at if letters else 0.0) if c.isspace() else next(left)
        letters.append(Letter(c, at, score))
    return letters


def _seen(picture: Array, scale: float) -> tuple[Array, int]:
    """The line as the model gets it, and how many px of its width the line itself takes."""
    import cv2  # noqa: PLC0415 - comes with rapidocr

    height, width = picture.shape[:2]
    across = max(1, math.ceil(HEIGHT * width / height * scale))
    small = cv2.resize(
        picture, (across, HEIGHT), interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
    )
    seen = np.zeros((1, 3, HEIGHT, max(across, ROOM)), np.float32)
    seen[0, :, :, :across] = small.transpose(2, 0, 1)
    seen[0, :, :, :across] *= 2 / 255
    seen[0, :, :, :across] -= 1
    return seen, across


def _is_usual(character: str) -> bool:
    """Whether it may stand in Latin text: no picture, no sign, none of the thousands of Chinese characters."""
    return not character or character[0] < USUAL


def _leading(weights: Array) -> tuple[Array, Array, Array]:
    """Each row's largest value: where it is, how large, and its share by softmax."""
    best = weights.argmax(axis=1)
    largest = weights[np.arange(len(weights)), best]
    weights -= largest[:, None]
    np.exp(weights, out=weights)
    return best, largest, 1 / weights.sum(axis=1)


def _letters(best: Array, share: Array, characters: Sequence[str], room: float) -> list[Letter]:
    """Of each run of steps with the same character one; 0 is none. `room`: how much longer the steps are than the line."""
    starts = np.flatnonzero(np.concatenate(([True], best[1:] != best[:-1])))
    ends = np.append(starts[1:], len(best))
    return [
        Letter(characters[best[a]], (a + b) / 2 / len(best) * room, float(share[a:b].max()))
        for a, b in zip(starts, ends, strict=True)
        if best[a]
    ]
