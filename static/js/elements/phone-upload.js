import { h } from "../dom.js";
import { GapUpload } from "../lib/gap-upload.js";
import { formatDateTime, formatDuration, t } from "../lib/i18n.js";
import { PhotoQueue } from "../lib/photo-queue.js";
import { openStore } from "../lib/recording-store.js";
import { uploadState } from "../lib/upload-state.js";
import { findUploads, forgetUpload } from "../lib/upload-seat.js";
import { photosLeft } from "../phone-cards.js";

/**
 * <phone-upload>: what this phone recorded itself or photographed and the server still lacks, as it is sent after the inspection.
 * `follow(continuity)`; or `data-remembered`: the link was opened again, go on with what is remembered. `data-state`: hidden, asking, sending,
 * waiting, done, over.
 */
class PhoneUpload extends HTMLElement {
  #follows = null;
  #began = 0;
  #photos = false;

  connectedCallback() {
    if ("remembered" in this.dataset && !this.#follows) this.#remembered();
    this.#draw();
  }

  follow(continuity) {
    this.#follows = () => continuity;
    continuity.addEventListener("change", () => this.#draw());
    this.#draw();
  }

  async #remembered() {
    const store = await openStore();
    for (const { inspection, base, token } of findUploads()) {
      const upload = new GapUpload({ base, token, inspection, store });
      const photos = new PhotoQueue({ base, token, inspection, store });
      this.#follows = () => ({ upload, photos });
      for (const one of [upload, photos]) {
        one.live = false;
        one.addEventListener("change", () => this.#draw());
      }
      await Promise.all([upload.check(), photos.check()]);
      const isOver = [upload, photos].every(({ state }) => ["done", "over"].includes(state));
      if (isOver && photos.waiting === 0) forgetUpload({ inspection, token });
    }
  }

  #draw() {
    const { upload, photos } = this.#follows?.() ?? {};
    const left = upload?.left.bytes ?? 0;
    this.#began = Math.max(this.#began, left);
    this.#photos ||= (photos?.waiting ?? 0) > 0;
    const state = uploadState({ upload, photos, had: this.#began > 0 || this.#photos });
    if (this.dataset.state !== state) this.#build(state, upload);
    this.dataset.state = state;
    this.hidden = state === "hidden";
    const bar = this.querySelector("progress");
    if (!bar) return;
    bar.hidden = this.#began === 0;
    bar.value = this.#began - left;
    bar.max = this.#began || 1;
    const film = left > 0 ? t("{duration} of picture still to send", { duration: formatDuration(Math.ceil(upload.left.seconds)) }) : "";
    const words = [film, photosLeft({ continuity: { photos } })].filter(Boolean).join(" · ");
    const line = this.querySelector(".phone-upload__left");
    if (line.textContent !== words) line.textContent = words;
  }

  #build(state, upload) {
    const words = {
      asking: () => [h("p", { class: "phone-upload__title" }, t("Checking whether everything has arrived…"))],
      sending: () => [
        h("p", { class: "phone-upload__title" }, t("Sending what was missing. Please keep this page open.")),
        h("progress", { "aria-label": t("Sent so far") }),
        h("p", { class: "phone-upload__left numeral" }),
      ],
      waiting: () => [
        h("p", { class: "phone-upload__title" }, t("No network. Sending goes on by itself; please keep this page open.")),
        upload.deadline && upload.survivesReload && h("p", { class: "muted" }, t("You can also open the same link again later, until {time}.", { time: formatDateTime(upload.deadline) })),
      ],
      done: () => [h("p", { class: "phone-upload__title" }, this.#began > 0 || this.#photos ? t("Everything has been sent. You can close this page.") : t("You can close this page."))],
      over: () => [h("p", { class: "phone-upload__title" }, t("The time for sending is over. Nothing more is needed from you."))],
    };
    this.setAttribute("role", "status");
    this.replaceChildren(...(words[state]?.() ?? []).filter(Boolean));
  }
}

customElements.define("phone-upload", PhoneUpload);
