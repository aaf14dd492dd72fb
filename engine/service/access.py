"""Who is at the other end of the socket, and what they may do: Unix groups as roles.

The kernel's word is taken for both: SO_PEERCRED for the user and SO_PEERGROUPS for the groups of the very
process that connected. A group given by `newgrp`, sudo or systemd thus counts, and no directory service is
asked per connection.
"""

from __future__ import annotations

import grp
import os
import pwd
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from engine.printable import printable
from engine.service.endpoints import ROLES, Role
from engine.service.operations import Refusal
from engine.words import _


@dataclass(frozen=True)
class Peer:
    """The process that connected, as the kernel knows it; `gids` are all its groups."""

    pid: int
    uid: int
    gids: frozenset[int] = frozenset()


@dataclass(frozen=True)
class Identity:
    """Who asks: the Unix user's name, and the most their groups allow (None: nothing)."""

    actor: str
    role: Role | None


def gid_of_group(name: str) -> int | None:
    """The id of a Unix group; None where this machine has no such group."""
    try:
        return grp.getgrnam(name).gr_gid
    except KeyError:
        return None


def name_of_user(uid: int) -> str:
    """The name of a Unix user, `uid:N` where it has none."""
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return f"uid:{uid}"


class Access:
    """Unix groups → roles. Group names become ids once, when the engine starts.

    The engine's own user and root are admin. `unknown_groups` are the configured names this machine does not
    have; they give nobody anything.
    """

    def __init__(
        self,
        roles: Mapping[Role, tuple[str, ...]],
        *,
        own_uid: int | None = None,
        gid_of: Callable[[str], int | None] = gid_of_group,
        name_of: Callable[[int], str] = name_of_user,
    ) -> None:
        self._own_uid = os.geteuid() if own_uid is None else own_uid
        self._name_of = name_of
        self._gids: dict[Role, frozenset[int]] = {}
        unknown: list[str] = []
        for role, groups in roles.items():
            gids = {group: gid_of(group) for group in groups}
            self._gids[role] = frozenset(gid for gid in gids.values() if gid is not None)
            unknown += [group for group, gid in gids.items() if gid is None]
        self.unknown_groups: tuple[str, ...] = tuple(unknown)

    def identify(self, peer: Peer | None) -> Identity:
        """Name and highest role of who connected; nobody without a peer."""
        if peer is None:
            return Identity("", None)
        actor = self._name_of(peer.uid)
        if peer.uid in (0, self._own_uid):
            return Identity(actor, "admin")
        for role in reversed(ROLES):
            if self._gids.get(role, frozenset()) & peer.gids:
                return Identity(actor, role)
        return Identity(actor, None)

    def admit(self, peer: Peer | None, least: Role) -> Identity:
        """Who asks, if their role is at least `least`. Raises Refusal "forbidden" otherwise."""
        identity = self.identify(peer)
        if identity.role is None:
            raise Refusal(
                "forbidden",
                _("{actor} has no role here: ask for membership of one of its Unix groups").format(
                    actor=printable(identity.actor or "?", 60)
                ),
            )
        if ROLES.index(identity.role) < ROLES.index(least):
            raise Refusal(
                "forbidden",
                _("{actor} is {role} here, and this takes {least}").format(
                    actor=printable(identity.actor, 60), role=identity.role, least=least
                ),
            )
        return identity


class InProcess(Access):
    """Access for callers inside the engine's own process, where no socket tells who: all are `actor`."""

    def __init__(self, actor: str, role: Role = "admin") -> None:
        super().__init__({}, own_uid=-1)
        self._identity = Identity(actor, role)

    def identify(self, peer: Peer | None) -> Identity:
        return self._identity
