// Publishing one camera (or screen) with its microphone. See peer.js for the connection.

import { Peer } from "./peer.js";
import { PictureLadder } from "./picture-ladder.js";

const MAX_BITRATE_BPS = 2_000_000;
// Hearing each other matters more than seeing: when something has to wait, the voice does not.
const VOICE = { priority: "high", networkPriority: "high" };
// A nameplate must stay readable, and a size that changes begins another file of the recording.
const KEEP_SIZE = "maintain-resolution";

export class Publisher extends Peer {
  #ladder = new PictureLadder();
  #tracks = { video: null, audio: null };
  #senders = {};
  #transceivers = {};
  #last = null;

  /** `base`, `token`, `iceServers` as the join answered; `source`: "camera" or "screen". */
  constructor({ base, source = "camera", ...how }) {
    super({ endpoint: `${base.replace(/\/$/, "")}/whip?source=${source}`, ...how });
  }

  /** Publish the stream's first video and audio track. Returns after the first offer; `status` tells the rest. */
  async publish(stream) {
    this.#tracks.video = stream.getVideoTracks()[0] ?? null;
    this.#tracks.audio = stream.getAudioTracks()[0] ?? null;
    await this.start();
  }

  /** Swap the camera or the microphone without a new connection where that is possible; survives reconnections. */
  async replaceTrack(kind, track) {
    const wasOffered = this.#tracks[kind] !== null;
    this.#tracks[kind] = track;
    if (!this.connection) return;
    if (wasOffered && this.#senders[kind]) await this.#senders[kind].replaceTrack(tuned(track));
    else if (track) await this.restart();
  }

  prepare(pc) {
    this.#senders = {};
    this.#transceivers = {};
    this.#last = null;
    for (const kind of ["video", "audio"]) {
      const track = tuned(this.#tracks[kind]);
      if (!track) continue;
      // From the first frame on, not from the answer on: Chromium begins with a small picture otherwise.
      const init = { direction: "sendonly", sendEncodings: [kind === "video" ? this.#encoding : { ...VOICE }] };
      const transceiver = pc.addTransceiver(track, init);
      this.#senders[kind] = transceiver.sender;
      this.#transceivers[kind] = transceiver;
      if (kind === "video") preferCodecs(transceiver, RTCRtpSender.getCapabilities("video"));
    }
  }

  /** Whether the server's answer takes nothing of this kind: the browser knows none of the codecs that the server knows. */
  isRefused(kind) {
    return ["inactive", "stopped"].includes(this.#transceivers[kind]?.currentDirection);
  }

  get #encoding() {
    return { maxBitrate: MAX_BITRATE_BPS, ...this.#ladder.encoding };
  }

  async negotiated() {
    const sender = this.#senders.video;
    if (!sender) return;
    await sender.setParameters(legible(sender.getParameters(), this.#encoding)).catch(() => {});
  }

  /** The browser's own estimate of the way, led by what the server tells it of arrivals, decides what is worth sending. */
  measured(reports) {
    const pair = reports.find(({ type, nominated, state }) => type === "candidate-pair" && nominated && state === "succeeded");
    if (pair?.availableOutgoingBitrate && this.#ladder.update(pair.availableOutgoingBitrate, performance.now())) this.negotiated();
  }

  /** {rtt_s, loss, bitrate_bps, limited, width, height, fps}; null while there is no connection. */
  async stats() {
    const pc = this.connection;
    if (!pc) return null;
    const reports = [...(await pc.getStats()).values()];
    const video = reports.find((r) => r.type === "outbound-rtp" && r.kind === "video");
    const remote = reports.find((r) => r.type === "remote-inbound-rtp" && r.kind === "video");
    const pair = reports.find((r) => r.type === "candidate-pair" && r.nominated);
    const bytes = reports.filter((r) => r.type === "outbound-rtp").reduce((sum, r) => sum + (r.bytesSent ?? 0), 0);
    const rate = this.#rate(bytes);
    return {
      rtt_s: remote?.roundTripTime ?? pair?.currentRoundTripTime ?? null,
      loss: remote?.fractionLost ?? null,
      bitrate_bps: rate,
      limited: this.#ladder.isReduced ? "bandwidth" : (video?.qualityLimitationReason ?? "none"),
      width: video?.frameWidth ?? null,
      height: video?.frameHeight ?? null,
      fps: video?.framesPerSecond ?? null,
    };
  }

  #rate(bytes) {
    const now = performance.now();
    const last = this.#last;
    this.#last = { bytes, now };
    if (!last || now <= last.now) return null;
    return Math.round(((bytes - last.bytes) * 8000) / (now - last.now));
  }
}

function tuned(track) {
  // Nameplates and scales must stay readable: keep the detail, give up frames.
  if (track?.kind === "video" && "contentHint" in track) track.contentHint = "detail";
  return track;
}

/** Sender parameters under which a thin network costs frames and not the size of the picture. */
export function legible(parameters, wanted) {
  const encodings = (parameters.encodings ?? []).map((encoding) => ({ ...encoding, ...wanted }));
  return { ...parameters, encodings, degradationPreference: KEEP_SIZE };
}

/** H.264 constrained baseline first (every phone encodes it in hardware, every browser plays it), then VP8. */
export function preferCodecs(transceiver, capabilities) {
  if (!transceiver.setCodecPreferences || !capabilities) return;
  const ranked = rankCodecs(capabilities.codecs);
  if (ranked.length) transceiver.setCodecPreferences(ranked);
}

/** The codecs of `codecs` we use, best first; whatever repairs losses stays. */
export function rankCodecs(codecs) {
  const isMode1 = (codec) => /packetization-mode=1/.test(codec.sdpFmtpLine ?? "");
  const rank = (codec) => {
    const type = codec.mimeType.toLowerCase();
    if (type === "video/h264") return isMode1(codec) && /profile-level-id=42e0/i.test(codec.sdpFmtpLine) ? 0 : 9;
    if (type === "video/vp8") return 1;
    return type === "video/rtx" ? 2 : 9;
  };
  const usable = codecs.filter((codec) => rank(codec) < 9).sort((a, b) => rank(a) - rank(b));
  return usable.some((codec) => rank(codec) < 2) ? usable : [];
}
