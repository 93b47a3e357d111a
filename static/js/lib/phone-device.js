// What kind of phone and browser this is: only to word advice and to name the device, never to allow or refuse.

/** {system: "ios" | "android" | "harmony" | "other", app: "wechat" | "alipay" | "dingtalk" | "qq" | "browser"}. */
export function deviceKind(userAgent) {
  const has = (pattern) => pattern.test(userAgent);
  const system = has(/iPhone|iPad|iPod/) ? "ios" : has(/OpenHarmony|HarmonyOS/) ? "harmony" : has(/Android/) ? "android" : "other";
  if (has(/MicroMessenger/i)) return { system, app: "wechat" };
  if (has(/AlipayClient/i)) return { system, app: "alipay" };
  if (has(/DingTalk/i)) return { system, app: "dingtalk" };
  if (has(/\bQQ\//i)) return { system, app: "qq" };
  return { system, app: "browser" };
}

/** A short name for the other side and for the log: "HUAWEI ALN-AL00 · Android 12 · WeChat". At most 120 characters. */
export function deviceName(userAgent, model = "") {
  const { app, system } = deviceKind(userAgent);
  const android = androidModel(userAgent);
  const ios = /OS (\d+)[_\d]* like Mac/.exec(userAgent);
  const parts = [
    model || android?.model || (system === "ios" ? "iPhone" : ""),
    android ? `Android ${android.version}` : ios ? `iOS ${ios[1]}` : system === "harmony" ? "HarmonyOS" : "",
    { wechat: "WeChat", alipay: "Alipay", dingtalk: "DingTalk", qq: "QQ" }[app] ?? browserName(userAgent),
  ];
  return parts.filter(Boolean).join(" · ").slice(0, 120);
}

/** {version, model}; a browser that hides the model says "K", a web view adds "wv". */
function androidModel(userAgent) {
  const [, version, rest] = /Android ([\d.]+)([^)]*)\)/.exec(userAgent) ?? [];
  if (!version) return null;
  const names = rest.split(";").map((part) => part.trim().replace(/ Build\/.*/, ""));
  return { version, model: names.find((name) => name.length > 1 && name !== "wv" && !/^[a-z]{2}[-_][a-z]{2}$/i.test(name)) };
}

function browserName(userAgent) {
  const known = [["HuaweiBrowser", "Huawei Browser"], ["MiuiBrowser", "Mi Browser"], ["EdgA?", "Edge"], ["Firefox|FxiOS", "Firefox"], ["Chrome|CriOS", "Chrome"], ["Safari", "Safari"]];
  return known.find(([pattern]) => new RegExp(`(?:${pattern})/`).test(userAgent))?.[1] ?? "";
}

/** Which steps to a refused permission apply here: the key of a list that the page words. */
export function permissionSteps(userAgent) {
  const { system, app } = deviceKind(userAgent);
  if (app !== "browser") return system === "ios" ? "app-ios" : "app-android";
  return { ios: "safari", android: "android", harmony: "android", other: "desktop" }[system];
}
