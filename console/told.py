"""`rollcall connectors`: what the engine's room tells of every connector, without an engine running."""

from __future__ import annotations

from console import processes
from console.presentation.connectors import connectors as presented
from console.presentation.documents import document
from console.presentation.wording import Look
from console.session import DONE, Session
from engine.service.models import ConnectorsView


def connectors(session: Session) -> int:
    """Ask, and print a table or the document; the exit code. What went wrong there was said there."""
    code, said = processes.said("engine", ["connectors", *processes.engine_place(session)])
    if code:
        return code
    view = ConnectorsView.model_validate_json(said)
    if session.json:
        session.answer(document(view, ascii_only=not session.utf8) + "\n")
    else:
        session.answer(presented(view, Look(session.width)))
    return DONE
