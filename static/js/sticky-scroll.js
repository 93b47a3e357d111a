/**
 * Keeps a growing list at its newest entry unless the person scrolled away.
 *
 * @param {HTMLElement} box the scrolling element
 * @param {() => HTMLElement|null} target what should stay in view; null for the end of the list
 * @returns {{follow: () => void, readonly following: boolean, resume: () => void, stop: () => void}}
 */
export function stickyScroll(box, target, { signal, onchange = () => {} }) {
  let following = true;
  const set = (value) => {
    if (following === value) return;
    following = value;
    onchange(value);
  };
  // Only gestures of the person count: our own scrolling fires "scroll" as well, so that event cannot tell them apart.
  for (const gesture of ["wheel", "touchmove", "pointerdown"]) box.addEventListener(gesture, () => set(atTarget()), { signal, passive: true });
  box.addEventListener("keydown", (event) => /^(Arrow|Page|Home|End)/.test(event.key) && set(false), { signal });
  box.addEventListener("scroll", () => following || set(atTarget()), { signal, passive: true });

  // The list keeps its place when the panel around it grows or shrinks.
  const resized = new ResizeObserver(() => follow());
  resized.observe(box);
  signal.addEventListener("abort", () => resized.disconnect());

  function atTarget() {
    const focus = target();
    if (!focus) return box.scrollHeight - box.scrollTop - box.clientHeight < 24;
    const view = box.getBoundingClientRect();
    const place = focus.getBoundingClientRect();
    return place.top >= view.top && place.bottom <= view.bottom;
  }

  function follow() {
    if (!following) return;
    const focus = target();
    if (!focus) {
      box.scrollTop = box.scrollHeight;
      return;
    }
    const middle = focus.offsetTop - box.clientHeight / 2 + focus.offsetHeight / 2;
    if (Math.abs(box.scrollTop - middle) > 4) box.scrollTop = middle;
  }

  return {
    follow,
    get following() {
      return following;
    },
    resume() {
      set(true);
      follow();
    },
    stop: () => set(false),
  };
}
