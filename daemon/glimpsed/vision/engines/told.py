"""What becomes of an engine's process, as what it means for the model and the picture."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from glimpsed.children.child import Broken, Died, Late, Unavailable
from glimpsed.children.program import Limits
from glimpsed.errors import FileError, Verdict, VisionError


@contextlib.contextmanager
def told(engine: str, limits: Limits) -> Iterator[None]:
    """Raises `VisionError`.

    What ends or holds up the engine is asked again, but twice at most: it would do so for ever. A machine that has no
    process to spare does not lack it for one picture only: the model pauses.
    """
    try:
        yield
    except Broken as e:
        raise VisionError(Verdict("pause", f"{engine} does not start: {e}")) from None
    except Unavailable as e:
        raise VisionError(Verdict("pause", str(e))) from None
    except (Died, Late) as e:
        late = isinstance(e, Late)
        why = f"no text after {limits.clock:g} s" if late else "its process died twice"
        raise VisionError(Verdict("retry", f"{engine} failed: {why}", cut_off=True)) from None
    except FileError as e:
        raise VisionError(Verdict("fail", f"{engine} could not read the image: {e.reason}")) from None
