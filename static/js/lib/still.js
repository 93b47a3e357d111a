// A still of the camera at full resolution: its own photo where the browser can take one without disturbing the picture,
// else a frame at the camera's resolution, which is more than what was sent on a thin line.

const PHOTO_WITHIN_MS = 5000;
const QUALITY = 0.92;
const KNOWN = new Set(["image/jpeg", "image/png", "image/webp"]);

/** A camera that goes dark for its own photo is not asked for another: the picture goes first. */
let disturbs = false;

/** {blob, how: "photo"|"frame", width, height} of a live video track. Rejects if neither can be had. */
export async function takeStill(track, { Capture = globalThis.ImageCapture, frame = frameOf, measure = sizeOf } = {}) {
  if (Capture && !disturbs) {
    try {
      const blob = await photoOf(new Capture(track), track);
      if (KNOWN.has(blob.type)) return { blob, how: "photo", ...(await measure(blob)) };
    } catch {
      // A camera without photos of its own, or one that is busy.
    }
  }
  const blob = await frame(track);
  return { blob, how: "frame", ...(await measure(blob)) };
}

async function photoOf(capture, track) {
  const darken = () => { disturbs = true; };
  track.addEventListener("mute", darken);
  let timer;
  const late = new Promise((resolve, reject) => {
    timer = setTimeout(() => {
      disturbs = true;
      reject(new Error("late"));
    }, PHOTO_WITHIN_MS);
  });
  try {
    return await Promise.race([capture.takePhoto(), late]);
  } finally {
    clearTimeout(timer);
    track.removeEventListener("mute", darken);
  }
}

async function frameOf(track) {
  const video = Object.assign(document.createElement("video"), { muted: true, playsInline: true, srcObject: new MediaStream([track]) });
  try {
    await video.play();
    const canvas = Object.assign(document.createElement("canvas"), { width: video.videoWidth, height: video.videoHeight });
    canvas.getContext("2d").drawImage(video, 0, 0);
    const blob = await new Promise((resolve) => canvas.toBlob(resolve, "image/jpeg", QUALITY));
    if (!blob) throw new Error("no_frame");
    return blob;
  } finally {
    video.srcObject = null;
  }
}

async function sizeOf(blob) {
  const image = await createImageBitmap(blob);
  const { width, height } = image;
  image.close();
  return { width, height };
}
