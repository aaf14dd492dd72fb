"""Students, professors and groups of the Edusign simulator."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from starlette.routing import Route

from connectors.edusign.simulator.dialect import (
    Ask,
    NoRoute,
    Resource,
    answered,
    identity_of,
    taken,
)
from connectors.edusign.simulator.store import NAMES, Kind, Refused, Row, flag, text, texts

_STUDENT_TEXTS = (
    "FIRSTNAME",
    "LASTNAME",
    "EMAIL",
    "FILE_NUMBER",
    "PHOTO",
    "PHONE",
    "TRAINING_NAME",
    "COMPANY",
)
_STUDENT_MORE = ("API_ID", "API_TYPE", "BADGE_ID", "ISIC_ID", "LANGUAGE")
_PROFESSOR_TEXTS = ("FIRSTNAME", "LASTNAME", "EMAIL", "SPECIALITY", "API_ID", "API_TYPE", "PHONE", "PIN")
_GROUP_TEXTS = ("NAME", "DESCRIPTION", "PARENT", "LOGO", "API_ID", "API_TYPE")


def _given(sent: Mapping[str, Any], as_text: tuple[str, ...], as_list: tuple[str, ...] = ()) -> dict[str, Any]:
    """What was sent of these fields, as stored. Fields not known are ignored."""
    fields: dict[str, Any] = {key: text(sent[key]) for key in as_text if key in sent}
    fields |= {key: texts(sent[key]) for key in as_list if key in sent}
    if isinstance(sent.get("VARIABLES"), list):
        fields["VARIABLES"] = sent["VARIABLES"]
    return fields


class _Person(Resource):
    """What students and professors have in common."""

    kind: Kind

    def one(self, ask: Ask) -> Any:
        return self.views.row(self.store.get(self.kind, ask.path["id"]))

    def external(self, ask: Ask) -> Any:
        return self.get_id(self.kind, ask.path["api_id"])

    def found_by_email(self, ask: Ask) -> Row | None:
        row = self.store.by_email(self.kind, ask.path["email"])
        if row is not None and row.archived and not self.switches.by_email_shows_archived:
            return None
        return row

    def live(self) -> list[Row]:
        rows = self.store.rows[self.kind].values()
        return [row for row in rows if self.switches.list_shows_archived or not row.archived]

    def created(self, row: Row, how: str) -> dict[str, str]:
        key = self.switches.create_type_key
        return {**self.views.id(row.id), **({key: how} if key else {})}

    def mail(self, row: Row) -> None:
        self.store.mails.append({"at": self.store.stamp(), "kind": self.kind, "id": row.id})

    def set_archived(self, ask: Ask, archived: bool) -> None:
        row = self.store.get(self.kind, ask.path["id"])
        before = {"HIDDEN": int(row.archived)}
        self.control.committing()
        if row.archived != archived:
            self.store.archive(row, archived)
        self.wrote(ask, "archive" if archived else "restore", row, before)

    def patched(self, ask: Ask, row: Row, fields: dict[str, Any], hidden: int | None) -> str:
        """The verb of a PATCH: one that turns HIDDEN is an archive or a restore."""
        if hidden is None or bool(hidden) == row.archived:
            return "update"
        return "archive" if hidden else "restore"


class Students(_Person):
    """/v1/student."""

    kind = "learner"

    def listed(self, ask: Ask) -> Any:
        rows = self.live()
        if since := ask.query.get("updatedAfter"):
            after = self.store.moment(since, "updatedAfter")
            rows = [row for row in rows if row.fields["DATE_UPDATED"] > after]
        if search := ask.query.get("search", "").lower():
            keys = ("FIRSTNAME", "LASTNAME", "EMAIL")
            rows = [row for row in rows if any(search in row.fields[key].lower() for key in keys)]
        limit = ask.query.get("limit", "")
        size = int(limit) if limit.isdigit() and int(limit) else self.switches.student_page
        return [self.views.row(row, listed=True) for row in self.page(rows, ask, size)]

    def create(self, ask: Ask) -> Any:
        sent = ask.wrapped("student")
        self.need(sent, ("FIRSTNAME", "LASTNAME", "EMAIL"))
        fields, groups = self._fields(sent), texts(sent.get("GROUPS"))
        for group in groups:
            self.store.get("group", group)
        twin = self.store.by_email("learner", fields.get("EMAIL", ""))
        if twin is not None:
            if self.switches.duplicate_student_email == "error":
                raise Refused("Student already exists in this school")
            self._update(ask, twin, fields, groups if "GROUPS" in sent else None, None)
            return self.created(twin, "updated")
        self.unique_api_id("learner", fields)
        self.control.committing()
        row = self.store.add("learner", fields, identity="", created_by="api")
        row.identity = identity_of(fields, row.id)
        row.archived = bool(flag(sent.get("HIDDEN", 0)))
        cascaded = self.store.set_groups_of(row.id, groups)
        if flag(sent.get("SEND_EMAIL_CREDENTIALS", self.switches.mails_by_default)):
            self.mail(row)
        self.wrote_new(ask, row, {**fields, **({"GROUPS": groups} if groups else {})}, cascaded=cascaded)
        return self.created(row, "created")

    def patch(self, ask: Ask) -> Any:
        sent = ask.wrapped("student")
        self.need(sent, ("ID", "FIRSTNAME", "LASTNAME"))
        row = self.store.get("learner", text(sent.get("ID")))
        fields = self._fields(sent)
        groups = texts(sent["GROUPS"]) if "GROUPS" in sent else None
        for group in groups or ():
            self.store.get("group", group)
        if email := fields.get("EMAIL"):
            twin = self.store.by_email("learner", email)
            if twin is not None and twin.id != row.id:
                raise Refused("Student already exists in this school")
        self.unique_api_id("learner", fields, but=row.id)
        self._update(ask, row, fields, groups, flag(sent["HIDDEN"]) if "HIDDEN" in sent else None)
        return self.views.id(row.id) if self.switches.patch_answer == "id" else True

    def email(self, ask: Ask) -> Any:
        row = self.found_by_email(ask)
        if row is None:
            raise Refused("No student with this email found")
        return self.views.row(row)

    def several(self, ask: Ask) -> Any:
        ids = texts(ask.body.get("studentIds"))
        if self.switches.by_ids_max and len(ids) > self.switches.by_ids_max:
            raise Refused("Too many ids")
        rows = self.store.rows["learner"]
        return [self.views.row(rows[id]) for id in dict.fromkeys(ids) if id in rows]

    def archive(self, ask: Ask) -> Any:
        self.set_archived(ask, True)
        return True

    def restore(self, ask: Ask) -> Any:
        self.set_archived(ask, False)
        return True

    def _fields(self, sent: Mapping[str, Any]) -> dict[str, Any]:
        fields = _given(sent, _STUDENT_TEXTS + _STUDENT_MORE, ("TAGS", "STUDENT_FOLLOWER_ID"))
        if "NEW_PASSWORD_NEEDED" in sent:
            fields["NEW_PASSWORD_NEEDED"] = flag(sent["NEW_PASSWORD_NEEDED"])
        return fields

    def _update(
        self, ask: Ask, row: Row, fields: dict[str, Any], groups: list[str] | None, hidden: int | None
    ) -> None:
        verb = self.patched(ask, row, fields, hidden)
        keys = [*fields, *(["HIDDEN"] if hidden is not None else [])]
        before = taken(row, keys)
        groups_before = self.store.groups_of(row.id)
        self.control.committing()
        row.fields.update(fields)
        if hidden is not None and bool(hidden) != row.archived:
            self.store.archive(row, bool(hidden))
        self.store.touch(row)
        more: dict[str, Any] = {}
        if groups is not None and set(groups) != set(groups_before):
            more = {"cascaded": self.store.set_groups_of(row.id, groups), "groups": groups}
        self.wrote(ask, verb, row, before, **more)


class Professors(_Person):
    """/v1/professor."""

    kind = "speaker"

    def listed(self, ask: Ask) -> Any:
        return [
            self.views.row(row, listed=True)
            for row in self.page(self.live(), ask, self.switches.professor_page)
        ]

    def create(self, ask: Ask) -> Any:
        sent = ask.wrapped("professor")
        silent = ask.body.get("dontSendCredentials", sent.get("dontSendCredentials"))
        self.need(
            {**sent, "dontSendCredentials": silent}, ("FIRSTNAME", "LASTNAME", "EMAIL", "dontSendCredentials")
        )
        fields = _given(sent, _PROFESSOR_TEXTS, ("TAGS",))
        if self.store.by_email("speaker", fields.get("EMAIL", "")) is not None:
            raise Refused("Professor already exists in this school")
        self.unique_api_id("speaker", fields)
        self.control.committing()
        row = self.store.add("speaker", fields, identity="", created_by="api")
        row.identity = identity_of(fields, row.id)
        if not flag(silent) if silent is not None else self.switches.mails_by_default:
            self.mail(row)
        self.wrote_new(ask, row, fields)
        return self.created(row, "created")

    def patch(self, ask: Ask) -> Any:
        sent = ask.wrapped("professor")
        self.need(sent, ("ID", "FIRSTNAME", "LASTNAME", "EMAIL"))
        row = self.store.get("speaker", text(sent.get("ID")))
        fields = _given(sent, _PROFESSOR_TEXTS, ("TAGS",))
        twin = self.store.by_email("speaker", fields.get("EMAIL", "")) if fields.get("EMAIL") else None
        if twin is not None and twin.id != row.id:
            raise Refused("Professor already exists in this school")
        self.unique_api_id("speaker", fields, but=row.id)
        hidden = self._hidden(sent["HIDDEN"]) if "HIDDEN" in sent else None
        if not self.switches.professor_patch_hidden:
            hidden = None
        verb = self.patched(ask, row, fields, hidden)
        keys = [*fields, *(["HIDDEN"] if hidden is not None else [])]
        before = taken(row, keys)
        self.control.committing()
        row.fields.update(fields)
        if hidden is not None:
            row.archived = bool(hidden)
        self.store.touch(row)
        self.wrote(ask, verb, row, before)
        answers: dict[str, Any] = {"true": True, "id": self.views.id(row.id)}
        return answers.get(self.switches.patch_answer, {"result": "Professor updated"})

    def email(self, ask: Ask) -> Any:
        row = self.found_by_email(ask)
        if row is None:
            raise Refused("Error - cannot get professor by email")
        return self.views.row(row)

    def archive(self, ask: Ask) -> Any:
        self.set_archived(ask, True)
        return "Professor archived"

    def restore(self, ask: Ask) -> Any:
        if not self.switches.professor_restore_route:
            raise NoRoute
        self.set_archived(ask, False)
        return True

    def _hidden(self, value: Any) -> int:
        """HIDDEN as sent: an array (archived when it names anything) or a boolean."""
        return int(bool(value)) if isinstance(value, list) else flag(value)


class Groups(Resource):
    """/v1/group."""

    def listed(self, ask: Ask) -> Any:
        rows = [row for row in self.store.rows["group"].values() if not row.archived]
        return [self.views.row(row, listed=True) for row in self.page(rows, ask, self.switches.group_page)]

    def one(self, ask: Ask) -> Any:
        return self.views.row(self.store.get("group", ask.path["id"]))

    def external(self, ask: Ask) -> Any:
        return self.get_id("group", ask.path["api_id"])

    def create(self, ask: Ask) -> Any:
        sent = ask.wrapped("group")
        self.need(sent, ("NAME",))
        fields, students = _given(sent, _GROUP_TEXTS), self._students(sent)
        if fields.get("PARENT"):
            self.store.get("group", fields["PARENT"])
        self.unique_api_id("group", fields)
        self.control.committing()
        row = self.store.add("group", fields, identity="", created_by="api")
        row.identity = identity_of(fields, row.id)
        self.store.set_members(row, students or ())
        self.wrote_new(ask, row, {**fields, "STUDENTS": row.member_ids})
        return self.views.id(row.id)

    def patch(self, ask: Ask) -> Any:
        sent = ask.wrapped("group")
        self.need(sent, ("ID",))
        row = self.store.get("group", text(sent.get("ID")))
        fields, students = _given(sent, _GROUP_TEXTS), self._students(sent)
        if fields.get("PARENT"):
            self.store.get("group", fields["PARENT"])
        self.unique_api_id("group", fields, but=row.id)
        keys = [*fields, *(["STUDENTS"] if students is not None else [])]
        before = taken(row, keys)
        self.control.committing()
        row.fields.update(fields)
        cascaded = self.store.set_members(row, students) if students is not None else {}
        self.store.touch(row)
        self.wrote(ask, "update", row, before, cascaded=cascaded)
        return self.views.id(row.id) if self.switches.patch_answer == "id" else True

    def archive(self, ask: Ask) -> Any:
        row = self.store.get("group", ask.path["id"])
        before = {"HIDDEN": int(row.archived)}
        self.control.committing()
        self.store.archive(row, True)
        self.wrote(ask, "archive", row, before)
        return True

    def _students(self, sent: Mapping[str, Any]) -> list[str] | None:
        if "STUDENTS" not in sent:
            return None
        ids = texts(sent["STUDENTS"])
        for id in ids:
            self.store.get("learner", id)
        return ids


def people_routes(students: Students, professors: Professors, groups: Groups) -> list[Route]:
    """The routes of the three resources, the more particular ones first."""
    routes: list[Route] = []
    for resource in (students, professors):
        base = f"/v1/{NAMES[resource.kind]}"
        routes += [
            answered("GET", base, resource.listed),
            answered("POST", base, resource.create),
            answered("PATCH", base, resource.patch),
            answered("GET", base + "/by-email/{email:path}", resource.email),
            answered("GET", base + "/get-id/{api_id:path}", resource.external),
            answered("GET", base + "/restore/{id}", resource.restore),
            answered("GET", base + "/{id}", resource.one),
            answered("DELETE", base + "/{id}", resource.archive),
        ]
    return [
        *routes,
        answered("POST", "/v1/student/by-ids", students.several),
        answered("GET", "/v1/group", groups.listed),
        answered("POST", "/v1/group", groups.create),
        answered("PATCH", "/v1/group", groups.patch),
        answered("GET", "/v1/group/get-id/{api_id:path}", groups.external),
        answered("GET", "/v1/group/{id}", groups.one),
        answered("DELETE", "/v1/group/{id}", groups.archive),
    ]
