import { h } from "../dom.js";
import { formatMinute, t } from "../lib/i18n.js";

/**
 * The chat sheet: a <dialog data-sheet="chat"> inside <phone-stage>. Not an element of its own, because Safari has no
 * customised built-ins: `upgrade()` gives the dialog its `session` setter.
 */
function upgrade(dialog) {
  const list = dialog.querySelector(".phone-chat");
  const form = dialog.querySelector("form");
  const problem = form.querySelector(".field__error");
  const badge = dialog.closest("phone-stage").querySelector(".phone-control__count");
  let session = null;
  let drawn = 0;
  let read = 0;

  function draw() {
    const { chat } = session.state;
    for (const line of chat.slice(drawn)) list.append(item(line, session.me));
    if (chat.length > drawn && dialog.open) list.lastElementChild.scrollIntoView({ block: "end" });
    drawn = chat.length;
    if (dialog.open) read = drawn;
    const unread = chat.slice(read).filter(({ by }) => by !== session.me).length;
    badge.textContent = unread;
    badge.hidden = unread === 0;
  }

  async function send(event) {
    event.preventDefault();
    const field = form.querySelector("textarea");
    const text = field.value.trim();
    // A second tap comes before the first one's answer: it is the same line.
    if (!text || form.dataset.state === "busy") return;
    form.dataset.state = "busy";
    problem.hidden = true;
    try {
      await session.send({ type: "chat", text });
      // Kept until the server has it: a lost line would be typed twice.
      field.value = "";
    } catch (error) {
      problem.textContent = ["not_connected", "lost", "timeout"].includes(error.code)
        ? t("Not sent: no connection. Your text is kept, try again.")
        : error.message;
      problem.hidden = false;
    } finally {
      delete form.dataset.state;
    }
  }

  form.addEventListener("submit", send);
  // Opening does not fire an event everywhere: the attribute does.
  new MutationObserver(() => {
    if (!dialog.open || !session) return;
    draw();
    list.lastElementChild?.scrollIntoView({ block: "end" });
  }).observe(dialog, { attributeFilter: ["open"] });

  Object.defineProperty(dialog, "session", {
    set(value) {
      session = value;
      drawn = 0;
      read = 0;
      list.replaceChildren();
      draw();
      session.addEventListener("change", () => session === value && draw());
    },
  });
}

function item({ by, name, at, text }, me) {
  const who = by === me ? t("You") : name;
  return h(
    "li",
    { class: "phone-chat__line", "data-own": by === me },
    h("p", { class: "phone-chat__meta" }, `${who} ${formatMinute(at)}`),
    h("p", {}, text),
  );
}

for (const dialog of document.querySelectorAll("phone-stage [data-sheet=chat]")) upgrade(dialog);
