"""Which paths lie in which directories, without comparing each with each."""

from __future__ import annotations

from collections.abc import Iterable


class Tops:
    """Some directories with all that is below them."""

    def __init__(self, directories: Iterable[str]) -> None:
        self._directories = frozenset(directories)

    def __contains__(self, path: object) -> bool:
        assert isinstance(path, str)
        if not self._directories:
            return False
        if "" in self._directories or path in self._directories:
            return True
        at = path.rfind("/")
        while at > 0:
            if path[:at] in self._directories:
                return True
            at = path.rfind("/", 0, at)
        return False
