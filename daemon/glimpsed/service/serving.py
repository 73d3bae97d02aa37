"""Which folders can be served now, by which models, and what no budget is left for."""

from __future__ import annotations

from collections.abc import Collection

from glimpsed.config.schema import Config, ModelEntry
from glimpsed.journal import events, get_logger
from glimpsed.ledger import Books, Ledger
from glimpsed.pipeline import Place
from glimpsed.service.budget import Reached, concerned, reached
from glimpsed.service.dispatch import Lane
from glimpsed.service.folders import Folders
from glimpsed.service.models import Models
from glimpsed.vision.pacing import Pacing

WRITING = 4  # files at a time, of folders that no model serves

log = get_logger()


class Serving:
    """Worked out anew when a folder, a model or a budget changed: not for each job, where there are many folders."""

    def __init__(
        self,
        config: Config,
        books: Books,
        folders: Folders,
        models: Models,
    ) -> None:
        self._books = books
        self._folders = folders
        self._models = models
        self._key: object = None
        self._lanes: list[Lane] = []
        self._writing = Pacing(ModelEntry(api="local", concurrency=WRITING))
        self._told: dict[str, Reached] = {}  # the folders whose own budget is used up
        self.apply(config)

    def apply(self, config: Config) -> None:
        """From now on, by this config."""
        self._config = config
        self._has_budget = bool(config.limits)

    async def over(self) -> list[Reached]:
        """Budgets that are used up, asked of the ledger before every claim: other hosts spend as well."""
        found: list[Reached] = []
        if self._has_budget:
            now = self._books.clock.wall()
            found = reached(self._config, await self._books(Ledger.spend_this_month, now), now)
        self._tell_of_folders(found)
        self._models.apply_budgets(found)  # one that a reload took away may still hold a model up
        return found

    def _tell_of_folders(self, found: Collection[Reached]) -> None:
        """Each once, and of day and month the one that lasts longer; a model's is told by its pause."""
        lasting = {one.of: one for one in sorted(found, key=lambda one: one.until)}
        now = {of: one for of, one in lasting.items() if of.startswith("folder ")}
        for of, one in now.items():
            if of not in self._told or self._told[of].which != one.which:
                log.warning(events.BUDGET_REACHED, folder=of.partition(" ")[2], reason=one.reason)
        self._told = now

    async def used_up(self, place: Place, entry: ModelEntry) -> str | None:
        """Why this model may not be asked for a folder now: a budget of all, of the folder's, or of the model's."""
        if not self._has_budget or entry.price is None:
            return None
        found = concerned(await self.over(), folder=place.folder.name, model=entry.name)
        return None if found is None else found.reason

    async def lanes(self) -> list[Lane]:
        """The folders that can be served now, by the model that serves them.

        Where no model may be asked, what is answered already is still written and handed over, and what is known is served.
        """
        over = await self.over()
        ended = tuple((one.of, one.until) for one in over)
        key = (self._folders.changes, self._models.standing(), self._has_budget, ended)
        if key != self._key:
            self._key, self._lanes = key, self._worked_out(over)
        return self._lanes

    def unserved(self) -> set[str]:
        """The folders that no model served when that was worked out last."""
        return {place.folder.name for lane in self._lanes if lane.answered for place in lane.places}

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
                unserved.append(
                    Place(folder, root, watch.lanes.files, self._models.chain(folder), asks=False)
                )
                continue
            place = Place(folder, root, watch.lanes.files, chain)
            by_model.setdefault(chain[0].entry.name, []).append(place)
        lanes = [Lane(tuple(places), self._models[name].pacing) for name, places in by_model.items()]
        return [*lanes, Lane(tuple(unserved), self._writing, answered=True)] if unserved else lanes
