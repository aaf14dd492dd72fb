"""Courses (attendance sheets), presential states, justified absences and the school of the simulator."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import Any

from starlette.routing import Route

from connectors.edusign.simulator.dialect import Ask, Resource, answered, identity_of, taken
from connectors.edusign.simulator.store import (
    PROFESSOR_SLOT,
    Refused,
    Row,
    differing,
    flag,
    signature_field,
    text,
    texts,
)
from connectors.simulation.control import instant

_TEXTS = ("NAME", "DESCRIPTION", "CLASSROOM", "API_ID", "API_TYPE", "TRAINING_ID", "SURVEY_ID", "SURVEY_ID_2")
_FLAGS = ("NEED_STUDENTS_SIGNATURE", "ZOOM")
_FILTERS: dict[str, Callable[[Row], set[str]]] = {
    "groupId": lambda row: set(row.fields["SCHOOL_GROUP"]),
    "studentId": lambda row: set(row.member_ids),
    "professorId": lambda row: set(row.slots().values()),
    "trainingId": lambda row: {row.fields["TRAINING_ID"] or ""},
    "classroom": lambda row: {row.fields["CLASSROOM"]},
    "creatorId": lambda row: {row.fields["CREATOR_ID"]},
}


class Sheets(Resource):
    """/v1/course and /v1/presential-states."""

    def listed(self, ask: Ask) -> Any:
        first, last = self._period(ask)
        rows = list(self.store.rows["sheet"].values())
        rows = [
            row for row in rows if first <= row.fields["START"] and (not last or row.fields["START"] < last)
        ]
        rows = [row for row in rows if self._asked_for(row, ask)]
        rows.sort(key=lambda row: (row.fields["START"], row.id))
        shown = [self.views.row(row, listed=True) for row in self.page(rows, ask, self.switches.course_page)]
        if shown and ask.truthy("infoStudents"):
            # For the first course only (seen in one mirror of the specification).
            shown[0]["STUDENTS"] = [self.views.state_with_names(state) for state in shown[0]["STUDENTS"]]
        return shown

    def one(self, ask: Ask) -> Any:
        return self.views.row(self.store.get("sheet", ask.path["id"]))

    def external(self, ask: Ask) -> Any:
        return self.get_id("sheet", ask.path["api_id"])

    def create(self, ask: Ask) -> Any:
        sent = ask.wrapped("course")
        self.need(sent, ("NAME", "START", "END", "PROFESSOR", "NEED_STUDENTS_SIGNATURE"))
        fields = self._fields(sent)
        self._ordered(fields.get("START", ""), fields.get("END", ""))
        self.unique_api_id("sheet", fields)
        explicit = ask.truthy("fromStudents")
        roster = self._people(sent) if explicit else self.store.members(fields.get("SCHOOL_GROUP", ()))
        self.control.committing()
        row = self.store.add(
            "sheet",
            {**fields, "CREATOR_ID": self.switches.creator_of_api},
            identity="",
            created_by="api",
        )
        row.identity = identity_of(fields, row.id)
        self.store.set_roster(row, roster)
        self.wrote_new(ask, row, {**fields, "STUDENTS": row.member_ids})
        return self.views.id(row.id)

    def patch(self, ask: Ask) -> Any:
        sent = ask.wrapped("course")
        surveys = ask.body.get("editSurveys", ask.query.get("editSurveys"))
        self.need({**sent, "editSurveys": surveys}, ("ID", "NEED_STUDENTS_SIGNATURE", "editSurveys"))
        row = self._unlocked(text(sent.get("ID")))
        fields = self._fields(sent)
        slots = [key for key in fields if PROFESSOR_SLOT.fullmatch(key)]
        if self.switches.patch_requires_professor and not any(fields[slot] for slot in slots):
            raise Refused("At least one professor is required")
        self._ordered(fields.get("START", row.fields["START"]), fields.get("END", row.fields["END"]))
        self.unique_api_id("sheet", fields, but=row.id)
        explicit = ask.truthy("fromStudents")
        if explicit and self.switches.from_students_replaces_professors:
            fields |= {slot: "" for slot in row.slots() if slot not in slots}
        roster = self._new_roster(row, sent, fields, explicit)
        before = taken(row, [*fields, "STUDENTS"])
        self.control.committing()
        lost = self.store.drop_signatures(row) if self.switches.reset_signatures_on_patch else []
        row.fields.update(fields)
        for slot in slots:
            row.fields.setdefault(signature_field(slot), "")
        self.store.set_roster(row, roster)
        for state in row.fields["STUDENTS"]:
            state.update(start=row.fields["START"], end=row.fields["END"])
        self.store.touch(row)
        self.wrote(ask, "update", row, before, signatures_lost=lost)
        return self.views.id(row.id) if self.switches.patch_answer == "id" else True

    def delete(self, ask: Ask) -> Any:
        row = self.store.get("sheet", ask.path["id"])
        if row.fields["LOCKED"] and self.switches.delete_locked_refused:
            raise Refused("course locked")
        if row.signed and self.switches.delete_signed_refused:
            raise Refused("course signed")
        self.control.committing()
        del self.store.rows["sheet"][row.id]
        self.control.wrote(
            route=ask.route,
            verb="withdraw",
            kind="sheet",
            id=row.id,
            identity=row.identity,
            api_id=row.fields["API_ID"],
            api_type=row.fields["API_TYPE"],
            before=row.fields,
        )
        return True

    def add(self, ask: Ask) -> Any:
        row, learner = self._attendance(ask)
        if learner in row.member_ids:
            raise Refused("Student already in the list")
        before = {"STUDENTS": row.member_ids}
        self.control.committing()
        self.store.put_on_sheet(row, learner)
        self.store.touch(row)
        self.wrote(ask, "add", row, before, learner=learner)
        return "Student added"

    def remove(self, ask: Ask) -> Any:
        row, learner = self._attendance(ask)
        self.store.state(row, learner)
        before = {"STUDENTS": row.member_ids}
        self.control.committing()
        self.store.take_off_sheet(row, learner)
        self.store.touch(row)
        self.wrote(ask, "remove", row, before, learner=learner)
        return "Student removed"

    def lock(self, ask: Ask) -> Any:
        row = self.store.get("sheet", ask.path["id"])
        if row.fields["LOCKED"]:
            raise Refused("Course already locked")
        before = {"LOCKED": 0}
        self.control.committing()
        link = lock(row)
        self.store.touch(row)
        self.wrote(ask, "lock", row, before)
        return {"link": link}

    def unlock(self, ask: Ask) -> Any:
        row = self.store.get("sheet", ask.path["id"])
        before = {"LOCKED": row.fields["LOCKED"]}
        self.control.committing()
        row.fields["LOCKED"] = 0
        self.store.touch(row)
        self.wrote(ask, "unlock", row, before)
        return True

    def set_absent(self, ask: Ask) -> Any:
        comment = text(ask.body.get("comment"))
        return self._mark(ask, {"state": False, "timestamp": None, "signature": None, "comment": comment})

    def set_delay(self, ask: Ask) -> Any:
        try:
            minutes = int(ask.body.get("delay", 0))
        except (TypeError, ValueError):
            raise Refused("delay must be a number") from None
        return self._mark(ask, {"state": True, "delay": minutes})

    def set_early(self, ask: Ask) -> Any:
        left = self.store.moment(ask.body.get("earlyDate"), "earlyDate")
        return self._mark(ask, {"state": True, "earlyDeparture": left})

    def _mark(self, ask: Ask, marks: dict[str, Any]) -> Any:
        row = self._unlocked(ask.path["id"])
        state = self.store.state(row, ask.path["learner"])
        old, new = differing(state, marks)
        self.control.committing()
        state.update(marks, dateUpdated=self.store.stamp())
        if self.switches.signature_bumps_updated:
            self.store.touch(row)
        self.control.wrote(
            route=ask.route,
            verb="mark",
            kind="sheet",
            id=row.id,
            identity=row.identity,
            api_id=row.fields["API_ID"],
            api_type=row.fields["API_TYPE"],
            before=old,
            after=new,
            effective=bool(new),
            learner=state["studentId"],
        )
        return True

    def _attendance(self, ask: Ask) -> tuple[Row, str]:
        row = self._unlocked(ask.path["id"])
        if self.switches.past_attendance_refused and row.fields["END"] < self.store.stamp():
            raise Refused("course is past")
        learner = text(ask.body.get("studentId") or ask.query.get("studentId"))
        self.store.get("learner", learner)
        return row, learner

    def _unlocked(self, id: str) -> Row:
        row = self.store.get("sheet", id)
        if row.fields["LOCKED"]:
            raise Refused("course locked")
        return row

    def _fields(self, sent: Mapping[str, Any]) -> dict[str, Any]:
        """What was sent of a sheet's own fields, as stored; references are checked."""
        fields: dict[str, Any] = {key: text(sent[key]) for key in _TEXTS if key in sent}
        fields |= {key: flag(sent[key]) for key in _FLAGS if key in sent}
        fields |= {key: self.store.moment(sent[key], key) for key in ("START", "END") if key in sent}
        fields |= {key: text(sent[key]) for key in sent if PROFESSOR_SLOT.fullmatch(key)}
        if "TRAINING_ID" in fields:
            fields["TRAINING_ID"] = fields["TRAINING_ID"] or None
        if "MAX_STUDENTS" in sent:
            fields["MAX_STUDENTS"] = int(sent["MAX_STUDENTS"] or 0)
        if "SCHOOL_GROUP" in sent:
            fields["SCHOOL_GROUP"] = texts(sent["SCHOOL_GROUP"])
        for group in fields.get("SCHOOL_GROUP", ()):
            self.store.get("group", group)
        for key, professor in fields.items():
            if professor and PROFESSOR_SLOT.fullmatch(key):
                self.store.get("speaker", professor)
        return fields

    def _people(self, sent: Mapping[str, Any]) -> list[str]:
        """The explicit roster: `[{"studentId": id}]` (seen), bare ids too."""
        people = sent.get("STUDENTS") or []
        ids = [text(p.get("studentId") if isinstance(p, dict) else p) for p in people]
        for id in ids:
            self.store.get("learner", id)
        return ids

    def _new_roster(
        self, row: Row, sent: Mapping[str, Any], fields: Mapping[str, Any], explicit: bool
    ) -> list[str]:
        if explicit:
            return self._people(sent) if "STUDENTS" in sent else row.member_ids
        groups = fields.get("SCHOOL_GROUP", row.fields["SCHOOL_GROUP"])
        moved = groups != row.fields["SCHOOL_GROUP"]
        policy = self.switches.refill_on_patch
        if groups and (policy == "always" or (policy == "groups_change" and moved)):
            return self.store.members(groups)
        return row.member_ids

    def _ordered(self, start: str, end: str) -> None:
        if start and end and end <= start:
            raise Refused("END must be after START")

    def _period(self, ask: Ask) -> tuple[str, str]:
        """The instants between which a listed sheet starts, the second excluded; "" where open."""
        start, end = ask.query.get("start", ""), ask.query.get("end", "")
        first, last = self._day(start, "start"), self._day(end, "end")
        longest = timedelta(days=self.switches.period_days_max)
        if first and last and last - first > longest:
            if self.switches.over_period == "error":
                raise Refused(f"The period cannot exceed {self.switches.period_days_max} days")
            last = first + longest
        if last and self.switches.end_inclusive and len(end) == 10:
            last += timedelta(days=1)
        return instant(first) if first else "", instant(last) if last else ""

    def _day(self, value: str, name: str) -> datetime | None:
        if not value:
            return None
        try:
            at = datetime.fromisoformat(value)
        except ValueError:
            raise Refused(f"{name}: invalid date") from None
        return self.store.aware(at, self.switches.period_zone)

    def _asked_for(self, row: Row, ask: Ask) -> bool:
        fields = row.fields
        wanted = ask.names("filters") or set()
        if ("locked" in wanted and not fields["LOCKED"]) or ("unlocked" in wanted and fields["LOCKED"]):
            return False
        sent = bool(fields["ABSENCE_SENT"])
        if ("absencessent" in wanted and not sent) or ("absencesnotsent" in wanted and sent):
            return False
        for key, having in _FILTERS.items():
            if (asked := ask.names(key)) is not None and not asked & having(row):
                return False
        if (name := ask.query.get("courseName", "")) and name.lower() not in fields["NAME"].lower():
            return False
        if (signature := ask.query.get("professorSignature", "")) and bool(flag(signature)) != any(
            fields.get(signature_field(slot)) for slot in row.slots()
        ):
            return False
        return self._dated(row, ask, "dateCreated", "DATE_CREATED") and self._dated(
            row, ask, "dateUpdated", "DATE_UPDATED"
        )

    def _dated(self, row: Row, ask: Ask, key: str, field: str) -> bool:
        first, _comma, last = ask.query.get(key, "").partition(",")
        at = row.fields[field]
        if first and at < self.store.moment(first, key):
            return False
        return not (last and at > self.store.moment(last, key))


