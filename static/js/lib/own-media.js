import { t } from "./i18n.js";
import { Publisher } from "./whip.js";

const AUDIO = { echoCancellation: true, noiseSuppression: true, autoGainControl: true };
// A face in a small tile: the picture that counts comes from the other side.
const VIDEO = { width: { ideal: 640 }, height: { ideal: 360 }, frameRate: { ideal: 24 } };

const REFUSALS = {
  microphone: {
    NotAllowedError: () => t("The browser does not give the microphone. Allow it beside the address, then try again."),
    NotFoundError: () => t("No microphone was found."),
    NotReadableError: () => t("The microphone is used by another program."),
  },
  camera: {
    NotAllowedError: () => t("The browser does not give the camera. Allow it beside the address, then try again."),
    NotFoundError: () => t("No camera was found."),
    NotReadableError: () => t("The camera is used by another program."),
  },
};

/**
 * The person's own microphone and camera: off until asked for, one connection for both.
 *
 * `microphone` and `camera` are "off", "asking", "on" (the microphone also "muted": kept open and silent, so that speaking again is instant).
 * `connection` is that of their way to the server: only "live" means that anything goes out. Dispatches `change`, `mute` (detail `{kind, muted}`)
 * for the room to be told, and `refused` (detail `{code, message}`) when the server takes nothing; for good if everything is off after it.
 */
export class OwnMedia extends EventTarget {
  microphone = "off";
  camera = "off";
  connection = "closed";
  stream = new MediaStream();
  #seat = null;
  #publisher = null;
  #refusedBy = null;

  /** The seat (`base`, `token`, `ice_servers` of the join) may change: a new join means a new publisher. */
  async takeSeat({ base, token, ice_servers: iceServers }) {
    this.#seat = { base, token, iceServers };
    if (this.#publisher) {
      this.#publisher.close();
      this.#publisher = null;
      await this.#publish();
    }
  }

  async toggleMicrophone() {
    if (this.microphone === "asking") return;
    const [track] = this.stream.getAudioTracks();
    if (track) {
      track.enabled = !track.enabled;
      this.#set({ microphone: track.enabled ? "on" : "muted" });
      this.#muted("audio", !track.enabled);
      return;
    }
    await this.#open("microphone", { audio: AUDIO }, "audio");
  }

  async toggleCamera() {
    if (this.camera === "asking") return;
    const [track] = this.stream.getVideoTracks();
    if (track) {
      // Stopped and not merely darkened: the lamp beside the lens must go out.
      track.stop();
      this.stream.removeTrack(track);
      await this.#publisher?.replaceTrack("video", null);
      this.#set({ camera: "off" });
      this.#muted("video", true);
      return;
    }
    await this.#open("camera", { video: VIDEO }, "video");
  }

  /** Everything off: the inspection is over or the page goes. */
  close() {
    this.#publisher?.close();
    this.#publisher = null;
    for (const track of this.stream.getTracks()) track.stop();
    this.stream = new MediaStream();
    this.#set({ microphone: "off", camera: "off", connection: "closed" });
  }

  async #open(device, constraints, kind) {
    this.#set({ [device]: "asking" });
    let track;
    try {
      if (!navigator.mediaDevices) throw new DOMException("", "SecurityError");
      track = (await navigator.mediaDevices.getUserMedia(constraints)).getTracks()[0];
    } catch (error) {
      this.#set({ [device]: "off" });
      const words = REFUSALS[device][error.name]?.() ?? t("The device cannot be used here ({reason}).", { reason: error.name });
      throw Object.assign(new Error(words), { code: error.name });
    }
    track.addEventListener("ended", () => this.#ended(device, track));
    this.stream.addTrack(track);
    this.#set({ [device]: "on" });
    this.#muted(kind, false);
    if (this.#publisher) await this.#publisher.replaceTrack(kind, track);
    else await this.#publish();
  }

  async #publish() {
    if (!this.#seat || this.stream.getTracks().length === 0) return;
    const publisher = new Publisher({ ...this.#seat, source: "camera" });
    this.#publisher = publisher;
    publisher.addEventListener("status", ({ detail }) => publisher === this.#publisher && this.#told(detail));
    await publisher.publish(this.stream);
  }

  #told({ status, code, message }) {
    const isNew = code && code !== this.#refusedBy;
    this.#refusedBy = code ?? null;
    // What cannot be sent at all must not look as if it were.
    if (code && status === "closed") this.close();
    else this.#set({ connection: status });
    if (isNew) this.dispatchEvent(new CustomEvent("refused", { detail: { code, message } }));
  }

  /** Unplugged, or taken back by the browser. */
  #ended(device, track) {
    this.stream.removeTrack(track);
    this.#publisher?.replaceTrack(track.kind, null);
    this.#set({ [device]: "off" });
    this.#muted(track.kind, true);
  }

  #muted(kind, muted) {
    this.dispatchEvent(new CustomEvent("mute", { detail: { kind, muted } }));
  }

  #set(change) {
    Object.assign(this, change);
    this.dispatchEvent(new CustomEvent("change"));
  }
}
