"""From a file's bytes to pictures that a model accepts.

`prepare.Images` is the front: what can go out as it is (`formats.plain`) never leaves the process, since that needs
no decoder; everything else goes to a child process (`worker`), where `decode`, `pdf`, `colour` and `encode`
 do what `plan` works out.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from glimpsed.images.prepare import Document, Images, OwnText

__all__ = ["Document", "Images", "OwnText"]


def __getattr__(name: str) -> Any:
    """Imports the front when it is asked for: the worker is in this package too, and starts without it."""
    if name not in __all__:
        raise AttributeError(name)
    from glimpsed.images import prepare  # noqa: PLC0415 - see above

    return getattr(prepare, name)
