import { formatTime, t } from "../lib/i18n.js";
import { countUntil } from "../lib/replay-schedule.js";
import { h, icon } from "../dom.js";
import { stickyScroll } from "../sticky-scroll.js";

/**
 * The snapshots of an inspection in a row, newest last, each with the item it belongs to.
 *
 * In: `picture(url)` -> Promise<Blob> where pictures need a bearer token (else the address is used as it is), `itemTitle(key)`;
 * `pending({request, canvas, item})`, `fail(request, message, retry)`, `settle(request, id)`, `update(snapshots)`, `showPhotos(photos)`, and for a replay `moment(now)`.
 * Out: `photo-strip:open` `{id}`.
 */
class PhotoStrip extends HTMLElement {
  picture = null;
  itemTitle = (key) => key;
  #entries = [];
  #pending = new Map();
  #addresses = new Map();
  /** How many of the entries a replay has reached; null when that has to be looked at again. */
  #happened = null;
  #photos = new Map();
  /** Pictures are the full frames: each is fetched when its place in the strip comes into view. */
  #load = new WeakMap();
  #visible;
  #list;
  #empty;
  #scroll;
  #abort;

  connectedCallback() {
    this.#abort = new AbortController();
    const { signal } = this.#abort;
    this.#list = h("ol", { class: "photo-strip__items" });
    this.#empty = this.querySelector("[data-empty]") ?? h("p", { class: "photo-strip__empty muted" }, t("No snapshots yet"));
    this.replaceChildren(this.#list, this.#empty);
    this.#scroll = stickyScroll(this.#list, () => this.#list.lastElementChild, { signal });
    this.#visible = new IntersectionObserver((entries) => this.#seen(entries), { root: this.#list, rootMargin: "0px 240px" });
    signal.addEventListener("abort", () => this.#visible.disconnect());
    this.#list.addEventListener("click", (event) => this.#click(event), { signal });
    this.#list.addEventListener("keydown", (event) => this.#key(event), { signal });
  }

  disconnectedCallback() {
    this.#abort.abort();
    for (const address of this.#addresses.values()) address.then((url) => URL.revokeObjectURL(url), () => {});
    this.#addresses.clear();
  }

  get snapshots() {
    return this.#entries.filter(({ item }) => !item.hidden).map(({ snapshot }) => snapshot);
  }

  /** Where the picture of a snapshot can be shown from: kept, so that it is fetched once. */
  address(snapshot) {
    if (!this.picture) return Promise.resolve(snapshot.url);
    if (!this.#addresses.has(snapshot.id)) {
      const address = this.picture(snapshot.url).then((blob) => URL.createObjectURL(blob));
      address.catch(() => this.#addresses.delete(snapshot.id));
      this.#addresses.set(snapshot.id, address);
    }
    return this.#addresses.get(snapshot.id);
  }

  /** A click whose snapshot is on its way: shown at once from `canvas`. */
  pending({ request, canvas, item }) {
    const line = h("li", { class: "photo-strip__item", "data-state": "pending", "data-request": request });
    line.append(this.#frame(canvas, t("Being saved…")), h("p", { class: "photo-strip__caption" }, this.#caption({ item })));
    this.#pending.set(request, line);
    this.#append(line);
  }

  fail(request, message, retry = null) {
    const line = this.#pending.get(request);
    if (!line) return;
    line.dataset.state = "failed";
    const words = h("p", { class: "photo-strip__error", role: "alert" }, message);
    const actions = h("p", { class: "photo-strip__actions" });
    if (retry) actions.append(this.#action(retry.label, () => { this.#drop(request); retry.run(); }));
    actions.append(this.#action(t("Dismiss"), () => this.#drop(request)));
    line.replaceChildren(line.querySelector(".photo-strip__frame"), words, actions);
  }

  /** The server answered: the pending one becomes snapshot `id` (or goes, when the event was quicker). */
  settle(request, snapshot) {
    const line = this.#pending.get(request);
    this.#pending.delete(request);
    if (this.#entries.some((entry) => entry.snapshot.id === snapshot.id)) line?.remove();
    else if (line) this.#add(snapshot, line);
  }

  update(snapshots) {
    for (const snapshot of snapshots) {
      if (!this.#entries.some((entry) => entry.snapshot.id === snapshot.id)) this.#add(snapshot, null);
    }
    this.#entries.sort((a, b) => a.at - b.at);
    this.dataset.count = this.#entries.length;
    this.#empty.hidden = this.#list.childElementCount > 0;
  }

  /** Which snapshots have a photo of full resolution, or will: the Map of a room's photos. */
  showPhotos(photos) {
    this.#photos = new Map([...photos.values()].map((photo) => [photo.snapshot, photo]));
    for (const { snapshot, item } of this.#entries) this.#mark(item, this.#photos.get(snapshot.id));
  }

  /** The photo of a snapshot: {id, state: "announced"|"here"|"refused", width, height, how}, or undefined. */
  photoOf(snapshot) {
    return this.#photos.get(snapshot.id);
  }

  #mark(item, photo) {
    const state = photo?.state ?? "";
    if ((item.dataset.photo ?? "") === state) return;
    item.dataset.photo = state;
    item.querySelector(".photo-strip__photo")?.remove();
    const words = PHOTO_WORDS[state]?.();
    if (words) item.append(h("p", { class: "photo-strip__photo" }, icon("camera"), h("span", {}, words)));
  }

  moment(now) {
    const count = countUntil(this.#entries, now);
    if (this.#happened === count) return;
    this.#happened = count;
    for (const [index, { item }] of this.#entries.entries()) item.hidden = index >= count;
    this.#empty.hidden = count > 0;
    this.#scroll.follow();
  }

  #add(snapshot, line) {
    const item = line ?? h("li", { class: "photo-strip__item" });
    item.dataset.state = "ready";
    item.dataset.snapshot = snapshot.id;
    const time = formatTime(snapshot.captured_at ?? snapshot.at);
    const caption = this.#caption(snapshot);
    const label = t("Snapshot {time}, {item}", { time, item: caption });
    const image = h("img", { alt: "", width: "120", height: "68" });
    const place = h("button", { type: "button", class: "photo-strip__frame", "aria-label": label }, image);
    const words = h("p", { class: "photo-strip__caption", title: caption }, caption);
    this.#load.set(item, async () => {
      try {
        image.src = await this.address(snapshot);
        await image.decode();
      } catch {
        place.replaceChildren(icon("no-signal"));
      }
      // The optimistic picture stays until the real one can be painted: no flash.
      const mark = item.querySelector(".photo-strip__photo");
      item.replaceChildren(place, words, ...(mark ? [mark] : []));
    });
    this.#visible.observe(item);
    if (!line) item.append(place, words);
    this.#entries.push({ snapshot, item, at: snapshot.shown_at ?? Date.parse(snapshot.captured_at ?? snapshot.at) });
    this.#happened = null;
    if (!line) this.#append(item);
    this.dataset.count = this.#entries.length;
  }

  #seen(entries) {
    for (const { isIntersecting, target } of entries) {
      if (!isIntersecting) continue;
      this.#visible.unobserve(target);
      this.#load.get(target)();
    }
  }

  #append(item) {
    this.#list.append(item);
    this.#empty.hidden = true;
    this.#scroll.follow();
    if (this.#scroll.following) this.#list.scrollLeft = this.#list.scrollWidth;
  }

  #drop(request) {
    this.#pending.get(request)?.remove();
    this.#pending.delete(request);
    this.#empty.hidden = this.#list.childElementCount > 0;
  }

  #frame(canvas, words) {
    return h("div", { class: "photo-strip__frame" }, canvas, h("span", { class: "photo-strip__mark" }, words));
  }

  #action(label, run) {
    const button = h("button", { type: "button", class: "link-button" }, label);
    button.addEventListener("click", run, { once: true });
    return button;
  }

  #caption({ item, named }) {
    const title = item ? this.itemTitle(item) : t("No item");
    return named === "newest" ? t("{title} (newest frame)", { title }) : title;
  }

  #click(event) {
    const id = event.target.closest("[data-snapshot]")?.dataset.snapshot;
    if (id && event.target.closest("button")) this.dispatchEvent(new CustomEvent("photo-strip:open", { bubbles: true, detail: { id } }));
  }

  #key(event) {
    const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    if (!step) return;
    const buttons = [...this.#list.querySelectorAll(".photo-strip__frame[type=button]")];
    const next = buttons[buttons.indexOf(event.target) + step];
    if (!next) return;
    event.preventDefault();
    next.focus();
    next.scrollIntoView({ block: "nearest", inline: "nearest" });
  }
}

const PHOTO_WORDS = {
  announced: () => t("Photo on its way"),
  here: () => t("Photo"),
  refused: () => t("Photo refused"),
};

customElements.define("photo-strip", PhotoStrip);
