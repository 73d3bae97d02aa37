"""A piece of one line of text, where an OCR engine saw it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Box:
    """A piece of one line of text; px, with the page's slant taken out."""

    left: float
    top: float
    right: float
    bottom: float
    text: str

    @property
    def width(self) -> float:
        """From the left edge to the right one."""
        return self.right - self.left

    @property
    def height(self) -> float:
        """From the top edge to the bottom one."""
        return self.bottom - self.top

    @property
    def middle(self) -> float:
        """Where the line runs."""
        return (self.top + self.bottom) / 2
