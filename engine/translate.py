"""Between the tokens a plan speaks in and the Edusign ids a call needs. Pure."""

from __future__ import annotations

from collections.abc import Mapping

from engine.changes import Change
from engine.links import ELEMENT_KIND, Links
from engine.records import RECORDS, Value, canonical


def to_send(change: Change, links: Links) -> dict[str, Value] | None:
    """The values to send, references as Edusign ids; None while somebody needed is not there yet."""
    source = change.before if change.verb == "remove" else change.after
    if change.verb in ("archive", "withdraw", "restore"):
        return {}
    values = {name: in_ids(name, value, links) for name, value in source.items()}
    if change.verb in ("add", "remove") and not values["learners"]:
        return None
    if change.kind == "sheet" and "speakers" in values and not values["speakers"]:
        return None
    return values


def in_ids(name: str, value: Value, links: Links) -> Value:
    """A field's value with its references as Edusign ids; those without a link are left out."""
    kind = ELEMENT_KIND.get(name)
    if kind is None or not isinstance(value, frozenset):
        return value
    return frozenset(id for token in value if (id := links.edusign_id(kind, token)))


def roster_to_send(change: Change, name: str, fresh: Value, links: Links) -> frozenset[str]:
    """The whole list to send: what stands there now, with our additions and removals (R06)."""
    assert isinstance(fresh, frozenset)
    kind = ELEMENT_KIND[name]
    before, after = _tokens(change.before.get(name)), _tokens(change.after.get(name))
    added = {id for t in after - before if (id := links.edusign_id(kind, t))}
    removed = {id for t in before - after if (id := links.edusign_id(kind, t))}
    return frozenset((fresh | added) - removed)


def base_after(change: Change, sent: Mapping[str, Value], links: Links, country: str) -> dict[str, Value]:
    """What the base becomes: what was sent, in tokens, unless the change says otherwise."""
    base: dict[str, Value] = dict(change.base_after)
    rosters = RECORDS[change.kind].rosters
    for name, value in sent.items():
        kind = ELEMENT_KIND.get(name)
        if kind is not None and isinstance(value, frozenset):
            tokens = frozenset(links.token(kind, id) for id in value)
            planned = change.base_after.get(name, change.after.get(name, tokens))
            base[name] = tokens & _tokens(planned) if name in rosters else tokens
        elif name not in change.base_after:
            base[name] = canonical(change.kind, name, value, country)
    return base


def id_set(value: Value) -> frozenset[str]:
    """The ids of a reference field; none where there is no value."""
    return value if isinstance(value, frozenset) else frozenset()


def _tokens(value: object) -> frozenset[str]:
    return frozenset(value) if isinstance(value, (frozenset, list, tuple)) else frozenset()
