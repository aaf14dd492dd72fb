"""Plan → plan with holds. Pure: what is dangerous waits for a person, the rest goes on (R29–R31, R43)."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Protocol

from engine.changes import REMOVALS, Change, Hold, Plan
from engine.config_models import DEFAULT_LIMITS, Limit
from engine.links import Link, Links
from engine.planning.urgency import dependencies
from engine.records import KINDS, Kind, revived
from engine.words import _

NEAR = timedelta(hours=24)


@dataclass(frozen=True)
class Brakes:
    """What decides which changes wait.

    `compare_only`: the kinds whose first contact nobody approved yet (R43). As long as there are any, and then
    until `removals_from`, archives and withdrawals are deferred. `changed_options`: the options changed since
    the last plan nobody approved (R31), "" when none. `approved` and `refused`: change ids a person decided on.
    `held_back`: change id → (cause, Edusign id in its way) found when it was carried out, undecided since.
    """

    now: datetime
    limits: Mapping[str, Limit] = field(default_factory=lambda: DEFAULT_LIMITS)
    compare_only: frozenset[Kind] = frozenset()
    removals_from: datetime | None = None
    changed_options: str = ""
    approved: frozenset[str] = frozenset()
    refused: frozenset[str] = frozenset()
    held_back: Mapping[str, tuple[str, str]] = field(default_factory=dict)
    skewed: bool = False


def brake(plan: Plan, links: Links, brakes: Brakes) -> Plan:
    """`plan` with `hold` or `skip` set on the changes that do not go on, and one Hold per cause."""
    causes = _causes(plan, links, brakes)
    marked = [_marked(change, causes, brakes) for change in plan.changes]
    marked = _without_unmade(marked, links)
    marked = _off_their_sheets_first(marked)
    return plan.model_copy(update={"changes": tuple(marked), "holds": tuple(_holds(marked))})


def _marked(change: Change, causes: Mapping[str, str], brakes: Brakes) -> Change:
    if change.id in brakes.refused:
        return change.model_copy(update={"skip": "refused"})
    if brakes.skewed and change.kind == "sheet":
        return change.model_copy(update={"skip": "clock_skew"})
    early = brakes.removals_from is not None and brakes.now < brakes.removals_from
    if change.verb in REMOVALS and (brakes.compare_only or early):
        return change.model_copy(update={"skip": "deferred"})
    if change.id in brakes.held_back:
        cause, edusign_id = brakes.held_back[change.id]
        return change.model_copy(update={"hold": cause, "edusign_id": edusign_id})
    if change.id in causes and change.id not in brakes.approved:
        return change.model_copy(update={"hold": causes[change.id]})
    return change


def _causes(plan: Plan, links: Links, brakes: Brakes) -> dict[str, str]:
    """The cause that holds each change, the most telling one first."""
    found: dict[str, str] = {}
    leaving = {
        c.erp_id for c in plan.changes
        if c.verb == "archive" and c.kind == "learner" and _within(c.bites_at, brakes.now)
    }  # fmt: skip
    tests: tuple[tuple[str, Callable[[Change], bool]], ...] = (
        ("compare_only", lambda c: c.kind in brakes.compare_only and not _only_ours(c)),
        ("options", lambda c: bool(brakes.changed_options) and not _only_ours(c)),
        ("sealed", lambda c: c.verb == "create" and c.rule == "R19"),
        (
            "soon",
            lambda c: (
                _within(c.bites_at, brakes.now)
                and (c.verb in REMOVALS or (c.verb == "remove" and c.token in leaving))
            ),
        ),
    )
    for change in plan.changes:
        for cause, test in tests:
            if test(change):
                found.setdefault(change.id, cause)
    for cause, changes in _over_limits(plan.changes, links, brakes):
        for change in changes:
            found.setdefault(change.id, cause)
    return found


def _only_ours(change: Change) -> bool:
    """Whether carrying it out writes nothing to Edusign."""
    return change.verb in ("unlink", "seal") or (
        change.verb == "link" and not change.after and not change.stamp
    )


def _within(at: datetime | None, now: datetime) -> bool:
    return at is not None and now <= at < now + NEAR


def _over_limits(changes: Iterable[Change], links: Links, brakes: Brakes) -> Iterable[tuple[str, list[Change]]]:
    linked = {link.kind for link in links}
    totals = {kind: sum(1 for link in links.of_kind(kind) if _ahead(link, brakes.now)) for kind in KINDS}
    by_verb: dict[tuple[str, Kind], list[Change]] = defaultdict(list)
    by_group: dict[tuple[str, str], list[Change]] = defaultdict(list)
    for change in changes:
        if change.id in brakes.approved or change.id in brakes.refused or _only_ours(change):
            continue
        by_verb[change.verb, change.kind].append(change)
        if change.kind == "sheet" and change.verb in ("withdraw", "remove"):
            for group in change.groups:
                by_group[change.verb, group].append(change)
    for (verb, kind), same in sorted(by_verb.items()):
        limit = brakes.limits.get(f"{verb} {kind}")
        if limit and kind in linked and _exceeds(len({c.key for c in same}), totals[kind], limit):
            yield f"limit {verb} {kind}", same
    sheets_of = _sheets_per_group(links, brakes.now)
    limit = brakes.limits.get("any of one group")
    for (verb, group), same in sorted(by_group.items()):
        if limit and _exceeds(len({c.key for c in same}), sheets_of.get(group, 0), limit):
            yield f"limit {verb} group {group}", same


def _exceeds(count: int, total: int, limit: Limit) -> bool:
    return count > limit.count and count > limit.share * total


def _ahead(link: Link, now: datetime) -> bool:
    """Whether a record counts for a share: of the sheets only those still to come (R15: of the horizon)."""
    start = revived("sheet", "start", link.base.get("start")) if link.kind == "sheet" else None
    return not isinstance(start, datetime) or start >= now


def _sheets_per_group(links: Links, now: datetime) -> dict[str, int]:
    counts: dict[str, int] = defaultdict(int)
    for link in links.of_kind("sheet"):
        for group in link.base.get("groups") or () if _ahead(link, now) else ():
            counts[group] += 1
    return counts


def _off_their_sheets_first(changes: list[Change]) -> list[Change]:
    """Nobody is archived before they are off their sheets (R14).

    Whose archive is held because a session is near stays in the groups too: Edusign may carry a membership
    that ends to the group's sheets.
    """
    on_sheets = {c.token for c in changes if c.verb == "remove" and (c.hold or c.skip)}
    staying = {c.erp_id for c in changes if c.verb == "archive" and c.kind == "learner" and c.hold == "soon"}
    done = []
    for change in changes:
        if change.hold or change.skip:
            done.append(change)
        elif change.verb == "archive" and change.kind == "learner" and change.erp_id in on_sheets:
            done.append(change.model_copy(update={"skip": "waits"}))
        elif change.verb == "update" and change.kind == "group" and "members" in change.after:
            done.append(_keeping(change, staying))
        else:
            done.append(change)
    return done


def _keeping(change: Change, staying: set[str]) -> Change:
    kept = (change.before["members"] - change.after["members"]) & staying
    if not kept:
        return change
    after = {**change.after, "members": change.after["members"] | kept}
    if after == change.before:
        return change.model_copy(update={"skip": "waits"})
    agreed = {**change.base_after, "members": frozenset(change.base_after["members"]) | kept}
    return change.model_copy(update={"after": after, "base_after": agreed})


def _without_unmade(changes: list[Change], links: Links) -> list[Change]:
    """Drop from rosters who will not be made in this run; what has nothing left to do waits."""
    making = [c for c in changes if c.verb in ("create", "link") and not links.get(*c.key)]
    unmade = {c.key for c in making if c.hold or c.skip}
    refused = {c.key for c in making if c.skip}
    if not unmade:
        return changes
    return [c if c.skip else _or_waits(c, refused) if c.hold else _trimmed(c, unmade) for c in changes]


def _or_waits(held: Change, refused: set[tuple[Kind, str]]) -> Change:
    """A held change, unless approving it would do nothing: all it needs was refused or put off."""
    trimmed = _trimmed(held, refused)
    return trimmed.model_copy(update={"hold": ""}) if trimmed.skip else held


def _trimmed(change: Change, unmade: set[tuple[Kind, str]]) -> Change:
    lacking = set(dependencies(change)) & unmade
    if not lacking:
        return change
    if change.verb in ("add", "remove") or change.key in lacking:
        return change.model_copy(update={"skip": "waits"})
    after = {
        name: frozenset(t for t in value if (_element_kind(name), t) not in lacking)
        if isinstance(value, frozenset)
        else value
        for name, value in change.after.items()
    }
    if after == change.before or (change.kind == "sheet" and after.get("speakers") == frozenset()):
        return change.model_copy(update={"skip": "waits"})
    return change.model_copy(update={"after": after})


def _element_kind(name: str) -> str:
    return {"members": "learner", "learners": "learner", "groups": "group", "speakers": "speaker"}.get(name, "")


def _holds(changes: Iterable[Change]) -> Iterable[Hold]:
    by_cause: dict[tuple[str, Kind | None], list[Change]] = defaultdict(list)
    for change in changes:
        if change.hold:
            per_kind = change.hold in ("compare_only", "soon")
            by_cause[change.hold, change.kind if per_kind else None].append(change)
    for (cause, kind), held in by_cause.items():
        yield Hold(
            cause=cause,
            kind=kind,
            explanation=explanation(cause),
            changes=tuple(held),
            data=counted(held),
        )


class Counted(Protocol):
    """A change, in whatever form."""

    @property
    def verb(self) -> str: ...

    @property
    def after(self) -> Mapping[str, Any]: ...


def counted(changes: Iterable[Counted]) -> dict[str, object]:
    """What a hold stops, per verb and per field."""
    verbs: dict[str, int] = defaultdict(int)
    fields: dict[str, int] = defaultdict(int)
    for change in changes:
        verbs[change.verb] += 1
        if change.verb in ("update", "link"):
            for name in change.after:
                fields[name] += 1
    return {"verbs": dict(sorted(verbs.items())), "fields": dict(sorted(fields.items()))}


def explanation(cause: str) -> str:
    """Why changes of this cause wait, for a person."""
    word, _space, rest = cause.partition(" ")
    if word == "limit":
        return _("more than the limit allows: {what}").format(what=rest)
    return {
        "compare_only": _("first contact: nothing is written until these are approved"),
        "options": _("an option, filter or mapping changed; these changes follow from it"),
        "sealed": _("a signed or locked sheet's session moved; this is its new sheet"),
        "soon": _("it stands on a session of the next 24 hours"),
        "archived_other_name": _("the archived record found for it bears another name"),
    }.get(cause, cause)
