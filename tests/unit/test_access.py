"""Unix groups as roles."""

from __future__ import annotations

import pytest

from engine.service.access import Access, Identity, InProcess, Peer
from engine.service.endpoints import BY_NAME, ROLES, Role
from engine.service.operations import Refusal

_GROUPS = {"school": 100, "it": 200, "heads": 300}


def _access() -> Access:
    return Access(
        {"viewer": ("school",), "operator": ("it",), "approver": ("heads", "nowhere")},
        own_uid=900,
        gid_of=_GROUPS.get,
        name_of=lambda uid: f"user{uid}",
    )


@pytest.mark.parametrize(
    ("peer", "role"),
    [
        (Peer(1, 0), "admin"),
        (Peer(1, 900), "admin"),
        (Peer(1, 5, frozenset({100})), "viewer"),
        (Peer(1, 5, frozenset({100, 300})), "approver"),
        (Peer(1, 5, frozenset({7})), None),
    ],
)
def test_the_highest_role_of_any_group_counts(peer: Peer, role: Role | None) -> None:
    assert _access().identify(peer) == Identity(f"user{peer.uid}", role)


def test_each_role_may_what_those_below_it_may() -> None:
    for have, gid in (("viewer", 100), ("operator", 200), ("approver", 300)):
        for need in ROLES:
            peer = Peer(1, 5, frozenset({gid}))
            if ROLES.index(have) >= ROLES.index(need):
                assert _access().admit(peer, need).role == have
            else:
                with pytest.raises(Refusal) as refused:
                    _access().admit(peer, need)
                assert refused.value.code == "forbidden"
                assert "\n" not in refused.value.message


def test_nobody_without_a_peer_and_nothing_for_an_unknown_group() -> None:
    with pytest.raises(Refusal):
        _access().admit(None, "viewer")
    assert _access().unknown_groups == ("nowhere",)


def test_a_user_without_a_name_is_called_by_number() -> None:
    assert Access({}, own_uid=1).identify(Peer(1, 4_000_000_001)).actor == "uid:4000000001"


def test_in_process_callers_are_who_they_were_made() -> None:
    assert InProcess("operator", "approver").admit(None, "approver").actor == "operator"
    with pytest.raises(Refusal):
        InProcess("operator", "viewer").admit(None, "operator")


def test_least_roles_of_the_operations() -> None:
    by_role = {role: {name for name, e in BY_NAME.items() if e.role == role} for role in ROLES}
    assert by_role["approver"] == {"apply", "start_apply", "decide", "skip", "freeze", "thaw"}
    assert by_role["operator"] == {
        "plan", "start_plan", "start_run", "cancel_run", "look", "why_now", "check", "tick",
    }  # fmt: skip
    assert by_role["admin"] == {"config"}
