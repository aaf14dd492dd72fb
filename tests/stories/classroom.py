"""What stories of absences say: sheets signed and locked, an export, the ERP's absences."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from engine.absences.said import Row
from engine.config_models import ExportOptions
from engine.service.models import ItemView, RunRequest, RunView
from tests.stories.town import Known, Town

MOTIVES = {"1": "Absence injustifiée", "2": "Maladie", "3": "Retard", "4": "Convocation officielle"}


class Classroom:
    """One town's classrooms, and the ERP's office that keeps the absences."""

    def __init__(self, town: Town) -> None:
        self.town = town

    @classmethod
    async def of(cls, town: Town, *, write: bool = True, approved: bool = True, **options: Any) -> Classroom:
        """A town that exports: the ERP's write declared on unless not `write`, the first export approved
        already unless not `approved`; `options` are the export's."""
        town.settings |= {"accept_unverified": write, "absence_reasons": MOTIVES}
        town.options["export"] = ExportOptions(**{"fallback_reason": "1", **options})
        if approved:
            fingerprint = town.options["export"].fingerprint()
            await town.engine.store.transact(lambda tx: tx.set_fact(f"export_begun:{town.name}", "then"))
            await town.engine.store.transact(
                lambda tx: tx.set_fact(f"export_fingerprint:{town.name}", fingerprint)
            )
        await town.restart()
        return cls(town)

    # In the classroom

    def held(self, sheet: Known, *, absent: Collection[Known] = (), lock: bool = True) -> None:
        """The speaker signs, and everybody but `absent`; the sheet is locked."""
        hand, row = self.town.hand, self.town.row(sheet)
        hand.sign(sheet=sheet.edusign_id, speaker=row["PROFESSOR"])
        away = {one.edusign_id for one in absent}
        for learner in self.town.roster(sheet) - away:
            hand.sign(sheet=sheet.edusign_id, learner=learner)
        if lock:
            hand.lock(sheet=sheet.edusign_id)

    async def pupils(self, sheet: Known) -> list[Known]:
        """Plain learners who stand on a sheet, in the order of their keys."""
        roster = self.town.roster(sheet)
        groups = sorted({one.group for one in self.town.erp.learners.values()})
        known = [one for group in groups for one in await self.town.plain_learners(group)]
        return [one for one in known if one.edusign_id in roster]

    # The export

    async def export(self, **more: Any) -> RunView:
        """Export now, and wait for its end."""
        request = RunRequest(connection=self.town.name, flow="export", **more)
        view = await self.town.engine.start_run(request, "ada")
        return await self.town.engine.wait_run(view.id)

    async def approve(self) -> int:
        """Approve every hold of the export."""
        holds = await self.holds()
        for hold in holds:
            await self.town.decide(hold, "approve")
        return len(holds)

    async def holds(self) -> list[ItemView]:
        return [one for one in await self.town.items("hold") if one.kind == "attendance"]

    async def rows(self, *states: str) -> list[Row]:
        """What the last export found, of these states (all without any)."""
        kept = await self.town.engine.store.transact(lambda tx: tx.export_list(self.town.name))
        return [row for row in (kept.rows if kept else ()) if not states or row.state in states]

    async def why(self, *states: str) -> list[tuple[str, str]]:
        """(why, person's or sheet's Edusign id) of those rows."""
        return sorted((row.why, row.person or row.sheet) for row in await self.rows(*states))

    # In the ERP

    def absences(self, *people: Known) -> list[dict[str, Any]]:
        """The ERP's raw absences, of these people or of all, by code."""
        codes = {int(one.erp_id) for one in people}
        rows = self.town.side.erp.dump()["absences"]
        return [row for row in rows if not codes or row["codeApprenant"] in codes]

    def spans(self, *people: Known) -> list[tuple[str, int, int]]:
        """(date, from, to in minutes since midnight) of those absences."""
        return [(row["dateDeb"], row["heureDeb"], row["heureFin"]) for row in self.absences(*people)]

    def writes(self) -> list[tuple[str, str]]:
        """(verb, learner's identity) of every write that ever reached the ERP."""
        return [(one["verb"], one["identity"]) for one in self.town.side.erp.control.writes]
