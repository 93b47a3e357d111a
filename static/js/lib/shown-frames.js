/**
 * Which frame of a live video was on the screen at a moment.
 *
 * A snapshot must be the frame the reviewer saw, so its name (the RTP timestamp) has to be known at the click. What the browser says:
 *
 * - `requestVideoFrameCallback` runs once for each frame handed to the compositor. Its metadata names the frame (`rtpTimestamp`) and the
 *   moment it becomes visible (`expectedDisplayTime`, same clock as `performance.now()` and `event.timeStamp`), which may lie up to one
 *   refresh of the screen ahead.
 * - `drawImage(video)` and `new VideoFrame(video)` take the compositor's current frame, which may be one newer than the last callback: a
 *   frame on its way to the glass that nobody has seen. On a 30 frames/s picture this was so for one click in nine, measured in Chromium.
 *
 * So the frame on screen at a click is the newest announced one whose display time is not after the click. We ask with the event's own
 * time, so a click that waited behind other work still names the frame of its moment. The thumbnail drawn at the click may show the next
 * frame; it is only held until the server's picture arrives.
 */
export class ShownFrames {
  #frames = [];
  #keep;

  /** @param {{keep?: number}} options `keep`: how many frames to remember (two seconds at 30 frames/s by default). */
  constructor({ keep = 60 } = {}) {
    this.#keep = keep;
  }

  /** Take the metadata of one `requestVideoFrameCallback`. Frames without an RTP timestamp (not from WebRTC) are ignored. */
  note(metadata) {
    if (!Number.isInteger(metadata.rtpTimestamp)) return;
    this.#frames.push({
      rtpTimestamp: metadata.rtpTimestamp,
      shownAt: metadata.expectedDisplayTime ?? metadata.presentationTime,
      width: metadata.width,
      height: metadata.height,
    });
    if (this.#frames.length > this.#keep) this.#frames.shift();
  }

  /** Another picture is shown now: names of the old one must not be used for it. */
  clear() {
    this.#frames = [];
  }

  /** The frame on screen at `time` (ms, `performance.now()`), or null when none was announced yet. */
  at(time) {
    for (let i = this.#frames.length - 1; i >= 0; i -= 1) {
      if (this.#frames[i].shownAt <= time) return this.#frames[i];
    }
    // Only the first frame can be announced and not yet visible; it is then the only one there is.
    return this.#frames[0] ?? null;
  }

  get newest() {
    return this.#frames.at(-1) ?? null;
  }
}
