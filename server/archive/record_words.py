"""The record's words for the codes of the log, as message ids."""

from __future__ import annotations

from server.errors import N_
from server.inspections.ledger import Lack

ROLES = {
    "administrator": N_("Administrator"),
    "reviewer": N_("Reviewer"),
    "auditor": N_("Auditor"),
    "expert": N_("Expert"),
    "observer": N_("Observer"),
    "enterprise": N_("Enterprise"),
}
ANSWERS = {
    "pass": N_("Pass"),
    "minor": N_("Minor defect"),
    "fail": N_("Fail"),
    "unverifiable": N_("Cannot be verified remotely"),
}
CAUSES = {
    "network_lost": N_("The network was lost"),
    "page_hidden": N_("The phone showed something else (a call, another app)"),
    "camera_ended": N_("The camera was taken away (a call, another app)"),
    "camera_black": N_("The picture was black"),
    "muted": N_("{name} had switched it off"),
    "closed": N_("Sending was stopped at the other end"),
    "left": N_("{name} had left"),
    "paused": N_("{name} had paused the inspection"),
    "replaced": N_("{name} changed to another device"),
    "worker_restarted": N_("The service was restarted"),
    "recording_failed": N_("The server could not record"),
    "picture_stopped": N_("The picture stopped, the sound went on"),
    "sound_stopped": N_("The sound stopped, the picture went on"),
}
LACKS: dict[tuple[Lack, ...], str] = {
    ("picture",): N_("received without a picture"),
    ("sound",): N_("received without sound"),
    ("picture", "sound"): N_("received without picture and sound"),
}
GRADES = {
    "near": N_("At the place"),
    "uncertain": N_("Not clear"),
    "far": N_("Somewhere else"),
    "unknown": N_("Not compared with the address"),
}
REASONS = {
    "within": N_("Also with its inaccuracy within 200 m of the case's coordinates."),
    "between": N_("Neither clearly within 200 m nor clearly more than 1 km away."),
    "beyond": N_("Also with its inaccuracy more than 1 km away."),
    "coarse": N_("Coarse: from mobile cells or Wi-Fi, not from satellites."),
    "map_offset": N_(
        "The case's coordinates may come from a Chinese map, which is offset by some hundred metres."
    ),
    "no_place": N_("The case has no coordinates."),
    "claimed": N_("The phone says so itself and can be deceived: look at the doorplate and the street too."),
}
TEXTS = {
    ("enterprise", "notice"): N_("Notice of procedure and rights"),
    ("enterprise", "recording"): N_("Consent to the recording"),
    ("guest", "notice"): N_("Notice for those who are invited"),
    ("guest", "recording"): N_("Consent of invited people to the recording"),
}
LANGUAGES = {"zh-CN": N_("Chinese wording"), "en": N_("English wording")}
