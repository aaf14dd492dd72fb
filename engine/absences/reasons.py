"""Edusign's reasons as the ERP's, with a fallback for those nobody mapped; and codes of rows in words."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from engine.attendance import Reason
from engine.records import folded
from engine.words import _


@dataclass
class ReasonMap:
    """`mapped`: what an administrator wrote, from an Edusign reason's id or name to an ERP reason's id or name.
    `fallback` and `late`: the ERP reasons (id or name) of absences and of lateness nobody mapped.

    `unmapped` collects the Edusign reasons that took the fallback.
    """

    edusign: tuple[Reason, ...]
    erp: tuple[Reason, ...]
    mapped: Mapping[str, str]
    fallback: str
    late: str = ""
    unmapped: dict[str, Reason] = field(default_factory=dict)

    def problem(self) -> str:
        """Why it can't be used, for a person; "" when it can."""
        if not self.fallback:
            return _("no fallback reason is named: set fallback_reason in the connection's [export] table")
        named = (self.fallback, *((self.late,) if self.late else ()), *self.mapped.values())
        unknown = [name for name in named if self.erp and self._in_erp(name) is None]
        if unknown:
            return _("the ERP has no reason {name}: correct the connection's [export] table").format(
                name=unknown[0]
            )
        fallback = self._in_erp(self.fallback)
        if fallback is not None and fallback.justifies:
            # Whoever has no reason would be excused.
            return _("the fallback reason {name} justifies absences: name one that does not").format(
                name=fallback.name
            )
        return ""

    def of_absence(self, reason: str) -> str:
        """The ERP's reason of an absence with this Edusign reason, "" for none given."""
        if not reason:
            return self._id(self.fallback)
        known = next((one for one in self.edusign if one.id == reason), Reason(id=reason, name=""))
        for name in (known.id, known.name):
            if name and (said := self._mapped(name)):
                return self._id(said)
        twin = next((one for one in self.erp if known.name and folded(one.name) == folded(known.name)), None)
        if twin is not None:
            return twin.id
        self.unmapped[reason] = known
        return self._id(self.fallback)

    def of_lateness(self) -> str:
        """The ERP's reason of being late or leaving early."""
        return self._id(self.late or self.fallback)

    def name(self, reason: str) -> str:
        """What Edusign calls a reason."""
        return next((one.name for one in self.edusign if one.id == reason), reason)

    def _mapped(self, name: str) -> str:
        wanted = folded(name)
        return next((to for given, to in self.mapped.items() if folded(given) == wanted), "")

    def _id(self, name: str) -> str:
        found = self._in_erp(name)
        return found.id if found is not None else name

    def _in_erp(self, name: str) -> Reason | None:
        by_id: Iterable[Reason] = (one for one in self.erp if one.id == name)
        by_name: Iterable[Reason] = (one for one in self.erp if folded(one.name) == folded(name))
        return next(iter(by_id), None) or next(iter(by_name), None)


def why(code: str) -> str:
    """A row's code in words for a person."""
    return _WHY.get(code, code.replace("_", " "))


_WHY: dict[str, str] = {
    "due": _("goes to the ERP at the next export"),
    "not_locked": _("the sheet is over but not locked"),
    "overdue": _("the sheet is over and should have been locked by now"),
    "unlocked_again": _("unlocked after it was delivered: corrected once it is locked again"),
    "compare_only": _("first contact: nothing is exported until it is approved"),
    "another_connector": _("Edusign's own connector is on: nothing is exported"),
    "no_fallback": _("no usable fallback reason: nothing is exported"),
    "other_connector_sheet": _("the sheet is another connector's"),
    "standing_unread": _("the ERP could not be read: what stands there is not known"),
    "refused_by_erp": _("the ERP refused it"),
    "session_changed": _("its sheet belongs to another session now"),
    "sheet_gone": _("delivered, but its sheet is no longer in Edusign"),
    "skipped": _("left out by a person"),
    "left_over": _("not written in time: the next export's first work"),
    "roll_call_missing": _("locked without any signature: roll call missing?"),
    "first_export": _("the first export: nothing is written until these are approved"),
    "export_options": _("an option of the export changed; these follow from it"),
    "no_session": _("the sheet was made by hand and is linked to no session of the ERP"),
    "sealed": _("its session was moved after the sheet was signed"),
    "not_in_erp": _("this person is linked to nobody in the ERP"),
    "not_on_session": _("not on the session in the ERP"),
    "no_write": _("this ERP takes no absences from us"),
    "take_back": _("reported by hand, and no longer so: take it back in the ERP"),
    "changed_in_erp": _("changed in the ERP since it was delivered: the ERP's word stands"),
    "removed_in_erp": _("removed in the ERP since it was delivered: the ERP's word stands"),
    "erp_says_otherwise": _("the ERP's people entered it themselves: the ERP's word stands"),
}


def hold_words(cause: str) -> str:
    """Why deliveries of this cause wait, for a person."""
    word, _space, rest = cause.partition(" ")
    if word == "limit":
        return _("more than the limit allows: {what}").format(what=rest)
    return why(cause)
