"""What a folder's config takes in: a wider one finds files that nobody has agreed to pay for.

The ledger keeps the scopes that were listed, as text, by host: those that share it may have the folder at different paths.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass

from glimpsed.config.schema import Folder

MOST = 50  # scopes of a folder that are remembered, the last ones


@dataclass(frozen=True, slots=True)
class Scope:
    """A path, and which of the files below it are looked at."""

    path: str
    recursive: bool
    include: tuple[str, ...]
    exclude: tuple[str, ...]

    @classmethod
    def of(cls, folder: Folder) -> Scope:
        """The folder's, as its config has it."""
        return cls(str(folder.path), folder.recursive, folder.include, folder.exclude)

    def holds(self, other: Scope) -> bool:
        """Whether all that the other takes in is taken in here, as far as the patterns tell by themselves."""
        return (
            self.path == other.path
            and (self.recursive or not other.recursive)
            and _are_more(self.include, other.include)
            and _are_more(other.exclude, self.exclude)
        )


def is_wider(folder: Folder, listed: str | None) -> bool:
    """Whether this folder's config may take in more than any that was `listed`; not where nothing is known of that."""
    now = Scope.of(folder)
    return listed is not None and not any(scope.holds(now) for scope in _read(listed))


def noted(folder: Folder, listed: str | None) -> str:
    """What was `listed`, and this folder as it is, to be kept."""
    now = Scope.of(folder)
    scopes = [*(scope for scope in _read(listed or "[]") if scope != now), now]
    return json.dumps([asdict(scope) for scope in scopes[-MOST:]])


def _read(listed: str) -> list[Scope]:
    return [
        Scope(one["path"], one["recursive"], tuple(one["include"]), tuple(one["exclude"]))
        for one in json.loads(listed)
    ]


def _are_more(patterns: Iterable[str], others: Iterable[str]) -> bool:
    """Whether these match whatever the others do; where some take back what others take, only if they are the same."""
    many, few = list(patterns), list(others)
    return many == few or (not any(p.startswith("!") for p in many) and set(few) <= set(many))