def lock(sheet: Row) -> str:
    """Lock a sheet; the address of its PDF."""
    link = f"https://files.example.org/{sheet.id}.pdf"
    sheet.fields.update(LOCKED=1, ATTENDANCE_ENDED=1, ATTENDANCE_LIST_GENERATED=link)
    return link


class School(Resource):
    """/v1/school."""

    _EDITABLE = ("NAME", "LOGO", "STREET_ADDRESS", "CITY", "POSTALCODE", "COUNTRY", "PHONE")

    def one(self, _ask: Ask) -> Any:
        return dict(self.store.school)

    def patch(self, ask: Ask) -> Any:
        sent = ask.wrapped("school")
        # Required in the spec, but an address may well be empty: only their presence is asked for.
        self.need(dict.fromkeys(sent, True), self._EDITABLE)
        fields: dict[str, Any] = {key: text(sent[key]) for key in self._EDITABLE if key in sent}
        fields |= {key: sent[key] for key in ("LOGOS", "WEBHOOKS") if isinstance(sent.get(key), list)}
        old, new = differing(self.store.school, fields)
        self.control.committing()
        self.store.school.update(fields)
        self.control.wrote(
            route=ask.route,
            verb="school",
            kind="school",
            id=self.store.school["ID"],
            identity="school",
            before=old,
            after=new,
            effective=bool(new),
        )
        return True


