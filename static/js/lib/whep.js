// Playing one slot. See peer.js for the connection.

import { Peer } from "./peer.js";
import { preferCodecs } from "./whip.js";

export class Viewer extends Peer {
  #last = null;

  constructor({ base, token, iceServers, slot }) {
    super({ endpoint: `${base.replace(/\/$/, "")}/whep/${encodeURIComponent(slot)}`, token, iceServers });
    this.slot = slot;
    /** One stream for good: its tracks are exchanged at each reconnection, so a <video> keeps its srcObject. */
    this.stream = new MediaStream();
  }

  /** Resolves at once with the stream; pictures arrive when `status` says live. Retries by itself. */
  async play() {
    this.start();
    return this.stream;
  }

  prepare(pc) {
    this.#last = null;
    pc.addEventListener("track", ({ track }) => {
      for (const old of this.stream.getTracks()) {
        if (old.kind === track.kind) this.stream.removeTrack(old);
      }
      this.stream.addTrack(track);
      this.dispatchEvent(new CustomEvent("track", { detail: track }));
    });
    const video = pc.addTransceiver("video", { direction: "recvonly" });
    preferCodecs(video, RTCRtpReceiver.getCapabilities("video"));
    pc.addTransceiver("audio", { direction: "recvonly" });
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
