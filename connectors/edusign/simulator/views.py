"""How the Edusign simulator shows its rows: spellings, flags, and what each view leaves out."""

from __future__ import annotations

from typing import Any

from connectors.edusign.simulator.store import FLAGS, Row, Store, signature_field


class Views:
    """Rows as /v1 answers hold them."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._switches = store.switches

    def row(self, row: Row, *, listed: bool = False) -> dict[str, Any]:
        """A whole record; `listed` as it stands in a list."""
        shown = {key: value for key, value in row.fields.items() if key != "ID"}
        match row.kind:
            case "learner":
                shown["HIDDEN"] = int(row.archived)
                if listed:
                    shown |= {"PASSWORD": "", "NEW_PASSWORD_TOKEN": "", "PUSH_TOKEN": ""}
                else:
                    shown["GROUPS"] = self._store.groups_of(row.id)
            case "speaker":
                shown["HIDDEN"] = self.professor_hidden(row)
                shown["PROFESSOR_ID"] = row.id
                shown |= {
                    "SCHOOL_DATE_CREATED": shown["DATE_CREATED"],
                    "SCHOOL_DATE_UPDATED": shown["DATE_UPDATED"],
                }
                if listed:
                    shown |= {"zoomForThisSchool": False, "teamsForThisSchool": False}
            case "group":
                shown["HIDDEN"] = int(row.archived)
            case "sheet":
                shown["STUDENTS"] = [dict(state) for state in row.fields["STUDENTS"]]
                if listed:
                    shown["PROFESSORS_PRESENCES"] = self._presences(row)
                    shown["TRAINING_INSCRIPTION_OPTIONS"] = []
        shown = {key: self._spelled(key, value) for key, value in shown.items()}
        if row.kind == "sheet":
            return {"ID": row.id, **shown}
        return {**self._ids(row.id, self._switches.id_spelling), **shown}

    def state_with_names(self, state: dict[str, Any]) -> dict[str, Any]:
        """A learner's row on a sheet with the names `infoStudents` adds."""
        person = self._store.rows["learner"].get(state["studentId"])
        if person is None:
            return state
        names = {"firstname": "FIRSTNAME", "lastname": "LASTNAME", "email": "EMAIL"}
        return {**state, **{key: person.fields[field] for key, field in names.items()}}

    def id(self, id: str) -> dict[str, str]:
        """The answer to a create or a get-id."""
        return self._ids(id, self._switches.answer_id_spelling)

    def professor_hidden(self, row: Row) -> Any:
        """HIDDEN of a professor: an array (documented; its content by switch), or 0/1."""
        match self._switches.professor_hidden:
            case "number":
                return int(row.archived)
            case "own_id":
                return [row.id] if row.archived else []
            case _:
                return [self._store.school["ID"]] if row.archived else []

    def _ids(self, id: str, spelling: str) -> dict[str, str]:
        keys = {"upper": ("ID",), "lower": ("id",), "both": ("ID", "id")}[spelling]
        return dict.fromkeys(keys, id)

    def _spelled(self, key: str, value: Any) -> Any:
        if key in FLAGS and self._switches.flags == "boolean" and value in (0, 1):
            return bool(value)
        if value == "" and self._switches.unset == "null":
            return None
        return list(value) if isinstance(value, list) else value

    def _presences(self, sheet: Row) -> list[dict[str, Any]]:
        return [
            {
                "professorId": professor,
                "priority": priority,
                "signature": sheet.fields.get(signature_field(slot)) or None,
                "history": [],
            }
            for priority, (slot, professor) in enumerate(sorted(sheet.slots().items()), start=1)
            if professor
        ]
