// A graded position (docs/PROTOCOL.md, location.fixed) for people: a grade with its reasons, never a bare tick.

const GRADES = {
  near: (t, fix) => ["ok", t("At the place: {distance} from the address", fix)],
  uncertain: (t, fix) => ["warn", t("Not clear: {distance} from the address", fix)],
  far: (t, fix) => ["bad", t("Somewhere else: {distance} from the address", fix)],
  unknown: (t) => ["neutral", t("Not compared with the address")],
};

const REASONS = {
  within: (t) => t("Also with its inaccuracy within 200 m of the case's coordinates."),
  between: (t) => t("Neither clearly within 200 m nor clearly more than 1 km away."),
  beyond: (t) => t("Also with its inaccuracy more than 1 km away."),
  coarse: (t) => t("Coarse: from mobile cells or Wi-Fi, not from satellites."),
  map_offset: (t) => t("The case's coordinates may come from a Chinese map, which is offset by some hundred metres."),
  no_place: (t) => t("The case has no coordinates."),
  claimed: (t) => t("The phone says so itself and can be deceived: look at the doorplate and the street too."),
};

/** "85 m", "1.2 km". */
export function distanceWord(t, metres) {
  return metres < 1000 ? t("{n} m", { n: Math.round(metres) }) : t("{n} km", { n: (metres / 1000).toFixed(1) });
}

/** {tone, title, accuracy, reasons: [text]} of the body of a `location.fixed`; an older one without a grade counts as not compared. */
export function locationWords(t, body) {
  const distance = distanceWord(t, body.distance_m ?? 0);
  const [tone, title] = (GRADES[body.grade] ?? GRADES.unknown)(t, { distance });
  const accuracy = t("Accurate to {metres} m", { metres: Math.round(body.accuracy_m) });
  const reasons = (body.reasons ?? ["claimed"]).map((code) => REASONS[code]?.(t)).filter(Boolean);
  return { tone, title, accuracy, reasons };
}
