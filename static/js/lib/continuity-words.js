/** Why nothing was received, in words. Pure: words come from `t`; `by`: who did it, where somebody did; `reason`: why, in their words. */
export function causeWords(t, cause, by = "", reason = "") {
  const words = causeOf(t, cause, by);
  return words && reason ? t("{cause} ({reason})", { cause: words, reason }) : words;
}

function causeOf(t, cause, by) {
  return {
    network_lost: () => t("The network was lost"),
    page_hidden: () => t("The phone showed something else (a call, another app)"),
    camera_ended: () => t("The camera was taken away (a call, another app)"),
    camera_black: () => t("The picture was black"),
    muted: () => t("{name} had switched it off", { name: by }),
    closed: () => t("Sending was stopped at the other end"),
    left: () => t("{name} had left", { name: by }),
    paused: () => t("{name} had paused the inspection", { name: by }),
    replaced: () => t("{name} changed to another device", { name: by }),
    worker_restarted: () => t("The service was restarted"),
    recording_failed: () => t("The server could not record"),
    picture_stopped: () => t("The picture stopped, the sound went on"),
    sound_stopped: () => t("The sound stopped, the picture went on"),
  }[cause]?.() ?? "";
}

/** The same in a word or two, for a narrow place. */
export function shortCause(t, cause) {
  return {
    network_lost: () => t("Network"),
    page_hidden: () => t("Page left"),
    camera_ended: () => t("Camera gone"),
    camera_black: () => t("Black"),
    muted: () => t("Switched off"),
    closed: () => t("Not sent"),
    left: () => t("Left"),
    paused: () => t("Paused"),
    replaced: () => t("Other device"),
    worker_restarted: () => t("Restart"),
    recording_failed: () => t("Not recorded"),
    picture_stopped: () => t("No picture"),
    sound_stopped: () => t("No sound"),
  }[cause]?.() ?? "";
}
