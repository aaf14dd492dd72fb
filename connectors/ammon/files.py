"""Ammon's exports as a folder of files: the vendor's profile under the school's own, and the two filters."""

from __future__ import annotations

from connectors.ammon import STRUCTURE, AmmonSettings
from connectors.files.client import FilesClient, Filters
from connectors.files.profile import FileProfile, load
from connectors.tabular.fields import Sort
from engine.ports import Surroundings

VENDOR = "Ammon (Val Software publishes no API; this follows its import template)"


def opened(settings: AmmonSettings, surroundings: Surroundings) -> FilesClient:
    """A client of one school's folder. Raises BadProfile."""
    own = [settings.profile] if settings.profile else []
    profile = load("builtin:ammon", *own)
    return FilesClient(settings, profile, surroundings, _filters(settings, profile), VENDOR)


def _filters(settings: AmmonSettings, profile: FileProfile) -> Filters:
    found: dict[Sort, dict[str, frozenset[str]]] = {}
    if settings.structureId:
        found["learners"] = {STRUCTURE: frozenset(settings.structureId)}
    if settings.filterActions:
        actions = frozenset(settings.filterActions)
        places: tuple[tuple[Sort, str], ...] = (("groups", "key"), ("members", "group"), ("sessions", "groups"))
        for sort, field in places:
            table = profile.table(sort)
            if table is not None and field in table.columns:
                found.setdefault(sort, {})[table.columns[field]] = actions
    return found