class Absences(Resource):
    """/v1/justified-absence, as far as it is known: list, declare, reasons."""

    def listed(self, ask: Ask) -> Any:
        given, size = ask.query.get("page", ""), self.switches.absence_page
        shown = [row for one in self.store.absences if (row := self._shown(one)) is not None]
        if not given.isdigit():
            return shown
        return shown[int(given) * size : (int(given) + 1) * size]

    def _shown(self, absence: Mapping[str, Any]) -> dict[str, Any] | None:
        """An absence as its list shows it; whether requests are there and how they say so is unknown."""
        status = absence["STATUS"]
        bare = {key: value for key, value in absence.items() if key != "STATUS"}
        match self.switches.absence_status:
            case "text":
                return {**bare, "STATUS": status}
            case "number":
                return {**bare, "STATUS": {"pending": 0, "accepted": 1, "refused": -1}[status]}
            case _:
                return bare if status == "accepted" else None

    def reasons(self, _ask: Ask) -> Any:
        return [dict(reason) for reason in self.store.reasons]

    def declare(self, ask: Ask) -> Any:
        sent = ask.body
        learner = self.store.get("learner", text(sent.get("STUDENT_ID")))
        sheet = self.store.get("sheet", text(sent["COURSE_ID"])) if sent.get("COURSE_ID") else None
        period = sheet.fields if sheet is not None else sent
        start, end = (self.store.moment(period.get(key), key) for key in ("START", "END"))
        state = self.store.state(sheet, learner.id) if sheet is not None else None
        self.control.committing()
        absence = {
            "ID": self.store.new_id(),
            "STUDENT_ID": learner.id,
            "TYPE": sent.get("TYPE", 0),
            "COMMENT": text(sent.get("COMMENT")),
            "FILE_URL": "",
            "START": start,
            "END": end,
            "DATE_CREATION": self.store.stamp(),
            "REQUEST_DATE": None,
            "STATUS": "accepted",
        }
        self.store.absences.append(absence)
        if state is not None and self.switches.absence_id_links:
            state["absenceId"] = absence["ID"]
        self.control.wrote(
            route=ask.route,
            verb="create",
            kind="absence",
            id=absence["ID"],
            identity=learner.identity,
            after=absence,
            learner=learner.id,
        )
        return {"ID": absence["ID"]}


