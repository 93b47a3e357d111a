const KEY = "yunkan.text-size";
const SIZES = ["1", "2", "3"];

/** The size chosen before in this browser. */
export function restoreTextSize() {
  try {
    apply(localStorage.getItem(KEY));
  } catch {
    // A closed storage means the usual size.
  }
}

/** 18 px, 24 px, 30 px, and 18 px again. */
export function nextTextSize() {
  const current = document.documentElement.dataset.textSize ?? "1";
  const next = SIZES[(SIZES.indexOf(current) + 1) % SIZES.length];
  apply(next);
  try {
    localStorage.setItem(KEY, next);
  } catch {
    // It holds until the page is left.
  }
}

function apply(size) {
  if (SIZES.includes(size)) document.documentElement.dataset.textSize = size;
}
