/**
 * What a phone that sends what the server still lacks says of `upload` (a GapUpload) and `photos` (a PhotoQueue): hidden, asking, sending, waiting,
 * done, over. `had`: there was something to send. What the server refused for good was not sent: then it is over, and not done.
 */
export function uploadState({ upload, photos, had }) {
  if (!upload || upload.state === "idle") return "hidden";
  if (!["done", "over"].includes(upload.state)) return upload.state;
  if (photos?.state === "over") return "over";
  if (photos?.waiting > 0) return photos.state === "waiting" ? "waiting" : "sending";
  return upload.state === "over" && !had ? "hidden" : upload.state;
}
