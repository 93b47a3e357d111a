// The grade of a network and why it is what it is, in words. Pure: words come from `t`.

const GRADES = {
  good: (t) => t("Network good"),
  fair: (t) => t("Network fair"),
  poor: (t) => t("Network weak"),
  lost: (t) => t("Network lost"),
  unknown: (t) => t("Network unknown"),
};

const TONES = { good: "ok", fair: "warn", poor: "bad", lost: "bad" };

const REASONS = {
  no_media: (t) => t("no picture arrives"),
  loss: (t) => t("packets are lost"),
  loss_down: (t) => t("what they watch arrives with losses"),
  delay: (t) => t("long delay"),
  bandwidth: (t) => t("too little bandwidth"),
  bitrate: (t) => t("very little bandwidth"),
  cpu: (t) => t("the device is overloaded"),
};

export function gradeWord(t, grade) {
  return (GRADES[grade] ?? GRADES.unknown)(t);
}

export function gradeTone(grade) {
  return TONES[grade] ?? "neutral";
}

/** The reasons of a grade in words, joined; unknown codes are left out. */
export function reasonWords(t, codes) {
  return codes.filter((code) => code in REASONS).map((code) => REASONS[code](t)).join(t(", "));
}
