// Playing one slot. See peer.js for the connection.

import { Peer } from "./peer.js";
import { preferCodecs } from "./whip.js";

const KEEP_LAST_PICTURE_MS = 5000;

export class Viewer extends Peer {
  #last = null;

  constructor({ base, slot, ...how }) {
    super({ endpoint: `${base.replace(/\/$/, "")}/whep/${encodeURIComponent(slot)}`, ...how });
    this.slot = slot;
    /** One stream for good: its tracks come with their first packet and are exchanged at each reconnection, so a <video> keeps its srcObject. */
    this.stream = new MediaStream();
  }

  /** Resolves at once with the stream; pictures arrive when `status` says live. Retries by itself. */
  async play() {
    this.start();
    return this.stream;
  }

  prepare(pc) {
    this.#last = null;
    pc.addEventListener("track", ({ track }) => this.#await(track));
    const video = pc.addTransceiver("video", { direction: "recvonly" });
    preferCodecs(video, RTCRtpReceiver.getCapabilities("video"));
    pc.addTransceiver("audio", { direction: "recvonly" });
  }

  /**
   * A track joins the stream with its first packet: an element that waits for a video which never comes would not
   * even play the voice. Until then the last picture of the connection before stays, for a moment.
   */
  #await(track) {
    const old = this.stream.getTracks().filter(({ kind }) => kind === track.kind);
    const drop = () => old.forEach((each) => this.stream.removeTrack(each));
    const add = () => {
      drop();
      this.stream.addTrack(track);
      this.dispatchEvent(new CustomEvent("track", { detail: track }));
    };
    if (!track.muted) {
      add();
      return;
    }
    track.addEventListener("unmute", add, { once: true });
    if (old.length > 0) setTimeout(drop, KEEP_LAST_PICTURE_MS);
  }

  /** {rtt_s, loss, bitrate_bps, width, height, fps, frames, frozen_s}; null while there is no connection. */
  async stats() {
    const pc = this.connection;
    if (!pc) return null;
    const reports = [...(await pc.getStats()).values()];
    const inbound = reports.filter((r) => r.type === "inbound-rtp");
    const video = inbound.find((r) => r.kind === "video");
    const pair = reports.find((r) => r.type === "candidate-pair" && r.nominated);
    const sum = (name) => inbound.reduce((total, r) => total + (r[name] ?? 0), 0);
    const now = { at: performance.now(), bytes: sum("bytesReceived"), packets: sum("packetsReceived"), lost: sum("packetsLost") };
    const last = this.#last ?? now;
    this.#last = now;
    const expected = now.packets - last.packets + (now.lost - last.lost);
    return {
      rtt_s: pair?.currentRoundTripTime ?? null,
      loss: expected > 0 ? Math.max(0, (now.lost - last.lost) / expected) : null,
      bitrate_bps: now.at > last.at ? Math.round(((now.bytes - last.bytes) * 8000) / (now.at - last.at)) : null,
      width: video?.frameWidth ?? null,
      height: video?.frameHeight ?? null,
      fps: video?.framesPerSecond ?? null,
      frames: video?.framesDecoded ?? null,
      frozen_s: video?.totalFreezesDuration ?? null,
    };
  }
}
