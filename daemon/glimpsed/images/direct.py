"""Functions of PDFium without the checks of their arguments: those take longer than most functions do."""

from __future__ import annotations

import ctypes
from typing import Any


def direct(function: Any, result: Any, *arguments: Any) -> Any:
    """The function, which takes just such arguments as they are; numbers (of a C int) and references need not be named."""
    return ctypes.PYFUNCTYPE(result, *arguments)(ctypes.cast(function, ctypes.c_void_p).value or 0)
