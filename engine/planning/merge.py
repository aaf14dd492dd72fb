"""The three-way merge of one field and of one roster (R01–R06). Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

from engine.records import Frozen, Value

Action: TypeAlias = Literal["none", "base", "write", "task", "conflict"]

UNSET = object()
"""The base of a field both sides never agreed on."""


class Resolution(Frozen):
    """What a person decided of a conflict between exactly these two canonical values; else it is void (R04)."""

    choice: Literal["erp", "edusign", "value"]
    erp: str
    edusign: str
    value: str = ""


@dataclass(frozen=True)
class FieldMerge:
    """What becomes of one field.

    "base": both agree, the base follows. "write": `value` goes to Edusign, `overwrites` a person's edit there.
    "task": Edusign's newer contact value is kept, the ERP is to be corrected. `base` is set where the base
    must become something else than what was written.
    """

    action: Action
    value: Value = None
    overwrites: bool = False
    base: object = UNSET


def merge_field(
    erp: Value,
    edusign: Value,
    base: object,
    *,
    erp_form: Value,
    edusign_form: Value,
    contact: bool,
    resolution: Resolution | None = None,
) -> FieldMerge:
    """Merge one field. `*_form` are the canonical forms that are compared; what is sent is as typed (R05).

    `base` is the canonical value last agreed on, or UNSET (then different counts as changed on both sides).
    """
    if erp_form == edusign_form:
        return FieldMerge("none") if base == erp_form else FieldMerge("base", base=erp_form)
    if base == edusign_form:
        return FieldMerge("write", erp)
    if not contact:
        return FieldMerge("write", erp, overwrites=True)
    if base == erp_form:
        return FieldMerge("task")
    if resolution is None or (resolution.erp, resolution.edusign) != (erp_form, edusign_form):
        return FieldMerge("conflict")
    if resolution.choice == "erp":
        return FieldMerge("write", erp)
    if resolution.choice == "edusign":
        return FieldMerge("task", base=erp_form)
    return FieldMerge("write", resolution.value, base=erp_form)


@dataclass(frozen=True)
class RosterMerge:
    """What becomes of a set: elements to `add` and `remove`, and the `base` once that is done.

    `put_back`: the added ones that a person had removed in Edusign; `kept`: there by a person's hand.
    """

    add: frozenset[str]
    remove: frozenset[str]
    base: frozenset[str]
    put_back: frozenset[str]
    kept: frozenset[str]


def merge_roster(erp: frozenset[str], edusign: frozenset[str], base: object) -> RosterMerge:
    """Merge element by element against the base set, never as one value (R06). An UNSET base is empty."""
    agreed = base if isinstance(base, frozenset) else frozenset()
    add = erp - edusign
    remove = (edusign & agreed) - erp
    return RosterMerge(
        add=add,
        remove=remove,
        base=erp,
        put_back=add & agreed,
        kept=edusign - erp - agreed,
    )
