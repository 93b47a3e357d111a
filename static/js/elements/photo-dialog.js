import { newestFrame, photoOrigin } from "../lib/event-words.js";
import { formatTime, t } from "../lib/i18n.js";

/**
 * One snapshot large, in a `<dialog>` of the server's markup with `[data-picture]`, `[data-title]`, `[data-meta]`, `[data-digest]`, `[data-go]`
 * buttons (-1, 1), and the links `[data-original]` and `[data-photo]`, to the phone's own photo.
 *
 * In: `strip` (the photo-strip whose pictures it shows), `open(id)`. Out: `photo-dialog:seek` `{at}` where the markup has a `[data-seek]` button.
 */
class PhotoDialog extends HTMLElement {
  strip = null;
  #id = null;
  #abort;

  connectedCallback() {
    this.#abort = new AbortController();
    const { signal } = this.#abort;
    this.addEventListener("click", (event) => this.#click(event), { signal });
    this.addEventListener("keydown", (event) => this.#key(event), { signal });
  }

  disconnectedCallback() {
    this.#abort.abort();
  }

  get #dialog() {
    return this.querySelector("dialog");
  }

  async open(id) {
    const snapshots = this.strip.snapshots;
    const at = snapshots.findIndex((snapshot) => snapshot.id === id);
    if (at < 0) return;
    const snapshot = snapshots[at];
    this.#id = id;
    this.dataset.state = "loading";
    this.#words(snapshot, at, snapshots.length);
    if (!this.#dialog.open) this.#dialog.showModal();
    this.#photo(snapshot);
    const image = this.querySelector("[data-picture]");
    const original = this.querySelector("[data-original]");
    original.removeAttribute("href");
    try {
      const address = await this.strip.address(snapshot);
      // One more press of "next" may have come meanwhile.
      if (this.#id !== id) return;
      image.src = address;
      original.href = address;
      await image.decode();
      if (this.#id === id) this.dataset.state = "ready";
    } catch {
      if (this.#id === id) this.dataset.state = "failed";
    }
  }

  async #photo(snapshot) {
    const link = this.querySelector("[data-photo]");
    const photo = this.strip.photoOf(snapshot);
    // The one of another snapshot must not be opened under this one's name.
    link.removeAttribute("href");
    link.hidden = photo?.state !== "here";
    if (link.hidden) return;
    link.title = photoOrigin(t, photo);
    link.lastElementChild.textContent = t("Photo, {width} × {height}", photo);
    const url = snapshot.url.replace(/snapshots\/[^/]+$/, `photos/${photo.id}`);
    const address = await this.strip.address({ id: photo.id, url }).catch(() => url);
    if (this.#id === snapshot.id) link.href = address;
  }

  #words(snapshot, at, count) {
    const title = snapshot.item ? (snapshot.item_title ?? this.strip.itemTitle(snapshot.item)) : t("No item");
    const time = formatTime(snapshot.captured_at ?? snapshot.at);
    const image = this.querySelector("[data-picture]");
    image.alt = t("Snapshot {time}, {item}", { time, item: title });
    this.querySelector("[data-title]").textContent = title;
    const newest = snapshot.named === "newest" ? newestFrame(t) : "";
    const size = snapshot.width ? `${snapshot.width} × ${snapshot.height}` : "";
    this.querySelector("[data-meta]").textContent = [time, snapshot.by, size, newest, `${at + 1} / ${count}`].filter(Boolean).join("  ·  ");
    this.querySelector("[data-digest]").textContent = snapshot.sha256 ?? "";
    for (const button of this.querySelectorAll("[data-go]")) {
      const target = at + Number(button.dataset.go);
      button.disabled = target < 0 || target >= count;
    }
  }

  #go(step) {
    const snapshots = this.strip.snapshots;
    const next = snapshots[snapshots.findIndex((snapshot) => snapshot.id === this.#id) + step];
    if (next) this.open(next.id);
  }

  #click(event) {
    const go = event.target.closest("[data-go]");
    if (go) this.#go(Number(go.dataset.go));
    if (event.target.closest("[data-seek]")) {
      const snapshot = this.strip.snapshots.find(({ id }) => id === this.#id);
      this.#dialog.close();
      this.dispatchEvent(new CustomEvent("photo-dialog:seek", { bubbles: true, detail: { at: snapshot.shown_at ?? Date.parse(snapshot.captured_at) } }));
    }
    if (event.target.closest("[data-close]") || event.target === this.#dialog) this.#dialog.close();
  }

  #key(event) {
    if (event.key === "ArrowRight") this.#go(1);
    if (event.key === "ArrowLeft") this.#go(-1);
  }
}

customElements.define("photo-dialog", PhotoDialog);
