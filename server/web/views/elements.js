/** Builds the page's elements. Text is only ever set as text. */

/**
 * An element. `props`: `class`, `on` ({ click: listener }), and attributes, where true sets an
 * empty one and false, null and undefined leave it out. `children`: elements, texts, or nothing.
 */
export function el(tag, props = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(props)) setProp(element, name, value);
  element.append(...children.flat().filter((child) => child !== null && child !== undefined));
  return element;
}

function setProp(element, name, value) {
  if (name === "on") {
    for (const [type, listener] of Object.entries(value)) element.addEventListener(type, listener);
  } else if (value !== false && value !== null && value !== undefined) {
    element.setAttribute(name, value === true ? "" : value);
  }
}

/** A button; `icon` and `label` may each be left out, `name` is what a screen reader says. */
export function button({ label, icon, name, press, ...props }) {
  const content = [icon, label ? el("span", {}, label) : null];
  const on = { click: press };
  return el(
    "button",
    { type: "button", "aria-label": name, title: name, on, ...props },
    ...content,
  );
}

/** Sets the text only where it differs, so that screen readers are not told twice. */
export function setText(element, text) {
  if (element.textContent !== text) element.textContent = text;
}
