// The words of the card; lib/phone-card.js decides which one.

import { formatDuration, formatTime, t } from "./lib/i18n.js";

const LONG_S = 20;

const CARDS = {
  paused: ({ pause }) => ({
    tone: "warn",
    who: t("{name} has paused the inspection: {reason}", pause),
    text: t("Paused: nothing is recorded"),
    detail: t("Nobody sees or hears this phone. There is nothing to do; it goes on by itself when the reviewer resumes."),
  }),
  interrupted: () => ({ tone: "bad", text: t("The camera was interrupted."), recover: true }),
  recovering: () => ({ tone: "warn", text: t("Restoring the picture…") }),
  restarting: (session) => ({
    tone: "warn", text: t("The service is restarting. Stay here, nothing to do."), detail: waited(session, session.lostSeconds),
  }),
  lost: (session) => ({ tone: "warn", text: t("Network lost, reconnecting…"), detail: waited(session, session.lostSeconds) }),
  "no-room": () => ({
    tone: "warn", text: t("There is no room at the office now. Please call."), detail: t("This phone tries again by itself."), call: true,
  }),
  "media-lost": (session) => ({
    tone: "warn", text: t("The picture is cut off, reconnecting…"), detail: waited(session, session.mediaLostSeconds),
  }),
  restoring: (session) => ({
    tone: "warn", text: t("The network has changed. Looking for another way…"), detail: waited(session, session.mediaLostSeconds),
  }),
  black: () => ({ tone: "warn", text: t("The picture is black. Is the lens covered?"), recover: true }),
  battery: () => ({ tone: "warn", text: t("Battery is low. Please connect the charger.") }),
  waiting: () => ({ tone: "brand", text: t("Waiting for the reviewer. Keep this page open.") }),
  away: () => ({ tone: "brand", text: t("The reviewer is away for a moment. Stay here, nothing to do.") }),
  connecting: (session) => ({ tone: "brand", text: t("The reviewer is here, connecting…"), detail: whyNotYet(session) }),
  photo: () => ({ tone: "brand", text: t("Taking a photo. Please hold the phone still.") }),
  weak: (session) => ({ tone: "warn", text: t("Network is weak. Please move to a better place."), detail: photosLeft(session) }),
  message: ({ message }) => ({ tone: "brand", who: message.name ?? "", text: message.text }),
  live: (session) => ({ tone: "ok", text: t("The reviewer sees the site. Listen and show what is asked for."), detail: sending(session) }),
};

/** {tone, text, who?, detail?, recover?, call?} of the card `code`. */
export function phoneCard(code, session) {
  return CARDS[code](session);
}

function recorded({ recordedUntil }) {
  return recordedUntil === null ? "" : t("Recorded until {time}", { time: formatTime(recordedUntil) });
}

function waited(session, seconds) {
  return [t("Waited {seconds} s", { seconds }), recorded(session), kept(session), photosLeft(session)].filter(Boolean).join(" · ");
}

/** Nothing is lost as long as the phone itself records. */
function kept(session) {
  return session.continuity?.recording ? t("This phone goes on recording; what is missing is sent later.") : "";
}

function whyNotYet({ refusal, mediaLostSeconds }) {
  if (refusal?.message) return refusal.message;
  return mediaLostSeconds < LONG_S ? "" : t("If it takes long, change between Wi-Fi and mobile data.");
}

function sending({ continuity }) {
  const { state, left } = continuity?.upload ?? {};
  const film = state === "sending" && left.seconds >= 1 ? t("Sending what was missing: {duration} left", { duration: formatDuration(left.seconds) }) : "";
  return [film, photosLeft({ continuity })].filter(Boolean).join(" · ");
}

/** How many photos the server does not have yet; a phone without a network tries again by itself. */
export function photosLeft({ continuity }) {
  const { state, waiting = 0 } = continuity?.photos ?? {};
  if (waiting === 0) return "";
  return state === "waiting" ? t("Photos that wait for the network: {n}", { n: waiting }) : t("Photos still to send: {n}", { n: waiting });
}
