// Building elements without innerHTML: text from people can never become markup.

const SVG = "http://www.w3.org/2000/svg";

/** h("p", {class: "muted", data: {state: "x"}, onclick: f, hidden: false}, child, …); null and false children are left out. */
export function h(tag, props = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(props)) {
    if (value === null || value === undefined || value === false) continue;
    if (name === "data") Object.assign(element.dataset, value);
    else if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else element.setAttribute(name, value === true ? "" : value);
  }
  element.append(...children.flat().filter((child) => child !== null && child !== undefined && child !== false));
  return element;
}

/** A drawing of static/icons.svg; decoration only, the text beside it says the same. */
export function icon(name, className = "") {
  const svg = document.createElementNS(SVG, "svg");
  svg.setAttribute("class", `icon ${className}`.trim());
  svg.setAttribute("aria-hidden", "true");
  const use = document.createElementNS(SVG, "use");
  use.setAttribute("href", `${document.documentElement.dataset.icons}#${name}`);
  svg.append(use);
  return svg;
}

/** The JSON block that the template wrote, or {}. */
export function pageData(id = "page-data") {
  const block = document.getElementById(id);
  return block ? JSON.parse(block.textContent) : {};
}
