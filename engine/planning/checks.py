"""Record → accepted or rejected. Rejected is not gone, and never blocks the others (R16, R17)."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field

from email_validator import EmailNotValidError, validate_email

from engine.changes import Rejection
from engine.links import Links
from engine.records import PEOPLE, Entry, Kind, Sheet, canonical


@dataclass(frozen=True)
class Checked:
    """What the ERP said, sorted: `accepted` and `ended` by kind and ERP key, and why the rest is out."""

    accepted: Mapping[Kind, Mapping[str, Entry]]
    ended: Mapping[Kind, Mapping[str, Entry]]
    rejections: tuple[Rejection, ...] = ()
    rejected: Mapping[Kind, frozenset[str]] = field(default_factory=dict)


def check(entries: Mapping[Kind, tuple[Entry, ...]], links: Links, stand_in: str = "") -> Checked:
    """Check every record the ERP showed. `stand_in`: ERP key of the speaker of sessions that have none."""
    accepted: dict[Kind, dict[str, Entry]] = {}
    ended: dict[Kind, dict[str, Entry]] = {}
    rejections: list[Rejection] = []
    for kind, given in entries.items():
        accepted[kind], ended[kind], twice = _by_id(given)
        rejections += twice
        for entry in list(accepted[kind].values()):
            found = _row_problems(entry)
            rejections += found
            if any(r.row for r in found):
                del accepted[kind][entry.id]
    for kind in PEOPLE & accepted.keys():
        for rejection in _shared_emails(kind, accepted[kind], links):
            rejections.append(rejection)
            del accepted[kind][rejection.erp_id]
    if "sheet" in accepted:
        _check_sessions(accepted, ended, links, stand_in, rejections)
    rejected = {kind: frozenset(r.erp_id for r in rejections if r.kind == kind and r.row) for kind in entries}
    # Rows come in any order, plans do not.
    ordered = sorted(rejections, key=lambda r: (r.kind, r.erp_id, r.code, r.field, r.evidence))
    return Checked(accepted, ended, tuple(ordered), rejected)


def _by_id(entries: tuple[Entry, ...]) -> tuple[dict[str, Entry], dict[str, Entry], list[Rejection]]:
    times = Counter(entry.id for entry in entries)
    alive: dict[str, Entry] = {}
    ended: dict[str, Entry] = {}
    twice: dict[str, Rejection] = {}
    for entry in entries:
        if times[entry.id] > 1 and any(e.id == entry.id and e != entry for e in entries):
            first = min((e for e in entries if e.id == entry.id), key=lambda e: (e.record.label, e.where))
            twice[entry.id] = _rejection(first, "id_twice", "id", entry.id)
        else:
            (ended if entry.ended else alive)[entry.id] = entry
    return alive, ended, list(twice.values())


def _row_problems(entry: Entry) -> list[Rejection]:
    found = [
        _rejection(entry, problem.code, problem.field, problem.evidence, row=problem.row)
        for problem in entry.problems
    ]
    if any(r.row for r in found):
        return found
    record = entry.record
    if entry.kind in PEOPLE:
        email = str(record.value("email"))
        if not record.label.strip():
            found.append(_rejection(entry, "missing_name", "last_name"))
        if not email.strip():
            found.append(_rejection(entry, "missing_email", "email"))
        elif not valid_email(email):
            found.append(_rejection(entry, "invalid_email", "email", email))
    elif isinstance(record, Sheet):
        if record.start is None:
            found.append(_rejection(entry, "no_start_time", "start"))
        elif record.end is None:
            found.append(_rejection(entry, "no_end_time", "end"))
        elif record.end <= record.start:
            found.append(_rejection(entry, "ends_before_start", "end", record.end.isoformat()))
    return found


def valid_email(email: str) -> bool:
    """Whether an address could receive mail, judged by its form alone."""
    try:
        validate_email(email.strip(), check_deliverability=False, test_environment=True)
    except EmailNotValidError:
        return False
    return True


def _shared_emails(kind: Kind, accepted: Mapping[str, Entry], links: Links) -> list[Rejection]:
    sharing: dict[object, list[Entry]] = defaultdict(list)
    for entry in accepted.values():
        sharing[canonical(kind, "email", entry.record.value("email"))].append(entry)
    found = []
    for email, entries in sharing.items():
        if len(entries) < 2:
            continue
        linked = [(e.id, link) for e in entries if (link := links.get(kind, e.id))]
        holders = [id for id, link in linked if link.base.get("email") == email] or [id for id, _ in linked]
        keeper = holders[0] if len(holders) == 1 else None
        others = sorted(e.id for e in entries)
        found += [
            _rejection(e, "shared_email", "email", f"{email} ({', '.join(others)})")
            for e in entries
            if e.id != keeper
        ]
    return found


def _check_sessions(
    accepted: dict[Kind, dict[str, Entry]],
    ended: Mapping[Kind, Mapping[str, Entry]],
    links: Links,
    stand_in: str,
    rejections: list[Rejection],
) -> None:
    """Drop from each session the people who can't stand on a sheet; reject it when none is left."""
    for entry in list(accepted["sheet"].values()):
        session = entry.record
        assert isinstance(session, Sheet)
        learners = frozenset(i for i in session.learners if _placeable("learner", i, accepted, ended, links))
        speakers = frozenset(i for i in session.speakers if _placeable("speaker", i, accepted, ended, links))
        if not speakers and stand_in:
            speakers = frozenset({stand_in})
        if not session.learners:
            rejections.append(_rejection(entry, "session_without_learners", "learners"))
        elif not learners:
            evidence = ", ".join(sorted(session.learners)[:5])
            rejections.append(_rejection(entry, "session_without_accepted_learners", "learners", evidence))
        elif not speakers:
            code = "session_without_accepted_speaker" if session.speakers else "session_without_speaker"
            evidence = ", ".join(sorted(session.speakers))
            rejections.append(_rejection(entry, code, "speakers", evidence))
        else:
            record = session.model_copy(update={"learners": learners, "speakers": speakers})
            accepted["sheet"][entry.id] = entry.model_copy(update={"record": record})
            continue
        del accepted["sheet"][entry.id]


def _placeable(
    kind: Kind,
    id: str,
    accepted: Mapping[Kind, Mapping[str, Entry]],
    ended: Mapping[Kind, Mapping[str, Entry]],
    links: Links,
) -> bool:
    """Accepted, or linked before it turned invalid (R16); never somebody who left."""
    if id in accepted.get(kind, {}):
        return True
    return links.get(kind, id) is not None and id not in ended.get(kind, {})


def _rejection(entry: Entry, code: str, field: str, evidence: str = "", *, row: bool = True) -> Rejection:
    return Rejection(
        kind=entry.kind,
        erp_id=entry.id,
        label=entry.record.label,
        code=code,
        field=field,
        evidence=evidence,
        where=entry.where,
        row=row,
    )
