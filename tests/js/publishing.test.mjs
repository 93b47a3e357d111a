import assert from "node:assert/strict";
import { mock, test } from "node:test";

import { sdpFragment } from "../../static/js/lib/ice-fragment.js";
import { iceServersOf } from "../../static/js/lib/ice-servers.js";
import { Publisher, legible, rankCodecs } from "../../static/js/lib/whip.js";

const h264 = (profile, mode = 1) => ({
  mimeType: "video/H264", sdpFmtpLine: `level-asymmetry-allowed=1;packetization-mode=${mode};profile-level-id=${profile}`,
});
const vp8 = { mimeType: "video/VP8" };
const rtx = { mimeType: "video/rtx" };

test("H.264 constrained baseline comes first, then VP8, and repair stays", () => {
  const codecs = [vp8, rtx, { mimeType: "video/VP9" }, h264("640c1f"), h264("42e01f", 0), h264("42001f"), h264("42e01f"), { mimeType: "video/AV1" }];
  assert.deepEqual(rankCodecs(codecs), [h264("42e01f"), vp8, rtx]);
});

test("a browser with neither codec keeps its own order", () => {
  assert.deepEqual(rankCodecs([{ mimeType: "video/VP9" }, rtx]), []);
});

test("trickled candidates carry the credentials and the m-line they belong to", () => {
  const sdp = "v=0\r\nm=video 9 UDP/TLS/RTP/SAVPF 96\r\na=ice-ufrag:abcd\r\na=ice-pwd:secret\r\na=mid:0\r\nm=audio 9 X\r\na=mid:1\r\n";
  const candidate = { candidate: "candidate:1 1 udp 2130706431 192.0.2.1 5000 typ host" };
  assert.equal(
    sdpFragment(sdp, [candidate, null]),
    "a=ice-ufrag:abcd\r\na=ice-pwd:secret\r\nm=video 9 UDP/TLS/RTP/SAVPF 96\r\na=mid:0\r\n" +
      "a=candidate:1 1 udp 2130706431 192.0.2.1 5000 typ host\r\na=end-of-candidates\r\n",
  );
});

test("a thin network costs frames, not the size of the picture", () => {
  const wanted = { maxBitrate: 2_000_000, scaleResolutionDownBy: 1, maxFramerate: 30 };
  const tuned = legible({ transactionId: "7", encodings: [{ active: true, scaleResolutionDownBy: 4 }] }, wanted);
  assert.deepEqual(tuned, {
    transactionId: "7",
    degradationPreference: "maintain-resolution",
    encodings: [{ active: true, ...wanted }],
  });
  assert.deepEqual(legible({ transactionId: "8" }, wanted).encodings, []);
});

test("the picture is whole and sharp from the first offer on", async () => {
  globalThis.RTCRtpSender ??= { getCapabilities: () => null };
  const added = [];
  const pc = { addTransceiver: (track, init) => (added.push([track, init]), { sender: {} }) };
  const publisher = new Publisher({ base: "/live", token: "t" });
  publisher.start = async () => publisher.prepare(pc);
  const video = { kind: "video", contentHint: "" };
  const audio = { kind: "audio" };
  await publisher.publish({ getVideoTracks: () => [video], getAudioTracks: () => [audio] });
  assert.equal(video.contentHint, "detail");
  assert.deepEqual(added, [
    [video, { direction: "sendonly", sendEncodings: [{ maxBitrate: 2_000_000, scaleResolutionDownBy: 1, maxFramerate: 30 }] }],
    [audio, { direction: "sendonly", sendEncodings: [{ priority: "high", networkPriority: "high" }] }],
  ]);
});

test("a picture that the answer does not take is known", async () => {
  const directions = { video: "stopped", audio: "sendonly" };
  const publisher = new Publisher({ base: "/live", token: "t" });
  publisher.start = async () => publisher.prepare({
    addTransceiver: ({ kind }) => ({ sender: {}, get currentDirection() { return directions[kind]; } }),
  });
  await publisher.publish({ getVideoTracks: () => [{ kind: "video" }], getAudioTracks: () => [{ kind: "audio" }] });
  assert.deepEqual([publisher.isRefused("video"), publisher.isRefused("audio")], [true, false]);
  directions.video = "sendonly";
  assert.equal(publisher.isRefused("video"), false);
});

test("a way that stays thin costs frames, without a new connection", async () => {
  const publisher = new Publisher({ base: "/live", token: "t" });
  const set = [];
  const sender = { getParameters: () => ({ encodings: [{}] }), setParameters: async (parameters) => set.push(parameters) };
  publisher.start = async () => publisher.prepare({ addTransceiver: () => ({ sender }) });
  await publisher.publish({ getVideoTracks: () => [{ kind: "video" }], getAudioTracks: () => [] });
  const look = () => publisher.measured([
    { type: "candidate-pair", nominated: true, state: "succeeded", availableOutgoingBitrate: 400_000 },
  ]);
  mock.method(performance, "now", () => 1000);
  look();
  assert.equal(set.length, 0);
  mock.method(performance, "now", () => 3000);
  look();
  mock.restoreAll();
  assert.equal(set[0].encodings[0].maxFramerate, 15);
  assert.equal(set[0].encodings[0].scaleResolutionDownBy, 1);
});

test("TURN servers are read from Link headers", () => {
  const header =
    '<turn:192.0.2.1:3478?transport=udp>; rel="ice-server"; username="1:ab"; credential="x/+="; credential-type="password", ' +
    '<https://example.org/a,b>; rel="next", <stun:192.0.2.1>; rel="ice-server"';
  assert.deepEqual(iceServersOf(header), [
    { urls: "turn:192.0.2.1:3478?transport=udp", username: "1:ab", credential: "x/+=" },
    { urls: "stun:192.0.2.1" },
  ]);
  assert.deepEqual(iceServersOf(null), []);
});
