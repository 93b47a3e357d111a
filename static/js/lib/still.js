// A still of the camera at full resolution: its own photo where the browser can take one without disturbing the picture,
// else a frame at the camera's resolution, which is more than what was sent on a thin line.

import { within } from "./time-limit.js";

const PHOTO_WITHIN_MS = 5000;
// A track that went dark gives no frame, and the browser waits for one without limit.
const FRAME_WITHIN_MS = 4000;
const SIZE_WITHIN_MS = 3000;
const QUALITY = 0.92;
const KNOWN = new Set(["image/jpeg", "image/png", "image/webp"]);

/** A camera that goes dark for its own photo is not asked for another: the picture goes first. */
let disturbs = false;

/**
 * {blob, how: "photo"|"frame", width, height, takenAt} of `camera.video`; `takenAt`, by `now`: when the frame was drawn, or the camera asked for its
 * photo, as it exposes then and spends the rest on the file. Rejects, within seconds, if neither can be had.
 */
export async function takeStill(camera, { Capture = globalThis.ImageCapture, frame = frameOf, measure = sizeOf, now = Date.now } = {}) {
  const sized = async (still) => ({ ...still, ...(await inTime(SIZE_WITHIN_MS, () => measure(still.blob))) });
  if (Capture && !disturbs) {
    const track = liveTrack(camera);
    try {
      const takenAt = now();
      const blob = await photoOf(new Capture(track), track);
      if (KNOWN.has(blob.type)) return await sized({ blob, how: "photo", takenAt });
    } catch {
      // A camera without photos of its own, or one that is busy.
    }
  }
  // The camera may have been opened again since the photo was asked for.
  const track = liveTrack(camera);
  return sized({ how: "frame", ...(await inTime(FRAME_WITHIN_MS, (signal) => frame(track, { now, signal }))) });
}

function liveTrack({ video }) {
  if (video?.readyState !== "live") throw new DOMException("no live track", "InvalidStateError");
  return video;
}

/** What `work(signal)` resolves with; rejects after `ms`, whatever it still waits for. */
function inTime(ms, work) {
  return within(ms, (signal) => {
    const late = new Promise((resolve, reject) => {
      signal.addEventListener("abort", () => reject(new DOMException("late", "TimeoutError")));
    });
    return Promise.race([work(signal), late]);
  });
}

async function photoOf(capture, track) {
  const darken = () => { disturbs = true; };
  track.addEventListener("mute", darken);
  try {
    return await inTime(PHOTO_WITHIN_MS, (signal) => {
      signal.addEventListener("abort", darken);
      return capture.takePhoto();
    });
  } finally {
    track.removeEventListener("mute", darken);
  }
}

async function frameOf(track, { now, signal }) {
  const video = Object.assign(document.createElement("video"), { muted: true, playsInline: true, srcObject: new MediaStream([track]) });
  const letGo = () => { video.srcObject = null; };
  signal.addEventListener("abort", letGo);
  try {
    await video.play();
    const canvas = Object.assign(document.createElement("canvas"), { width: video.videoWidth, height: video.videoHeight });
    const takenAt = now();
    canvas.getContext("2d").drawImage(video, 0, 0);
    const blob = await new Promise((resolve) => canvas.toBlob(resolve, "image/jpeg", QUALITY));
    if (!blob) throw new Error("no_frame");
    return { blob, takenAt };
  } finally {
    letGo();
  }
}

async function sizeOf(blob) {
  const image = await createImageBitmap(blob);
  const { width, height } = image;
  image.close();
  return { width, height };
}
