// With what a phone may send its own recordings after the inspection is over: kept apart from the seat, which ends with it.

const PREFIX = "yunkan.upload.";

/** Remember where and as whom to send for `inspection`. */
export function keepUpload({ inspection, base, token }, storage = globalThis.localStorage) {
  try {
    storage.setItem(PREFIX + inspection, JSON.stringify({ inspection, base, token }));
  } catch {
    // Private browsing may refuse: then only this page can send.
  }
}

/** All that are remembered. */
export function findUploads(storage = globalThis.localStorage) {
  try {
    return Object.keys(storage)
      .filter((key) => key.startsWith(PREFIX))
      .map((key) => JSON.parse(storage.getItem(key)))
      .filter((kept) => kept?.token && kept?.base);
  } catch {
    return [];
  }
}

/** Forget what `keepUpload` remembered, unless another seat has taken its place since. */
export function forgetUpload({ inspection, token }, storage = globalThis.localStorage) {
  try {
    if (JSON.parse(storage.getItem(PREFIX + inspection))?.token === token) storage.removeItem(PREFIX + inspection);
  } catch {
    // See keepUpload().
  }
}
