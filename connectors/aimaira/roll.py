"""Aimaira's people and groups: enrolments with their learners, teachers, sequences with their members.

What cannot come along with them (`$metadata` says which navigation there is) is asked by keys, as many in one
query as fit.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import timedelta

from connectors.aimaira import mapping
from connectors.aimaira.odata import Ask, Row, any_of
from connectors.aimaira.reader import Campuses, Reader, told
from engine.ports import Progress, Scope
from engine.records import Entry
from engine.words import _

DEPARTED_FOR = timedelta(days=60)
"""So long after a departure the lists still say so; later the person is just not in them."""

_LEARNER_CONTACTS = ("Mail", "Mobile", "Telephone")
_SPEAKER_CONTACTS = ("Mail", "MailEcole", "Mobile", "Telephone")


class Roll:
    """See the module."""

    def __init__(self, reader: Reader) -> None:
        self._reader = reader

    async def speakers(self, progress: Progress | None = None) -> list[mapping.Person]:
        async def ask() -> list[mapping.Person]:
            names = _SPEAKER_CONTACTS
            wanted = await self._people("Enseignant", names)
            rows = await self._reader.feed.rows(wanted, told(progress, _("speakers")))
            contacts = await self._contacts(rows, names)
            email = self._reader.settings.speaker_email
            return [
                self._reader.mapped(wanted, lambda row: mapping.speaker(row, contacts, email), row)
                for row in rows
            ]

        return await self._reader.once("speakers", ask)

    async def learners(self, scope: Scope, progress: Progress | None = None) -> list[mapping.Person]:
        """Everybody enrolled, and those who left lately, before any filter."""

        async def ask() -> list[mapping.Person]:
            states = await self._active_states()
            since = mapping.literal(mapping.midnight(scope.first, scope.zone) - DEPARTED_FOR)
            condition = f"DateSortie ge {since}"
            if states:
                active = any_of("EtatInscriptionId", map(str, sorted(states)))
                condition += f" or (DateSortie eq null and ({active}))"
            wanted = await self._enrolments(condition)
            rows = await self._reader.feed.rows(wanted, told(progress, _("enrolments")))
            return await self._enrolled(wanted, rows, scope)

        return await self._reader.once("learners", ask)

    async def _enrolments(self, condition: str) -> Ask:
        expand: tuple[str, ...] = ()
        if await self._reader.offers("Inscription", "Apprenant"):
            people = await self._people("Apprenant", _LEARNER_CONTACTS)
            inner = f"$select={','.join(people.select)}"
            inner += f";$expand={','.join(people.expand)}" if people.expand else ""
            expand = (f"Apprenant({inner})",)
        return Ask("Inscription", mapping.FIELDS["Inscription"], condition, expand)

    async def _people(self, entity: str, names: Iterable[str]) -> Ask:
        """People with their addresses and numbers, as far as those can come along."""
        fields = {"Mail": "Adresse", "MailEcole": "Adresse", "Mobile": "Numero", "Telephone": "Numero"}
        expand = [
            f"{name}($select=Id,{fields[name]})" for name in names if await self._reader.offers(entity, name)
        ]
        return Ask(entity, mapping.FIELDS[entity], expand=tuple(expand))

    async def _enrolled(self, ask: Ask, rows: list[Row], scope: Scope) -> list[mapping.Person]:
        """The learners of these enrolments."""
        states = await self._active_states()
        today, zone = self._reader.today(), scope.zone
        enrolments: dict[int, list[mapping.Enrolment]] = {}
        for row in rows:
            one = self._reader.mapped(ask, lambda row: mapping.enrolment(row, states, today, zone), row)
            enrolments.setdefault(one.learner, []).append(one)
        known: dict[int, Row] = {}
        for row in rows:
            if isinstance(person := row.get("Apprenant"), Mapping):
                known.setdefault(mapping.integer(row, "ApprenantId"), person)
        missing = [str(key) for key in enrolments if key and key not in known]
        wanted = await self._people("Apprenant", names := _LEARNER_CONTACTS)
        for row in await self._reader.feed.batched(wanted, "Id", missing):
            known[mapping.integer(row, "Id")] = row
        contacts = await self._contacts(list(known.values()), names)
        campuses = await self._reader.campuses()
        return [
            self._reader.mapped(
                wanted,
                lambda row, key=key: mapping.learner(  # type: ignore[misc]
                    row, enrolments[key], contacts, _campuses_of(enrolments[key], campuses)
                ),
                row,
            )
            for key, row in known.items()
            if key in enrolments
        ]

    async def _contacts(self, rows: list[Row], names: Iterable[str]) -> mapping.Contacts:
        """Addresses and numbers that did not come with the people."""
        names = tuple(names)
        mails = self._unread(rows, [name for name in names if name.startswith("Mail")])
        phones = self._unread(rows, [name for name in names if not name.startswith("Mail")])
        addresses = await self._reader.values("Mail", "Adresse", mails)
        return mapping.Contacts(addresses, await self._reader.values("Telephone", "Numero", phones))

    def _unread(self, rows: list[Row], names: Iterable[str]) -> list[int]:
        return self._reader.mapped(Ask("Apprenant"), lambda rows: mapping.unread(rows, names), rows)

    async def _active_states(self) -> frozenset[int]:
        async def ask() -> frozenset[int]:
            wanted = Ask("EtatInscription", mapping.FIELDS["EtatInscription"])
            rows = await self._reader.feed.rows(wanted)
            return self._reader.mapped(
                wanted,
                lambda rows: frozenset(
                    mapping.integer(row, "Id") for row in rows if mapping.truth(row, "ApprenantON")
                ),
                rows,
            )

        return await self._reader.once("states", ask)

    async def meant(self, one: mapping.Person) -> bool:
        campuses = await self._reader.campuses()
        return campuses is None or bool(one.campuses & campuses.meant)

    async def left(self, keys: list[str], scope: Scope) -> dict[str, Entry]:
        """Those of these learners who have enrolments, none of which counts."""
        wanted = await self._enrolments("")
        rows = await self._reader.feed.batched(wanted, "ApprenantId", keys)
        return {one.entry.id: one.entry for one in await self._enrolled(wanted, rows, scope)}

    # Groups

    async def sequences(self, scope: Scope, progress: Progress | None = None) -> list[Row]:
        """The sequences that have not ended before the scope."""

        async def ask() -> list[Row]:
            since = mapping.literal(mapping.midnight(scope.first, scope.zone))
            wanted = Ask("Sequence", mapping.FIELDS["Sequence"], f"Fin eq null or Fin ge {since}")
            rows = await self._reader.feed.rows(wanted, told(progress, _("groups")))
            campuses = await self._reader.campuses()
            if campuses is None:
                return rows
            return [
                r
                for r in rows
                if campuses.of_programme.get(mapping.integer(r, "ProgrammeId")) in campuses.meant
            ]

        return await self._reader.once("sequences", ask)

    async def group_entries(self, scope: Scope, progress: Progress | None) -> list[Entry]:
        rows = await self.sequences(scope, progress)
        members = await self._members([str(row["Id"]) for row in rows], progress)
        known = {one.entry.id: one.entry.ended for one in await self.learners(scope)}
        return [self._group(row, members, known, scope) for row in rows]

    def _group(
        self, row: Row, members: Mapping[str, set[str]], ended: Mapping[str, bool], scope: Scope
    ) -> Entry:
        since = mapping.midnight(scope.first, scope.zone)
        # Whoever is not enrolled any more is in no group, whatever was forgotten there.
        here = frozenset(one for one in members.get(str(row["Id"]), ()) if not ended.get(one, True))
        return self._reader.mapped(Ask("Sequence"), lambda row: mapping.group(row, here, since), row)

    async def _members(self, keys: list[str], progress: Progress | None = None) -> dict[str, set[str]]:
        """Learners by sequence."""
        ask = Ask("InscriptionSequence", mapping.FIELDS["InscriptionSequence"])
        now = self._reader.clock.now()
        members: dict[str, set[str]] = {}
        for row in await self._reader.feed.batched(ask, "SequenceId", keys, told(progress, _("members"))):
            stands = self._reader.mapped(ask, lambda row: mapping.membership(row, now), row)
            if stands is not None:
                members.setdefault(stands[0], set()).add(stands[1])
        return members

    # Looking for one

    async def find_speaker(self, key: str, _scope: Scope) -> Entry | None:
        names = _SPEAKER_CONTACTS
        rows = await self._reader.feed.rows((await self._people("Enseignant", names)).also(f"Id eq {key}"))
        if not rows:
            return None
        contacts = await self._contacts(rows, names)
        email = self._reader.settings.speaker_email
        return self._reader.mapped(
            Ask("Enseignant"), lambda row: mapping.speaker(row, contacts, email), rows[0]
        ).entry

    async def find_learner(self, key: str, scope: Scope) -> Entry | None:
        """A learner with whatever enrolments there are; without any there is nobody to speak of."""
        wanted = await self._enrolments(f"ApprenantId eq {key}")
        for one in await self._enrolled(wanted, await self._reader.feed.rows(wanted), scope):
            return one.entry if await self.meant(one) else None
        return None

    async def find_group(self, key: str, scope: Scope) -> Entry | None:
        rows = await self._reader.feed.rows(Ask("Sequence", mapping.FIELDS["Sequence"], f"Id eq {key}"))
        if not rows:
            return None
        ended = {one.entry.id: one.entry.ended for one in await self.learners(scope)}
        return self._group(rows[0], await self._members([key]), ended, scope)


def _campuses_of(enrolments: Iterable[mapping.Enrolment], campuses: Campuses | None) -> frozenset[int]:
    if campuses is None:
        return frozenset()
    of_programme = campuses.of_programme
    return frozenset(of_programme[e.programme] for e in enrolments if e.programme in of_programme)
