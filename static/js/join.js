// A guest joins from a computer: name, the two texts, and on to the console.

import { pageData } from "./dom.js";
import { consentTo, joinInspection } from "./lib/join.js";
import { deviceName } from "./lib/phone-device.js";

const form = document.getElementById("join-form");
const { invitation } = form.dataset;
const { texts } = pageData();
const agreements = texts.map(({ kind }) => `agree-${kind}`);

form.addEventListener("submit", (event) => {
  event.preventDefault();
  enter(false);
});
form.querySelector("[data-action=takeover]").addEventListener("click", () => enter(true));

function enter(takeover) {
  const missing = [
    ...(form.elements.name.value.trim() ? [] : ["name"]),
    ...agreements.filter((name) => !form.elements[name].checked),
  ];
  for (const name of ["name", ...agreements]) {
    const wrong = missing.includes(name);
    form.elements[name].setAttribute("aria-invalid", String(wrong));
    document.getElementById(`${name}-error`).hidden = !wrong;
  }
  if (missing.length) form.elements[missing[0]].focus();
  else join(takeover);
}

async function join(takeover) {
  const button = form.querySelector("[data-action=join]");
  if (button.dataset.state === "busy") return;
  button.dataset.state = "busy";
  show("[data-problem]", false);
  show("[data-elsewhere]", false);
  try {
    const answer = await joinInspection({
      invitation,
      name: form.elements.name.value.trim(),
      consent: consentTo(texts),
      device: deviceName(navigator.userAgent),
      takeover,
    });
    sessionStorage.setItem(`yunkan.join.${answer.inspection}`, JSON.stringify(answer));
    location.assign(`/i/${encodeURIComponent(invitation)}/console`);
  } catch (error) {
    refused(error);
  } finally {
    delete button.dataset.state;
  }
}

function refused(error) {
  if (error.code === "already_joined") {
    show("[data-elsewhere]", true);
  } else if (/^(invitation_|inspection_|too_early|consent_required)/.test(error.code)) {
    // The server has a page of its own for each of these, and shows the texts of today.
    location.reload();
  } else {
    form.querySelector("[data-problem] p").textContent = error.message;
    show("[data-problem]", true);
  }
}

function show(selector, visible) {
  form.querySelector(selector).hidden = !visible;
}
