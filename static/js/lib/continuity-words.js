/** Why nothing was received, in words. Pure: words come from `t`; `by`: who did it, where somebody did. */
export function causeWords(t, cause, by = "") {
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
