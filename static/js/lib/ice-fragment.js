// Trickle-ICE fragments (RFC 8840 section 9), as WHIP and WHEP carry them in PATCH (RFC 9725 section 4.3). Pure.

const lines = (text) => text.split(/\r?\n/).filter(Boolean);
const valueOf = (name, text) => lines(text).find((line) => line.startsWith(`a=${name}:`))?.slice(name.length + 3);

/** The candidates of the first m-line under the credentials of `sdp`; null in `candidates` ends them. */
export function sdpFragment(sdp, candidates) {
  const line = (prefix) => lines(sdp).find((text) => text.startsWith(prefix));
  const media = [];
  for (const candidate of candidates) {
    if (candidate === null || candidate.candidate === "") media.push("a=end-of-candidates");
    else media.push(`a=${candidate.candidate}`);
  }
  return `${[line("a=ice-ufrag:"), line("a=ice-pwd:"), line("m="), line("a=mid:"), ...media].filter(Boolean).join("\r\n")}\r\n`;
}

/**
 * The answer in force with the credentials and candidates that the server gave for an ICE restart; null when
 * `fragment` has none.
 */
export function restartedAnswer(answer, fragment) {
  const fresh = { "ice-ufrag": valueOf("ice-ufrag", fragment), "ice-pwd": valueOf("ice-pwd", fragment) };
  if (!fresh["ice-ufrag"] || !fresh["ice-pwd"]) return null;
  const candidates = lines(fragment).filter((line) => line.startsWith("a=candidate:"));
  const out = [];
  for (const line of lines(answer)) {
    const name = /^a=(ice-ufrag|ice-pwd):/.exec(line)?.[1];
    if (line.startsWith("a=candidate:")) continue;
    out.push(name ? `a=${name}:${fresh[name]}` : line);
    if (name === "ice-pwd") out.push(...candidates);
  }
  return `${out.join("\r\n")}\r\n`;
}
