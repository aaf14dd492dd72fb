"""Links, adoption, candidates: which Edusign record an unlinked ERP record is (R07–R10). Pure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Literal, TypeAlias

from engine.changes import Block
from engine.links import Links
from engine.planning.checks import Checked
from engine.records import PEOPLE, Entry, Kind, Seen, Sheet, canonical, name_tokens

PairDecisions: TypeAlias = Mapping[tuple[Kind, str, str], Literal["same", "different"]]
"""What people said of (kind, ERP key, Edusign id)."""

SAME_TIME = timedelta(minutes=5)


@dataclass(frozen=True)
class Found:
    """An unlinked ERP record and the Edusign record it is; `by`: "api_id", "email" or "decision"."""

    kind: Kind
    erp_id: str
    seen: Seen
    by: str
    read_only: bool = False


@dataclass(frozen=True)
class Matching:
    """Every accepted, unlinked ERP record is in exactly one of `found`, `blocked` and `new`."""

    found: tuple[Found, ...]
    blocks: tuple[Block, ...]
    blocked: frozenset[tuple[Kind, str]]
    new: tuple[tuple[Kind, str], ...]


def api_key(api_id: str) -> str:
    """The ERP key an API_ID carries: `991#2` is the second sheet of session 991 (R19)."""
    return api_id.partition("#")[0]


def match(
    checked: Checked,
    seen: Mapping[Kind, Iterable[Seen]],
    links: Links,
    *,
    our_type: str,
    decisions: PairDecisions,
    country: str = "FR",
    sealed: frozenset[str] = frozenset(),
) -> Matching:
    """Find each accepted, unlinked ERP record among the free Edusign records, block it, or call it new.

    `sealed`: Edusign ids of sheets kept for what they were; they are no session's any more (R19).
    """
    found: list[Found] = []
    blocks: list[Block] = []
    new: list[tuple[Kind, str]] = []
    for kind, accepted in checked.accepted.items():
        shown = sorted((s for s in seen.get(kind, ()) if s.id not in sealed), key=lambda s: s.id)
        unlinked = sorted((e for e in accepted.values() if links.get(kind, e.id) is None), key=lambda e: e.id)
        if not unlinked:
            continue
        search = _Search(kind, accepted.values(), shown, our_type, decisions, country, links)
        taken: set[str] = set()
        done: set[str] = set()
        for proof in (search.by_key, search.by_word, search.by_mail):
            for entry in unlinked:
                hit = proof(entry, taken) if entry.id not in done else None
                if hit is not None:
                    taken.add(hit.seen.id)
                    done.add(entry.id)
                    found.append(hit)
        for entry in unlinked:
            if entry.id in done:
                continue
            pairs = search.probable(entry, taken)
            blocks += pairs
            if not pairs:
                new.append((kind, entry.id))
    blocked = frozenset((b.kind, b.erp_id) for b in blocks)
    return Matching(tuple(found), tuple(blocks), blocked, tuple(new))


class _Search:
    """The free Edusign records of one kind, indexed by what can prove or suggest a pair.

    The proofs, strongest first: `by_key`, `by_word`, `by_mail`. One is tried for every record before the next.
    """

    def __init__(
        self,
        kind: Kind,
        accepted: Iterable[Entry],
        shown: list[Seen],
        our_type: str,
        decisions: PairDecisions,
        country: str,
        links: Links,
    ) -> None:
        self.kind = kind
        self.our_type = our_type
        self.decisions = decisions
        self.country = country
        self.links = links
        free = [s for s in shown if links.of_edusign(kind, s.id) is None]
        self.by_id = {s.id: s for s in free}
        self.by_api: dict[str, list[Seen]] = defaultdict(list)
        self.by_email: dict[object, list[Seen]] = defaultdict(list)
        self.edusign_emails: dict[object, int] = defaultdict(int)
        self.by_name: dict[tuple[str, ...], list[Seen]] = defaultdict(list)
        self.by_start: dict[object, list[Seen]] = defaultdict(list)
        self.erp_emails: dict[object, int] = defaultdict(int)
        for s in free:
            if s.api_type == our_type and s.api_id:
                self.by_api[api_key(s.api_id)].append(s)
            if kind in PEOPLE:
                self.by_email[self._email(s)].append(s)
            if kind != "sheet":
                self.by_name[name_tokens(s.record)].append(s)
            elif isinstance(s.record, Sheet) and s.record.start:
                self.by_start[s.record.start.date()].append(s)
        if kind in PEOPLE:
            for entry in accepted:
                self.erp_emails[self._email(entry)] += 1
            for s in shown:
                self.edusign_emails[self._email(s)] += 1
        self.decided_same = {
            (k, erp_id): edusign_id for (k, erp_id, edusign_id), said in decisions.items() if said == "same"
        }

    def _email(self, holder: Entry | Seen) -> object:
        return canonical(self.kind, "email", holder.record.value("email"), self.country)

    def by_key(self, entry: Entry, taken: set[str]) -> Found | None:
        """The only record with its API_ID under our API_TYPE."""
        keyed = [s for s in self.by_api.get(entry.id, ()) if s.id not in taken]
        return self._found(entry, keyed[0], "api_id") if len(keyed) == 1 else None

    def by_word(self, entry: Entry, taken: set[str]) -> Found | None:
        """The record a person said it is."""
        said = self.by_id.get(self.decided_same.get((self.kind, entry.id), ""))
        return self._found(entry, said, "decision") if said is not None and said.id not in taken else None

    def by_mail(self, entry: Entry, taken: set[str]) -> Found | None:
        """The record of its e-mail, where that is unique on both sides and the names agree."""
        if self.kind not in PEOPLE or self.by_api.get(entry.id):
            return None
        email = self._email(entry)
        if self.erp_emails[email] != 1 or self.edusign_emails[email] != 1 or email not in self.by_email:
            return None
        (other,) = self.by_email[email]
        agree = name_tokens(other.record) == name_tokens(entry.record)
        free = other.id not in taken and self._allowed(entry, other)
        return self._found(entry, other, "email") if agree and free else None

    def probable(self, entry: Entry, taken: set[str]) -> list[Block]:
        """Pairs that stop the create of `entry` until a person decides (R09)."""
        candidates: dict[str, tuple[Seen, str]] = {}
        keyed = [s for s in self.by_api.get(entry.id, ()) if s.id not in taken]
        if len(keyed) > 1:
            candidates.update({s.id: (s, "same_key_twice") for s in keyed})
        if self.kind in PEOPLE:
            for s in self.by_email.get(self._email(entry), ()):
                candidates.setdefault(s.id, (s, "same_email_other_name"))
        if self.kind == "sheet":
            for s in self._same_hour(entry):
                candidates.setdefault(s.id, (s, "same_hour_same_people"))
        else:
            for s in self.by_name.get(name_tokens(entry.record), ()):
                candidates.setdefault(s.id, (s, "same_name"))
        return [
            self._block(entry, s, code)
            for s, code in candidates.values()
            if s.id not in taken and self._allowed(entry, s) and not self._our_other(entry, s)
        ]

    def _same_hour(self, entry: Entry) -> list[Seen]:
        session = entry.record
        if not isinstance(session, Sheet) or session.start is None:
            return []
        near = []
        for s in self.by_start.get(session.start.date(), ()):
            sheet = s.record
            if not isinstance(sheet, Sheet) or sheet.start is None:
                continue
            if abs(sheet.start - session.start) > SAME_TIME:
                continue
            speakers = {self.links.token("speaker", i) for i in sheet.speakers}
            groups = {self.links.token("group", i) for i in sheet.groups}
            if speakers & session.speakers or groups & session.groups:
                near.append(s)
        return near

    def _allowed(self, entry: Entry, s: Seen) -> bool:
        return self.decisions.get((self.kind, entry.id, s.id)) != "different"

    def _our_other(self, entry: Entry, s: Seen) -> bool:
        """A record of ours that stands for another ERP record is no candidate."""
        return s.api_type == self.our_type and s.api_id != "" and api_key(s.api_id) != entry.id

    def _found(self, entry: Entry, s: Seen, by: str) -> Found:
        foreign_type = s.api_type not in ("", self.our_type)
        return Found(self.kind, entry.id, s, by, read_only=foreign_type)

    def _block(self, entry: Entry, s: Seen, code: str) -> Block:
        emails = {}
        if self.kind in PEOPLE:
            emails = {
                "erp_email": str(entry.record.value("email")),
                "edusign_email": str(s.record.value("email")),
            }
        return Block(
            kind=self.kind,
            erp_id=entry.id,
            edusign_id=s.id,
            label=entry.record.label,
            other=s.record.label,
            code=code,
            **emails,
        )


def unexplained(
    seen: Mapping[Kind, Iterable[Seen]],
    links: Links,
    our_type: str,
    intended: frozenset[tuple[Kind, str]],
) -> tuple[Seen, ...]:
    """Records under our API_TYPE that no link or intent of ours explains: another writer (R39).

    `intended`: (kind, API_ID) and (kind, Edusign id) of every intent we ever journaled.
    """
    return tuple(
        s
        for kind, records in seen.items()
        for s in records
        if s.api_type == our_type
        and links.of_edusign(kind, s.id) is None
        and (kind, s.id) not in intended
        and (kind, s.api_id) not in intended
    )
