"""What real phones' cameras do, for an init script: refuse by name, never answer, end in mid-stream, be hidden."""

SCRIPT = """
const open = navigator.mediaDevices?.getUserMedia.bind(navigator.mediaDevices);
window.cameraFault = "";  // the name of a DOMException, or "pending": nobody answers the question
window.openedTracks = [];
window.clonedTracks = [];
window.isDark = () => [...openedTracks, ...clonedTracks].every(({readyState}) => readyState === "ended");
window.cameraWishes = [];
const clone = window.MediaStreamTrack?.prototype.clone;
if (clone) MediaStreamTrack.prototype.clone = function () {
  const copy = clone.call(this);
  window.clonedTracks.push(copy);
  return copy;
};
if (open) navigator.mediaDevices.getUserMedia = async (wish) => {
  if (window.cameraFault === "pending") await new Promise((resolve) => { window.answerCamera = resolve; });
  if (window.cameraFault && window.cameraFault !== "pending") throw new DOMException("of the test", window.cameraFault);
  window.cameraWishes.push(wish);
  const stream = await open(wish);
  window.openedTracks.push(...stream.getTracks());
  return stream;
};
"""

NO_HTTPS = "Object.defineProperty(window, 'isSecureContext', {value: false});"
VP9_ONLY = """
const prefer = RTCRtpTransceiver.prototype.setCodecPreferences;
RTCRtpTransceiver.prototype.setCodecPreferences = function () {
  prefer.call(this, RTCRtpSender.getCapabilities("video").codecs.filter(({mimeType}) => mimeType === "video/VP9"));
};
"""
NO_API = "Object.defineProperty(window, 'RTCPeerConnection', {value: undefined});"

END_CAMERA = """
() => {
  const track = openedTracks.filter(({kind}) => kind === "video").at(-1);
  track.stop();
  track.dispatchEvent(new Event("ended"));
}
"""

SHOW_PAGE = """
(state) => {
  Object.defineProperty(document, "visibilityState", {value: state, configurable: true});
  document.dispatchEvent(new Event("visibilitychange"));
}
"""
"""Pretend that the page is `hidden` or `visible`: headless pages always are."""
