// JSON as it is hashed and signed: RFC 8785. JavaScript writes numbers and strings in just that form; keys are sorted by code unit.

/** @returns {string} */
export function canonical(value) {
  if (Array.isArray(value)) return `[${value.map(canonical).join(",")}]`;
  if (value === null || typeof value !== "object") return JSON.stringify(value);
  const fields = Object.keys(value).sort().map((key) => `${JSON.stringify(key)}:${canonical(value[key])}`);
  return `{${fields.join(",")}}`;
}

/** The line of the log that an event was told from, as it was hashed. */
export function lineOf(inspection, { seq, type, actor, at, t_mono, t_client, body, prev }) {
  return canonical({ v: 1, inspection, seq, type, actor, t_utc: at, t_mono, t_client, body, prev });
}
