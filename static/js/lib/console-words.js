import { formatMinute, formatTime, t } from "./i18n.js";

/**
 * What the console says in each state of lib/console-state.js.
 *
 * `cover`: "screen" hides the stage (there is no picture to look at), "banner" lies over the last picture, null shows the picture alone.
 */
const WORDS = {
  loading: () => ({ cover: "screen", icon: "refresh", title: t("Opening the room…") }),
  refused: ({ refusal }) => ({
    cover: "screen", tone: "bad", icon: "error", title: t("The room could not be opened"),
    body: refusal?.code === "not_joined" ? t("This window has no seat yet. Join by your invitation.") : refusal?.message,
    rejoin: refusal?.code === "not_joined" ? t("To the invitation") : t("Try again"),
  }),
  replaced: () => ({
    cover: "screen", tone: "warn", icon: "devices", title: t("You opened this console in another window"),
    body: t("Only one window works at a time, so that nothing is done twice."), rejoin: t("Continue here"),
  }),
  expired: () => ({
    cover: "screen", tone: "warn", icon: "lock", title: t("Your seat in this inspection has run out"),
    body: t("Join once more by your invitation; everything said and shown meanwhile appears then."), rejoin: t("Continue here"),
  }),
  removed: ({ by, reason }) => ({
    cover: "screen", tone: "warn", icon: "lock", title: t("Your access to this inspection has ended"),
    body: by && reason ? t("{name} has withdrawn your invitation: {reason}", { name: by, reason }) : t("Ask the office for a new invitation."),
  }),
  offline: ({ lostSeconds }) => ({
    cover: "banner", tone: "bad", icon: "no-signal", title: t("The connection to the service is interrupted, reconnecting ({seconds} s)", { seconds: lostSeconds }),
    body: t("You see the last picture received. What happens meanwhile appears as soon as the connection is back."),
  }),
  cancelled: () => ({ cover: "screen", icon: "calendar", title: t("This inspection was cancelled") }),
  ended: ({ staff }) => ({
    cover: "screen", tone: "warn", icon: "check-circle", title: t("The inspection has ended"),
    body: staff ? t("There is no result yet. Give it on the case page.") : t("Thank you. You may close this window."), links: staff,
  }),
  concluded: ({ staff }) => ({ cover: "screen", tone: "ok", icon: "check-circle", title: t("The inspection has ended"), body: t("The result is on the case page."), links: staff }),
  paused: ({ name, reason, mayResume }) => ({
    cover: "screen", tone: "warn", icon: "pause", title: t("{name} has paused the inspection: {reason}", { name, reason }),
    body: t("Nothing is recorded, and nobody sees or hears anybody. Connections stay, chat and checklist go on."), resume: mayResume,
  }),
  nobody: ({ startsAt, trouble }) => trouble ? {
    cover: "screen", tone: "warn", icon: "warning", title: trouble, body: t("Their page shows a way out. If that does not help, telephone."),
  } : ({
    cover: "screen", icon: "phone", title: t("Nobody has opened the link yet"),
    body: startsAt
      ? t("Appointment: {time}. The picture appears here as soon as the enterprise joins.", { time: formatMinute(startsAt) })
      : t("The picture appears here as soon as the enterprise joins."),
  }),
  left: ({ name }) => ({ cover: "screen", tone: "warn", icon: "sign-out", title: t("{name} left", { name }), body: t("The same link opens the inspection again.") }),
  lost: ({ name, since }) => ({
    cover: "banner", tone: "bad", icon: "no-signal",
    title: since ? t("The connection to {name} is lost since {time}", { name, time: formatTime(since) }) : t("The connection to {name} is lost", { name }),
    body: t("The phone reconnects by itself. The recording goes on as a new part."),
  }),
  waiting: ({ name }) => ({
    cover: "screen", icon: "camera", title: t("{name} is here, the camera is not on yet", { name }),
    body: t("The phone checks camera and microphone, then the picture appears by itself."),
  }),
  asking: ({ name }) => ({
    cover: "screen", icon: "camera", title: t("Waiting for {name} to allow the camera", { name }),
    body: t("The phone is asking for camera and microphone. The person there has to choose “Allow”."),
  }),
  denied: ({ name }) => ({
    cover: "screen", tone: "warn", icon: "camera-off", title: t("{name} refused the camera", { name }),
    body: t("The phone shows how to allow it. If that does not help, telephone."),
  }),
  unsupported: ({ name }) => ({
    cover: "screen", tone: "warn", icon: "camera-off", title: t("The browser of {name} cannot send video", { name }),
    body: t("The phone shows how to open the link in another browser. If that does not help, telephone."),
  }),
  hidden: ({ name }) => ({
    cover: "banner", tone: "warn", icon: "phone", title: t("{name} has left the page", { name }),
    body: t("The phone shows something else (a call, another app). The picture comes back with the page."),
  }),
  camera: ({ name }) => ({ cover: "banner", tone: "warn", icon: "camera-off", title: t("The camera of {name} gives no picture", { name }), body: t("A call or another app may be using it.") }),
  frozen: ({ name }) => ({ cover: "banner", tone: "warn", icon: "no-signal", title: t("No new picture from {name}", { name }), body: t("The network at the site is weak or interrupted.") }),
  live: ({ size }) => ({ cover: null, tone: "ok", icon: "video", title: size ? t("Live picture, {size}", { size }) : t("Live picture") }),
};

/** @returns {{cover: "screen"|"banner"|null, tone: string, icon: string, title: string, body: string, rejoin: string|null, links: boolean, resume: boolean}} */
export function stageWords(state, facts = {}) {
  return { tone: "brand", body: "", rejoin: null, links: false, resume: false, ...(WORDS[state] ?? WORDS.loading)(facts) };
}

const FAILURES = {
  not_connected: () => t("The connection is interrupted. Try again in a moment."),
  lost: () => t("The connection was lost before the server answered. Try again."),
  timeout: () => t("The server did not answer in time. Try again."),
  frame_gone: () => t("The frame you saw is no longer held by the server."),
  no_picture: () => t("No picture has arrived yet."),
  inspection_not_live: () => t("The inspection is not running."),
  already_ended: () => t("The inspection was already ended by somebody else."),
};

/** The words of a refused or failed act: ours where the code says enough, else the server's. */
export function failureWords(error) {
  return FAILURES[error.code]?.() ?? error.message;
}
