"""Why something is rejected, asked or noticed, in words for a person."""

from __future__ import annotations

from engine.words import _


def reason(code: str) -> str:
    """A code in words for a person."""
    return _REASONS.get(code, code.replace("_", " "))


_REASONS: dict[str, str] = {
    "missing_email": _("no e-mail address"),
    "invalid_email": _("the e-mail address is not valid"),
    "shared_email": _("two people have this e-mail address"),
    "missing_name": _("no name"),
    "maybe_truncated": _("it fills its column to the last character: it was probably cut there"),
    "contradictory": _("the ERP says two different things of it"),
    "no_key": _("the ERP gives it no key to know it by"),
    "id_twice": _("the ERP shows this key twice, differently"),
    "no_start_time": _("no start time"),
    "no_end_time": _("no end time"),
    "ends_before_start": _("it ends before it starts"),
    "duration_unlikely": _("no session is that short or long: is the unit of durations right?"),
    "time_does_not_exist": _("this local time does not exist: clocks go forward then"),
    "time_ambiguous": _("this local time comes twice: the first is taken"),
    "group_not_expanded": _(
        "it names a group only, and the ERP does not say who is in it: put its learners on it"
    ),
    "not_enrolled": _("on a session, but not enrolled"),
    "session_without_learners": _("nobody is on this session"),
    "session_without_accepted_learners": _("nobody on this session could be taken over"),
    "session_without_speaker": _("the session has no speaker, and no stand-in is named"),
    "session_without_accepted_speaker": _("no speaker of this session could be taken over"),
    "same_name": _("somebody of this name is in Edusign already, with another e-mail: the same person?"),
    "same_email_other_name": _("this e-mail is in Edusign already under another name: the same person?"),
    "same_key_twice": _("two Edusign records carry this key: which is it?"),
    "same_hour_same_people": _("a hand-made sheet stands at this time for the same people: the same one?"),
    "refused_by_edusign": _("Edusign refused it"),
    "restore_off": _("archived in Edusign: restore it there by hand (by API it is switched off, unverified)"),
    "email_of_another": _("this e-mail belongs to somebody else in Edusign"),
    "too_late_to_change": _("changed in the ERP too late: the sheet has begun, is signed or locked"),
    "cancelled_but_kept": _("cancelled in the ERP, but its sheet has begun, is signed or locked"),
    "group_gone": _("gone from the ERP; its members leave, the group stays in Edusign"),
    "shared_speaker_left": _("left the ERP but belongs to several schools: not archived"),
    "shared_speaker_renamed": _("renamed in the ERP but belongs to several schools: not renamed"),
    "already_started": _("the session had begun before it was first seen"),
    "waits_for_speaker": _("its speaker is not in Edusign yet"),
    "not_listed": _("Edusign's list lacks it; looked up at the next run"),
    "deleted_in_edusign": _("deleted in Edusign by hand; made again"),
    "archived_in_edusign": _("archived in Edusign by hand; restored"),
}
