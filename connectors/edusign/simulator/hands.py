"""What a person does in Edusign's own UI, driven through the control plane or called as methods.

Kinds are neutral words (learner, speaker, group, sheet, school), fields Edusign's own spelling. Everything
done here is entered in the edit ledger under the record's hidden identity.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import Any

from connectors.edusign.simulator.sheets import lock
from connectors.edusign.simulator.store import (
    FLAGS,
    KINDS,
    PROFESSOR_SLOT,
    HandMade,
    Kind,
    Refused,
    Row,
    Store,
    flag,
    signature_field,
    text,
    texts,
)
from connectors.simulation.control import Control, ControlError, instant

_UNEDITABLE = frozenset({"ID", "STUDENTS", "GROUPS", "HIDDEN", "LOCKED", "DATE_CREATED", "DATE_UPDATED"})


class Hands:
    """A person at Edusign's UI. Every method raises ControlError where the order makes no sense."""

    def __init__(self, store: Store, control: Control) -> None:
        self._store = store
        self._control = control
        self._ids: dict[str, str] = {}  # ids of hand-made records by identity

    def orders(self) -> dict[str, Callable[..., Any]]:
        """The control plane's orders by name."""
        return {
            "edit": self.edit,
            "create": self.create,
            "archive": self.archive,
            "restore": self.restore,
            "delete": self.delete,
            "add": self.add,
            "remove": self.remove,
            "sign": self.sign,
            "late": self.late,
            "early": self.early,
            "exclude": self.exclude,
            "absent": self.absent,
            "justify": self.justify,
            "answer": self.answer,
            "lock": self.lock,
            "unlock": self.unlock,
        }

    def plant(self, records: tuple[HandMade, ...]) -> None:
        """What stood there before the story: rows first, then the references between them. Not an edit."""
        rows = [self._row(record.kind, record.identity, record.fields) for record in records]
        for row, record in zip(rows, records, strict=True):
            self._fill(row, record.fields)
            row.archived = record.archived

    def edit(self, kind: str, id: str, field: str, value: Any, who: str = "") -> None:
        """Type a new value into a field of a record, or of the school."""
        if kind == "school":
            school = self._store.school
            if field not in school or field == "ID":
                raise ControlError(f"the school has no field {field} to edit")
            before, school[field] = school[field], value
            self._control.edited(
                kind="school",
                id=school["ID"],
                identity="school",
                action="edit",
                field=field,
                before=before,
                after=value,
                who=who,
            )
            return
        row = self._found(kind, id)
        known = field in row.fields or (row.kind == "sheet" and PROFESSOR_SLOT.fullmatch(field))
        if field in _UNEDITABLE or not known:
            raise ControlError(f"a {kind} has no field {field} to edit")
        before = row.fields.get(field)
        row.fields[field] = self._typed(field, value)
        if row.kind == "sheet" and field in ("START", "END"):
            for state in row.fields["STUDENTS"]:
                state[field.lower()] = row.fields[field]
        self._store.touch(row)
        self._edited(row, "edit", who, field=field, before=before, after=row.fields[field])

    def create(self, kind: str, identity: str, fields: Mapping[str, Any], who: str = "") -> str:
        """Make a record under a hidden identity; its new id. References may be ids or identities."""
        row = self._row(kind, identity, fields)
        self._fill(row, fields)
        self._edited(row, "create", who, after=dict(fields))
        return row.id

    def archive(self, kind: str, id: str, who: str = "") -> None:
        self._archived(kind, id, True, who)

    def restore(self, kind: str, id: str, who: str = "") -> None:
        self._archived(kind, id, False, who)

    def delete(self, id: str, who: str = "", kind: str = "sheet") -> None:
        """Delete a sheet; nothing else can be deleted."""
        if kind != "sheet":
            raise ControlError("only a sheet can be deleted")
        row = self._found("sheet", id)
        del self._store.rows["sheet"][id]
        self._edited(row, "delete", who, before=row.member_ids, field="STUDENTS")

    def add(self, kind: str, id: str, learner: str, who: str = "") -> None:
        """Put a learner on a sheet, or in a group (whose sheets may follow)."""
        row = self._with_roster(kind, id)
        self._found("learner", learner)
        if learner in row.member_ids:
            raise ControlError(f"learner {learner} is there already")
        if row.kind == "sheet":
            self._store.put_on_sheet(row, learner)
        else:
            self._store.set_members(row, [*row.member_ids, learner])
        self._store.touch(row)
        self._edited(row, "add", who, field="STUDENTS", after=learner)

    def remove(self, kind: str, id: str, learner: str, who: str = "") -> None:
        """Take a learner off a sheet or out of a group."""
        row = self._with_roster(kind, id)
        if learner not in row.member_ids:
            raise ControlError(f"learner {learner} is not there")
        if row.kind == "sheet":
            self._store.take_off_sheet(row, learner)
        else:
            self._store.set_members(row, [m for m in row.member_ids if m != learner])
        self._store.touch(row)
        self._edited(row, "remove", who, field="STUDENTS", before=learner)

    def sign(self, sheet: str, learner: str = "", speaker: str = "", who: str = "") -> None:
        """Let a learner or a speaker sign a sheet, now."""
        row = self._open_sheet(sheet)
        at = self._store.stamp()
        if speaker:
            slot = next((s for s, professor in sorted(row.slots().items()) if professor == speaker), None)
            if slot is None:
                raise ControlError(f"speaker {speaker} is not on sheet {sheet}")
            signature = f"https://files.example.org/{sheet}/{speaker}.png"
            row.fields[signature_field(slot)] = signature
            row.fields["PROFESSOR_SIGNATURE_TIMESTAMP"] = at
            self._marked(row, "sign", who, slot, signature)
            return
        signature = f"https://files.example.org/{sheet}/{learner}.png"
        state = self._state(row, learner)
        state.update(state=True, signature=signature, timestamp=at, dateUpdated=at)
        self._marked(row, "sign", who, "STUDENTS", learner)

    def late(self, sheet: str, learner: str, minutes: int, who: str = "") -> None:
        """Mark a learner as present, late by `minutes`."""
        row = self._open_sheet(sheet)
        at = self._store.stamp()
        self._state(row, learner).update(state=True, delay=int(minutes), timestamp=at, dateUpdated=at)
        self._marked(row, "late", who, "STUDENTS", learner)

    def early(self, sheet: str, learner: str, minutes: int, who: str = "") -> None:
        """Let a learner who is there leave `minutes` before the end."""
        row = self._open_sheet(sheet)
        at = self._store.stamp()
        left = instant(datetime.fromisoformat(row.fields["END"]) - timedelta(minutes=int(minutes)))
        self._state(row, learner).update(state=True, earlyDeparture=left, timestamp=at, dateUpdated=at)
        self._marked(row, "early", who, "STUDENTS", learner)

    def exclude(self, sheet: str, learner: str, who: str = "") -> None:
        """Send a learner out, now."""
        row = self._open_sheet(sheet)
        at = self._store.stamp()
        self._state(row, learner).update(excluded=at, dateUpdated=at)
        self._marked(row, "exclude", who, "STUDENTS", learner)

    def absent(self, sheet: str, learner: str, who: str = "") -> None:
        """Mark a learner absent, whatever was signed."""
        row = self._open_sheet(sheet)
        at = self._store.stamp()
        self._state(row, learner).update(
            state=False,
            signature=None,
            timestamp=None,
            delay=0,
            earlyDeparture=None,
            excluded=None,
            dateUpdated=at,
        )
        self._marked(row, "absent", who, "STUDENTS", learner)

    def justify(
        self,
        learner: str,
        sheet: str = "",
        start: str = "",
        end: str = "",
        type: int = 1,
        status: str = "accepted",
        comment: str = "",
        who: str = "",
    ) -> str:
        """Justify a learner's absence from a sheet, or over a period (ISO); its id. `status` "pending" is a
        learner's request, which `answer` settles."""
        person = self._found("learner", learner)
        row = self._found("sheet", sheet) if sheet else None
        state = self._state(row, learner) if row is not None else None
        if status not in ("pending", "accepted", "refused"):
            raise ControlError("status is pending, accepted or refused")
        absence: dict[str, Any] = {
            "ID": self._store.new_id(),
            "STUDENT_ID": learner,
            "TYPE": int(type),
            "COMMENT": comment,
            "FILE_URL": "",
            "START": row.fields["START"] if row is not None else self._typed("START", start),
            "END": row.fields["END"] if row is not None else self._typed("END", end),
            "DATE_CREATION": self._store.stamp(),
            "REQUEST_DATE": self._store.stamp(),
            "STATUS": status,
        }
        self._store.absences.append(absence)
        if state is not None and status == "accepted" and self._store.switches.absence_id_links:
            state["absenceId"] = absence["ID"]
        self._of_absence(absence, person, "justify", None, status, who)
        return str(absence["ID"])

    def answer(self, absence: str, status: str = "accepted", who: str = "") -> None:
        """Accept or refuse a justification, whatever it was."""
        found = next((one for one in self._store.absences if one["ID"] == absence), None)
        if found is None or status not in ("accepted", "refused"):
            raise ControlError(f"there is no absence {absence} to answer so")
        before, found["STATUS"] = found["STATUS"], status
        person = self._found("learner", found["STUDENT_ID"])
        for row in self._store.rows["sheet"].values():
            if row.fields["START"] == found["START"] and person.id in row.member_ids:
                state = self._state(row, person.id)
                if status == "accepted" and self._store.switches.absence_id_links:
                    state["absenceId"] = absence
                elif status == "refused" and state["absenceId"] == absence:
                    state["absenceId"] = None
        self._of_absence(found, person, "answer", before, status, who)

    def _of_absence(
        self, absence: Mapping[str, Any], person: Row, action: str, before: Any, after: Any, who: str
    ) -> None:
        self._control.edited(
            kind="absence",
            id=absence["ID"],
            identity=person.identity,
            action=action,
            field="STATUS",
            before=before,
            after=after,
            who=who,
        )

    def lock(self, sheet: str, who: str = "") -> None:
        row = self._open_sheet(sheet)
        lock(row)
        self._store.touch(row)
        self._edited(row, "lock", who, field="LOCKED", before=0, after=1)

    def unlock(self, sheet: str, who: str = "") -> None:
        row = self._found("sheet", sheet)
        before, row.fields["LOCKED"] = row.fields["LOCKED"], 0
        self._store.touch(row)
        self._edited(row, "unlock", who, field="LOCKED", before=before, after=0)

    def _row(self, kind: str, identity: str, fields: Mapping[str, Any]) -> Row:
        """A new row with its plain fields; references are filled in later."""
        plain = {
            key: self._typed(key, value)
            for key, value in fields.items()
            if key not in ("GROUPS", "STUDENTS", "SCHOOL_GROUP", "HIDDEN", "ID", "SCHOOL_ID")
            and not PROFESSOR_SLOT.fullmatch(key)
        }
        row = self._store.add(self._kind(kind), plain, identity=identity, created_by="hand")
        if row.kind == "sheet" and not row.fields["CREATOR_ID"]:
            row.fields["CREATOR_ID"] = "user"
        if row.kind == "speaker" and "SCHOOL_ID" in fields:
            # The first one given stands for this school, whatever it is called.
            row.fields["SCHOOL_ID"] = [self._store.school["ID"], *texts(fields["SCHOOL_ID"])[1:]]
        self._ids[identity] = row.id
        return row

    def _fill(self, row: Row, fields: Mapping[str, Any]) -> None:
        for key, value in fields.items():
            if PROFESSOR_SLOT.fullmatch(key):
                row.fields[key] = self._reference(value)
                row.fields.setdefault(signature_field(key), "")
        if "SCHOOL_GROUP" in fields:
            row.fields["SCHOOL_GROUP"] = self._references(fields["SCHOOL_GROUP"])
        if row.kind == "learner" and "GROUPS" in fields:
            groups = dict.fromkeys([*self._store.groups_of(row.id), *self._references(fields["GROUPS"])])
            self._store.set_groups_of(row.id, list(groups))
        elif row.kind == "group" and "STUDENTS" in fields:
            learners = [*row.member_ids, *self._references(fields["STUDENTS"])]
            self._store.set_members(row, learners)
        elif row.kind == "sheet":
            given = fields.get("STUDENTS")
            members = self._store.members(row.fields["SCHOOL_GROUP"])
            self._store.set_roster(row, members if given is None else self._references(given))

    def _references(self, value: Any) -> list[str]:
        items = [item.get("studentId") if isinstance(item, dict) else item for item in value or ()]
        return [self._reference(item) for item in items]

    def _reference(self, value: Any) -> str:
        """The id of the hand-made record of that identity, or the id as given."""
        return self._ids.get(text(value), text(value))

    def _typed(self, field: str, value: Any) -> Any:
        """A value as a person's browser would send it: instants as UTC text, flags as 0/1."""
        if field in ("START", "END"):
            try:
                return self._store.moment(value, field)
            except Refused as refused:
                raise ControlError(str(refused)) from None
        if field in FLAGS:
            return flag(value)
        if field == "SCHOOL_GROUP":
            return self._references(value)
        return self._reference(value) if PROFESSOR_SLOT.fullmatch(field) else value

    def _kind(self, kind: str) -> Kind:
        if kind not in KINDS:
            raise ControlError(f"unknown kind {kind}; known are {', '.join(KINDS)}")
        return kind

    def _found(self, kind: str, id: str) -> Row:
        row = self._store.rows[self._kind(kind)].get(id)
        if row is None:
            raise ControlError(f"there is no {kind} {id}")
        return row

    def _with_roster(self, kind: str, id: str) -> Row:
        if kind not in ("group", "sheet"):
            raise ControlError(f"a {kind} has no learners")
        return self._open_sheet(id) if kind == "sheet" else self._found(kind, id)

    def _open_sheet(self, id: str) -> Row:
        row = self._found("sheet", id)
        if row.fields["LOCKED"]:
            raise ControlError(f"sheet {id} is locked")
        return row

    def _state(self, row: Row, learner: str) -> dict[str, Any]:
        try:
            return self._store.state(row, learner)
        except Refused:
            raise ControlError(f"learner {learner} is not on sheet {row.id}") from None

    def _archived(self, kind: str, id: str, archived: bool, who: str) -> None:
        if kind == "sheet":
            raise ControlError("a sheet has no archive")
        row = self._found(kind, id)
        before = int(row.archived)
        self._store.archive(row, archived)
        action = "archive" if archived else "restore"
        self._edited(row, action, who, field="HIDDEN", before=before, after=int(archived))

    def _marked(self, row: Row, action: str, who: str, field: str, after: Any) -> None:
        if self._store.switches.signature_bumps_updated:
            self._store.touch(row)
        self._edited(row, action, who, field=field, after=after)

    def _edited(
        self, row: Row, action: str, who: str, field: str = "", before: Any = None, after: Any = None
    ) -> None:
        self._control.edited(
            kind=row.kind,
            id=row.id,
            identity=row.identity,
            action=action,
            field=field,
            before=before,
            after=after,
            who=who,
        )
