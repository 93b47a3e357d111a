import { t } from "./i18n.js";

/**
 * One JSON request to our own server. Resolves with the parsed answer (null when empty); rejects with an Error that has `code`, `status`,
 * `message` in the person's language and whatever else the error carried.
 *
 * @param {string} url
 * @param {{method?: string, token?: string, csrf?: string, body?: object, signal?: AbortSignal}} options
 */
export async function jsonRequest(url, { method = "GET", token, csrf, body, signal } = {}) {
  const headers = { Accept: "application/json" };
  if (token) headers.Authorization = `Bearer ${token}`;
  if (csrf) headers["X-CSRF-Token"] = csrf;
  if (body !== undefined) headers["Content-Type"] = "application/json";
  let response;
  try {
    response = await fetch(url, { method, headers, body: body === undefined ? undefined : JSON.stringify(body), signal });
  } catch (cause) {
    if (cause.name === "AbortError") throw cause;
    throw Object.assign(new Error(t("The service cannot be reached. Check the network and try again.")), { code: "unreachable", status: 0 });
  }
  const answer = await response.json().catch(() => null);
  if (response.ok) return answer;
  const { code = `http_${response.status}`, message, ...more } = answer?.error ?? {};
  throw Object.assign(new Error(message || t("The service refused this (code {code}).", { code })), { code, status: response.status, ...more });
}
