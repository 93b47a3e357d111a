// Which one thing the phone says now. Banners are missed: one card, the most urgent thing in it.

/**
 * The code of the card for these facts, most urgent first. `camera`: the Camera's state; `black`: the lens is covered;
 * `connection`: the room's status; `paused`: somebody has paused the inspection; `publishing`: the publisher's; `refusal`: the code of the server's, if it takes no picture now; `seen`: the
 * server has our picture; `reviewer`: one is present; `batteryLow`: not yet told; `network`: grade of our own
 * line as the server sees it; `photographing`: a photo is being taken; `message`: the newest line of chat from the other side, if any.
 */
export function cardFor(facts) {
  return CARDS.find(([, holds]) => holds(facts))[0];
}

const CARDS = [
  // Whatever else is the matter can wait until it goes on; only the network may hide that it does.
  ["paused", ({ paused, connection }) => paused && connection === "open"],
  ["interrupted", ({ camera }) => camera === "interrupted"],
  ["recovering", ({ camera }) => camera === "opening"],
  ["restarting", ({ connection, restarting }) => connection !== "open" && restarting],
  ["lost", ({ connection }) => connection === "lost"],
  ["no-room", ({ refusal }) => refusal === "storage_full"],
  ["media-lost", ({ publishing }) => publishing === "lost"],
  ["restoring", ({ publishing }) => publishing === "restoring"],
  ["black", ({ black }) => black],
  ["battery", ({ batteryLow }) => batteryLow],
  ["waiting", ({ reviewer, wasLive }) => !reviewer && !wasLive],
  ["away", ({ reviewer }) => !reviewer],
  ["connecting", ({ publishing, seen }) => publishing !== "live" || !seen],
  ["photo", ({ photographing }) => photographing],
  ["weak", ({ network }) => network === "poor"],
  ["message", ({ message }) => Boolean(message)],
  ["live", () => true],
];
