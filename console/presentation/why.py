"""Why isn't X here: the answer in a few lines, the same on a screen and from a command."""

from __future__ import annotations

from collections.abc import Sequence

from console.presentation.tables import paragraph
from console.presentation.wording import Look, instant, record
from engine.service.models import WhyStep, WhyView
from engine.words import _


def answers(views: Sequence[WhyView], look: Look) -> str:
    """Every answer, an empty line between two."""
    return "\n".join(paragraph(lines(view, look), look) for view in views)


def lines(view: WhyView, look: Look) -> list[str]:
    """One answer: who, what stops it, on what evidence, when it appears; then what it passed."""
    who = " ".join(part for part in (record(view.kind, view.erp_id, view.edusign_id), view.label) if part)
    said = [
        _("{connection}: {who}").format(connection=view.connection, who=who),
        f"  {view.said}{f' ({view.rule})' if view.rule else ''}",
    ]
    if view.evidence:
        said.append(_("  there stands: {evidence}").format(evidence=view.evidence))
    if view.will:
        said.append(_("  to do: {will}").format(will=view.will))
    if view.next_at is not None:
        said.append(_("  next tried: {at}").format(at=instant(view.next_at, look)))
    said.append("  " + seen(view, look))
    said += [f"    {_SIGN[step.state]} {step.what}" + _aged(step, look) for step in view.steps]
    return said


def seen(view: WhyView, look: Look) -> str:
    """When each side last showed it."""
    erp, edusign = (
        instant(at, look) if at is not None else _("never") for at in (view.erp_at, view.edusign_at)
    )
    if view.fresh:
        return _("read on both sides just now")
    return _("last seen in the ERP: {erp}; in Edusign: {edusign}").format(erp=erp, edusign=edusign)


def _aged(step: WhyStep, look: Look) -> str:
    if step.state == "passes":
        return ""
    since = f", {instant(step.at, look)}" if step.at is not None else ""
    return f": {step.said}{since}" if step.said else since


_SIGN = {"passes": "+", "stops": "x", "unknown": "?"}
