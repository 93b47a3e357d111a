// TURN servers as WHIP and WHEP name them in Link headers (RFC 9725 section 4.6). Pure.

const LINK = /<([^>]*)>((?:\s*;\s*[\w-]+="[^"]*")*)/g;
const PARAMETER = /([\w-]+)="([^"]*)"/g;

/** `header`: all Link headers as fetch joins them, or null. What is no ICE server is left out. */
export function iceServersOf(header) {
  const servers = [];
  for (const [, url, rest] of (header ?? "").matchAll(LINK)) {
    const { rel, username, credential } = Object.fromEntries([...rest.matchAll(PARAMETER)].map(([, name, value]) => [name, value]));
    if (rel !== "ice-server" || !/^(turn|turns|stun):/.test(url)) continue;
    servers.push(username === undefined ? { urls: url } : { urls: url, username, credential });
  }
  return servers;
}
