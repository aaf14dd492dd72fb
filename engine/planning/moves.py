"""A session whose identity moved (R12): a vanished one and a new one that are the same meeting. Pure.

Where an ERP names a session by what it is (Hyperplanning: course and start), moving it makes the old key
vanish and a new one appear. Paired, the link follows the key, so that nothing is withdrawn or created.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any, TypeAlias

from engine.links import Link, Links, in_tokens
from engine.records import Kind, Seen, Sheet, Value, canonical, revived

_Meeting: TypeAlias = tuple[Value, frozenset[str], frozenset[str], float]
"""Course, groups, speakers, seconds it lasts."""


def paired(
    new: Iterable[Sheet],
    vanished: Iterable[Link],
    seen: Mapping[str, Seen],
    links: Links,
) -> dict[str, str]:
    """Old ERP key → new ERP key of each session that moved, by the old key.

    `new`: accepted sessions without a link. `vanished`: linked sessions a complete listing of the ERP did not
    show (one the ERP itself calls cancelled is not among them). `seen`: Edusign's sheets by id. Two are one
    meeting when course, groups, speakers and duration are equal; a pair counts only when neither side has
    another candidate. A session without speakers or groups is too vague to be recognised.
    """
    coming: dict[_Meeting, list[str]] = defaultdict(list)
    leaving: dict[_Meeting, list[str]] = defaultdict(list)
    for session in new:
        values = {name: session.value(name) for name in session.fields}
        for name in ("groups", "speakers"):
            values[name] = _linked(name, values[name], links)
        meeting = _meeting(values)
        if meeting is not None:
            coming[meeting].append(session.id)
    for link in vanished:
        sheet = seen.get(link.edusign_id)
        if link.kind != "sheet" or link.read_only or sheet is None:
            continue
        values = in_tokens(sheet, links) | _base(link)
        meeting = _meeting(values)
        if meeting is not None:
            leaving[meeting].append(link.erp_id)
    return dict(
        sorted(
            (old[0], coming[meeting][0])
            for meeting, old in leaving.items()
            if len(old) == 1 and len(coming.get(meeting, ())) == 1
        )
    )


def followed(links: Links, moves: Mapping[str, str]) -> Links:
    """`links` with each moved session's under its new key, its base kept and its absences forgotten."""
    after = Links(links)
    for old, new in moves.items():
        link = links.get("sheet", old)
        if link is not None:
            after.put(link.model_copy(update={"erp_id": new, "missing": ()}))
    return after


def _meeting(values: Mapping[str, Value]) -> _Meeting | None:
    start, end = values["start"], values["end"]
    groups, speakers = values["groups"], values["speakers"]
    if not isinstance(start, datetime) or not isinstance(end, datetime) or not groups or not speakers:
        return None
    assert isinstance(groups, frozenset) and isinstance(speakers, frozenset)
    return canonical("sheet", "name", values["name"]), groups, speakers, (end - start).total_seconds()


def _base(link: Link) -> dict[str, Value]:
    """What both sides agreed on: nearer to what the ERP said than a sheet a person may have edited."""
    given: Mapping[str, Any] = link.base
    return {name: revived("sheet", name, value) for name, value in given.items() if value is not None}


def _linked(name: str, value: Value, links: Links) -> frozenset[str]:
    """The groups or speakers Edusign knows: the only ones a base can hold."""
    kind: Kind = "group" if name == "groups" else "speaker"
    assert isinstance(value, frozenset)
    return frozenset(token for token in value if links.get(kind, token) is not None)
