"""What the store remembers of one connection that the next plan depends on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal, cast

from engine.config_models import ConnectionConfig
from engine.items import BY_APPLYING, subject_parts
from engine.links import Links
from engine.planning.match import PairDecisions
from engine.planning.merge import Resolution
from engine.records import KINDS, Kind
from engine.state.transaction import Decision, Transaction


@dataclass(frozen=True)
class Memory:
    """Links, decisions and the stage of first contact, read in one transaction."""

    links: Links
    decisions: Mapping[str, Decision]
    sealed: Mapping[str, tuple[str, ...]]
    intended: frozenset[tuple[Kind, str]]
    compare_only: frozenset[Kind]
    removals_from: datetime | None
    options_changed: bool
    held_back: dict[str, tuple[str, str]]
    """Of the holds that only carrying changes out had found: change id → (cause, Edusign id in its way)."""

    @property
    def pairs(self) -> PairDecisions:
        """What people said of probable pairs."""
        found: dict[tuple[Kind, str, str], Literal["same", "different"]] = {}
        for decision in self.decisions.values():
            word, parts = subject_parts(decision.subject)
            if word == "pair" and decision.choice in ("same", "different"):
                kind, erp_id, edusign_id = parts
                choice = cast(Literal["same", "different"], decision.choice)
                found[cast(Kind, kind), erp_id, edusign_id] = choice
        return found

    @property
    def resolutions(self) -> dict[tuple[Kind, str, str], Resolution]:
        """What people said of conflicting fields."""
        found: dict[tuple[Kind, str, str], Resolution] = {}
        for decision in self.decisions.values():
            word, parts = subject_parts(decision.subject)
            if word == "field":
                kind, erp_id, name = parts
                found[cast(Kind, kind), erp_id, name] = Resolution.model_validate(
                    {"choice": decision.choice, **decision.data}
                )
        return found

    @property
    def restores_approved(self) -> frozenset[tuple[str, str]]:
        """(change id, Edusign id) of archived records of another name that a person let be brought back."""
        found: set[tuple[str, str]] = set()
        for decision in self.decisions.values():
            word, parts = subject_parts(decision.subject)
            if word == "restore" and decision.choice == "approve":
                found.add((parts[0], parts[1]))
        return frozenset(found)

    def changes_decided(self, choice: str) -> frozenset[str]:
        """Ids of the changes people said `choice` of ("approve" or "refuse")."""
        return frozenset(
            subject_parts(d.subject)[1][0]
            for d in self.decisions.values()
            if d.choice == choice and d.subject.startswith("change:")
        )


def remember(tx: Transaction, config: ConnectionConfig) -> Memory:
    """Read what the next plan of a connection depends on."""
    name = config.name
    ended = tx.fact(f"contact_ended:{name}")
    removals_from = datetime.fromisoformat(ended) + config.removals_after if ended else None
    fingerprint = tx.fact(f"fingerprint:{name}")
    return Memory(
        links=tx.links(name),
        decisions=tx.decisions(name),
        sealed=tx.sealed(name),
        intended=tx.intended(name) | _accepted(tx.fact(f"accepted:{name}", [])),
        compare_only=contact_waiting(tx, config),
        removals_from=removals_from,
        options_changed=fingerprint is not None and fingerprint != config.fingerprint(),
        held_back={
            change.id: (item.code, change.edusign_id)
            for item in tx.open_items(name, "hold")
            if item.code in BY_APPLYING
            for change in item.changes
        },
    )


def _accepted(known: list[list[Any]]) -> frozenset[tuple[Kind, str]]:
    return frozenset((kind, id) for kind, id in known)


def contact_waiting(tx: Transaction, config: ConnectionConfig) -> frozenset[Kind]:
    """The kinds whose first contact nobody approved yet (R43)."""
    return frozenset(tx.fact(f"compare_only:{config.name}", list(KINDS) if config.compare_only else []))


def contact_approved(tx: Transaction, connection: str, kind: Kind, config: ConnectionConfig) -> None:
    """A person approved the first contact of one kind (R43)."""
    tx.set_fact(f"compare_only:{connection}", sorted(contact_waiting(tx, config) - {kind}))


def contact_ended(tx: Transaction, connection: str) -> None:
    """Compare only is over, for good; removals wait `removals_after` from now (R43)."""
    tx.set_fact(f"compare_only:{connection}", [])
    tx.set_fact(f"contact_ended:{connection}", tx.now.isoformat())


def settled_options(tx: Transaction, config: ConnectionConfig) -> None:
    """The options as they are now are the ones plans are made with (R31)."""
    tx.set_fact(f"fingerprint:{config.name}", config.fingerprint())
