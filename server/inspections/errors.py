"""What can be wrong with an inspection or an invitation, each told apart so that a page can say what to do."""

from __future__ import annotations

from server.errors import N_, Conflict, Gone, NotFound, TooEarly


class InspectionNotFound(NotFound):
    """No such inspection, or another office's, or not the one the participant joined."""

    code = "inspection_not_found"
    text = N_("There is no such inspection in your office.")


class NotScheduled(Conflict):
    code = "inspection_not_scheduled"
    text = N_("This can only be done before the inspection has begun.")


class MovedMeanwhile(Conflict):
    code = "moved_meanwhile"
    text = N_("Somebody else has moved this inspection meanwhile. Please look at the new time.")


class AlreadyCancelled(Conflict):
    code = "already_cancelled"
    text = N_("The inspection was cancelled already.")


class NotLive(Conflict):
    code = "inspection_not_live"
    text = N_("The inspection is not live.")


class AlreadyEnded(Conflict):
    code = "already_ended"
    text = N_("The inspection was ended already.")


class AlreadyPaused(Conflict):
    """`by`, `reason`, `at` (RFC 3339): the pause that stands."""

    code = "already_paused"
    text = N_("{by} has paused the inspection already.")


class NotPaused(Conflict):
    code = "not_paused"
    text = N_("The inspection is not paused. Perhaps somebody else has resumed it.")


class NotEnded(Conflict):
    code = "inspection_not_ended"
    text = N_("End the inspection before you record its result.")


class AlreadyConcluded(Conflict):
    code = "already_concluded"
    text = N_("The inspection has a result already. The first one stands.")


class InspectionOver(Conflict):
    code = "inspection_over"
    text = N_("Nobody can be invited any more: the inspection is over.")


class InvitationUnknown(NotFound):
    code = "invitation_unknown"
    text = N_("This invitation link is not known. Perhaps it was not copied completely.")


class InvitationExpired(Gone):
    code = "invitation_expired"
    text = N_("This invitation link has expired. Ask the office for a new one.")


class InvitationCancelled(Gone):
    code = "invitation_cancelled"
    text = N_("This invitation link was cancelled or replaced by a newer one.")


class InspectionEnded(Gone):
    code = "inspection_ended"
    text = N_("This inspection has ended.")


class LogClosed(Gone):
    """The event log has its last event; what comes now is too late to be evidence."""

    code = "log_closed"
    text = N_("This inspection is closed. Nothing can be added to it.")


class InspectionCancelled(Gone):
    code = "inspection_cancelled"
    text = N_("This inspection was cancelled.")


class InvitationTooEarly(TooEarly):
    """`starts_at`: when the inspection begins; `opens_at`: from when on the link lets people in (RFC 3339)."""

    text = N_("This inspection has not begun yet. The link opens shortly before the appointed time.")
