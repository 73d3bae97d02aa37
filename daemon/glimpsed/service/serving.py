"""Which folders can be served now, by which models."""

from __future__ import annotations

from collections.abc import Collection

from glimpsed.config.schema import ModelEntry
from glimpsed.pipeline import Place
from glimpsed.service.budget import Reached, concerned
from glimpsed.service.dispatch import Lane
from glimpsed.service.folders import Folders
from glimpsed.service.models import Models
from glimpsed.vision.pacing import Pacing

WRITING = 4  # files at a time, of folders that no model serves


class Serving:
    """Worked out anew when a folder, a model or a budget changed: not for each job, where there are many folders."""

    def __init__(self, folders: Folders, models: Models) -> None:
        self._folders = folders
        self._models = models
        self._key: object = None
        self._lanes: list[Lane] = []
        self._writing = Pacing(ModelEntry(api="local", concurrency=WRITING))

    def lanes(self, over: Collection[Reached]) -> list[Lane]:
        """The folders that can be served now, by the model that serves them; `over` are budgets that are used up.

        Where no model may be asked, what is answered already is still written and handed over.
        """
        key = (self._folders.changes, self._models.standing(), tuple((one.of, one.until) for one in over))
        if key != self._key:
            self._key, self._lanes = key, self._worked_out(over)
        return self._lanes

    def _worked_out(self, over: Collection[Reached]) -> list[Lane]:
        by_model: dict[str, list[Place]] = {}
        unserved: list[Place] = []
        for watch in self._folders:
            folder, root = watch.folder, watch.root
            chain = self._models.serving(folder)
            if root is None or watch.state.state == "lost":
                continue
            used_up = concerned(over, folder=folder.name, model="")
            if not chain or (chain[0].entry.price is not None and used_up):
                unserved.append(Place(folder, root, watch.lanes.files, ()))
                continue
            place = Place(folder, root, watch.lanes.files, chain)
            by_model.setdefault(chain[0].entry.name, []).append(place)
        lanes = [Lane(tuple(places), self._models[name].pacing) for name, places in by_model.items()]
        return [*lanes, Lane(tuple(unserved), self._writing, answered=True)] if unserved else lanes
