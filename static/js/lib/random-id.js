/** 32 hexadecimal digits that nobody else has. `crypto.randomUUID` is missing in older browsers, and where the page came by plain http. */
export function randomId() {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}
