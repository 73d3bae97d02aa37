"""Which folders can be served now, by which models."""

from __future__ import annotations

from collections.abc import Collection

from glimpsed.pipeline import Place
from glimpsed.service.budget import Reached, concerned
from glimpsed.service.dispatch import Lane
from glimpsed.service.folders import Folders
from glimpsed.service.models import Models


class Serving:
    """Worked out anew when a folder, a model or a budget changed: not for each job, where there are many folders."""

    def __init__(self, folders: Folders, models: Models) -> None:
        self._folders = folders
        self._models = models
        self._key: object = None
        self._lanes: list[Lane] = []

    def lanes(self, over: Collection[Reached]) -> list[Lane]:
        """The folders that can be served now, by the model that serves them; `over` are budgets that are used up."""
        key = (self._folders.changes, self._models.standing(), tuple((one.of, one.until) for one in over))
        if key != self._key:
            self._key, self._lanes = key, self._worked_out(over)
        return self._lanes

    def _worked_out(self, over: Collection[Reached]) -> list[Lane]:
        by_model: dict[str, list[Place]] = {}
        for watch in self._folders:
            folder, root = watch.folder, watch.root
            chain = self._models.serving(folder)
            if root is None or watch.state.state == "lost" or not chain:
                continue
            if chain[0].entry.price is not None and concerned(over, folder=folder.name, model=""):
                continue
            place = Place(folder, root, watch.lanes.files, chain)
            by_model.setdefault(chain[0].entry.name, []).append(place)
        return [Lane(tuple(places), self._models[name].pacing) for name, places in by_model.items()]
