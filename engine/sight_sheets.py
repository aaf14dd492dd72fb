"""Sheets beside their sessions, and what is wrong with today's. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Literal

from engine.links import Links
from engine.planning.scope import local_date
from engine.planning.situation import LEAD
from engine.records import Entry, Kind, Seen, Sheet, canonical
from engine.service.models import SheetTrouble, SheetView, TodayView
from engine.sight import Sight
from engine.words import _

_NO_START = datetime.min.replace(tzinfo=UTC)


@dataclass(frozen=True)
class Viewpoint:
    """From where records are looked at: the connection's own settings, and when.

    `now` says what is today and what runs; `latest`, the later of our clock and Edusign's, what has begun for
    the rules (R24). `silent`: fields the ERP never speaks of. `stand_in`: ERP key of the speaker of sessions
    that have none, "" for nobody.
    """

    connection: str
    zone: str
    country: str
    api_type: str
    now: datetime
    latest: datetime
    silent: Mapping[Kind, frozenset[str]]
    stand_in: str = ""

    def speaks_of(self, kind: Kind, field: str) -> bool:
        """Whether the ERP ever says anything of a field."""
        return field not in self.silent.get(kind, frozenset())


@dataclass(frozen=True)
class Meeting:
    """A session with its sheet; either may be missing.

    `erp_id`: the session's key, that of a session which is gone too, "" where a sheet has none. `linked`: there
    is a link, even where a side no longer shows its record. `sealed`: the sheet is kept for what it was when
    its session moved (R19).
    """

    session: Sheet | None
    seen: Seen | None
    erp_id: str
    linked: bool = False
    read_only: bool = False
    sealed: bool = False

    @property
    def sheet(self) -> Sheet | None:
        record = self.seen.record if self.seen is not None else None
        return record if isinstance(record, Sheet) else None

    @property
    def shown(self) -> Sheet:
        """The sheet, or the session where there is none."""
        shown = self.sheet or self.session
        assert shown is not None
        return shown


def meetings(sight: Sight, links: Links, sealed: Iterable[str]) -> list[Meeting]:
    """Every sheet, and every session without one that was not cancelled, by start.

    `links`: at least those of sheets. `sealed`: Edusign ids of the sealed ones.
    """
    kept = frozenset(sealed)
    found = [
        _of_sheet(sight, links, seen, seen.id in kept)
        for seen in sight.edusign["sheet"].values()
        if not seen.archived
    ]
    taken = {meeting.erp_id for meeting in found}
    found += [
        _of_session(sight, links, entry)
        for id, entry in sight.erp["sheet"].items()
        if id not in taken and not entry.ended
    ]
    return sorted(found, key=_by_start)


def _of_sheet(sight: Sight, links: Links, seen: Seen, sealed: bool) -> Meeting:
    link = links.of_edusign("sheet", seen.id)
    if link is None:
        return Meeting(None, seen, "", sealed=sealed)
    entry = sight.erp["sheet"].get(link.erp_id)
    session = _session(entry) if entry is not None and not entry.ended else None
    return Meeting(session, seen, link.erp_id, linked=True, read_only=link.read_only)


def _of_session(sight: Sight, links: Links, entry: Entry) -> Meeting:
    link = links.get("sheet", entry.id)
    read_only = link is not None and link.read_only
    return Meeting(_session(entry), None, entry.id, linked=link is not None, read_only=read_only)


def _session(entry: Entry) -> Sheet:
    assert isinstance(entry.record, Sheet)
    return entry.record


def _by_start(meeting: Meeting) -> tuple[bool, float, str, str]:
    shown = meeting.shown
    start = shown.start.timestamp() if shown.start else 0.0
    return (shown.start is None, start, shown.label, meeting.erp_id or shown.id)


def sheet_view(meeting: Meeting, sight: Sight, here: Viewpoint) -> SheetView:
    """A meeting as the API shows it, references by name."""
    shown, session, sheet, seen = meeting.shown, meeting.session, meeting.sheet, meeting.seen
    names = _edusign_names if sheet is not None else _erp_names
    return SheetView(
        connection=here.connection,
        erp_id=meeting.erp_id,
        edusign_id=seen.id if seen else "",
        label=shown.label,
        start=shown.start,
        end=shown.end,
        room=shown.room,
        groups=names(sight, "group", shown.groups),
        speakers=names(sight, "speaker", shown.speakers),
        learners=len(shown.learners),
        session_start=session.start if session else None,
        session_end=session.end if session else None,
        session_room=session.room if session else "",
        expected=len(session.learners) if session else 0,
        signed=len(seen.signed_learners) if seen else 0,
        speaker_signed=bool(seen and seen.signed_speakers),
        locked=bool(seen and seen.locked),
        state=state(shown, here.now),
        troubles=troubles(meeting, sight, here),
        why_not=why_not(meeting, here),
    )


def _erp_names(sight: Sight, kind: Kind, ids: Iterable[str]) -> tuple[str, ...]:
    known = sight.erp[kind]
    return tuple(sorted(known[id].record.label if id in known else id for id in ids))


def _edusign_names(sight: Sight, kind: Kind, ids: Iterable[str]) -> tuple[str, ...]:
    known = sight.edusign[kind]
    return tuple(sorted(known[id].record.label if id in known else id for id in ids))


def state(sheet: Sheet, now: datetime) -> Literal["coming", "running", "over"]:
    """Where a sheet is in its time; one without times is still to come."""
    if sheet.end is not None and now >= sheet.end:
        return "over"
    return "running" if sheet.start is not None and now >= sheet.start else "coming"


# What is wrong


def troubles(meeting: Meeting, sight: Sight, here: Viewpoint) -> tuple[SheetTrouble, ...]:
    """What is wrong with a sheet or session, gravest first; no absence from what was read in part (R13)."""
    sheet, session = meeting.sheet, meeting.session
    found: list[SheetTrouble] = []
    if sheet is None:
        return ("no_sheet",) if _surely_no_sheet(meeting, sight) else ()
    if not sheet.learners:
        found.append("no_learners")
    if not sheet.speakers:
        found.append("no_speaker")
    if session is None:
        if sight.ever_complete("erp", "sheet") and not meeting.sealed:
            found.append("no_session")
        return tuple(found)
    if any(_differs(sheet, session, name, here) for name in ("start", "end")):
        found.append("other_time")
    if _differs(sheet, session, "room", here):
        found.append("other_room")
    return tuple(found)


def _surely_no_sheet(meeting: Meeting, sight: Sight) -> bool:
    """A linked session had its sheet: only a last look at all of them says that it is gone."""
    if meeting.linked:
        return sight.now_complete("edusign", "sheet")
    return sight.ever_complete("edusign", "sheet")


def _differs(sheet: Sheet, session: Sheet, name: str, here: Viewpoint) -> bool:
    if not here.speaks_of("sheet", name):
        return False
    ours, theirs = (canonical("sheet", name, one.value(name), here.country) for one in (session, sheet))
    return ours != theirs


def why_not(meeting: Meeting, here: Viewpoint) -> str:
    """Why a sheet may not be written now, in words; "" when it may, or where there is none."""
    seen, sheet = meeting.seen, meeting.sheet
    if seen is None or sheet is None:
        return ""
    if meeting.read_only or seen.api_type not in ("", here.api_type):
        return _("it belongs to another connector: used, never written")
    if meeting.sealed:
        return _("kept for what it was: its session moved after it was signed or locked")
    if seen.locked:
        return _("locked")
    if seen.signed:
        return _("signed: only its roster may still change")
    if sheet.start is None or here.latest < sheet.start - LEAD:
        return ""
    if here.latest < sheet.start:
        return _("it begins within 15 minutes: only its roster may still change")
    return _("it has begun: only its roster may still change")


# Today


def on_day(
    found: Iterable[Meeting], day: date, sight: Sight, here: Viewpoint
) -> tuple[tuple[Meeting, SheetView], ...]:
    """The meetings of one local date, as the API shows them."""
    return tuple((one, sheet_view(one, sight, here)) for one in found if _on(one, day, here.zone))


def today_view(
    day: date, of_day: Iterable[tuple[Meeting, SheetView]], here: Viewpoint, read_at: datetime | None
) -> TodayView:
    """The sheets of a day as they stand now; sessions without a sheet are no sheets, but a trouble."""
    views = [_at_this_moment(meeting, view, here) for meeting, view in of_day]
    sheets = [view for view in views if view.edusign_id]
    return TodayView(
        connection=here.connection,
        date=day,
        read_at=read_at,
        sheets=len(sheets),
        begun=sum(1 for view in sheets if view.state != "coming"),
        troubles=dict(Counter(trouble for view in views for trouble in view.troubles)),
        rows=tuple(view for view in views if view.troubles),
    )


def _at_this_moment(meeting: Meeting, view: SheetView, here: Viewpoint) -> SheetView:
    """A view made earlier: only what turns with time is asked again."""
    turning = {"state": state(meeting.shown, here.now), "why_not": why_not(meeting, here)}
    return view.model_copy(update=turning)


def _on(meeting: Meeting, day: date, zone: str) -> bool:
    """Whether either side has it on this day: one that was moved on one side is a trouble of both days."""
    starts = (one.start for one in (meeting.sheet, meeting.session) if one is not None)
    return any(start is not None and local_date(start, zone) == day for start in starts)