def sheet_routes(sheets: Sheets, school: School, absences: Absences) -> list[Route]:
    """The routes of sheets, school and absences, the more particular ones first."""
    marks = "/v1/presential-states"
    return [
        answered("GET", "/v1/school", school.one),
        answered("PATCH", "/v1/school", school.patch),
        answered("GET", "/v1/course", sheets.listed),
        answered("POST", "/v1/course", sheets.create),
        answered("PATCH", "/v1/course", sheets.patch),
        answered("GET", "/v1/course/get-id/{api_id:path}", sheets.external),
        answered("PUT", "/v1/course/attendance/{id}", sheets.add),
        answered("DELETE", "/v1/course/attendance/{id}", sheets.remove),
        answered("GET", "/v1/course/lock/{id}", sheets.lock),
        answered("PATCH", "/v1/course/unlock/{id}", sheets.unlock),
        answered("GET", "/v1/course/{id}", sheets.one),
        answered("DELETE", "/v1/course/{id}", sheets.delete),
        answered("PATCH", marks + "/set-absent/{id}/{learner}", sheets.set_absent),
        answered("PATCH", marks + "/set-delay/{id}/{learner}", sheets.set_delay),
        answered("PATCH", marks + "/set-early-departure/{id}/{learner}", sheets.set_early),
        answered("GET", "/v1/justified-absence/absence-reason", absences.reasons),
        answered("GET", "/v1/justified-absence", absences.listed),
        answered("POST", "/v1/justified-absence", absences.declare),
    ]
