/** Short messages that go away by themselves, and words for screen readers only. */

import { button, el } from "./elements.js";

const SHOWN_SECONDS = 8;

/** `toast(text, { label, press })` shows a message with an action. */
export function createToasts(region) {
  return (text, { label, press }) => {
    const gone = () => toast.remove();
    const act = () => {
      gone();
      press();
    };
    const toast = el(
      "div",
      { class: "toast" },
      el("span", {}, text),
      button({ class: "secondary", label, press: act }),
    );
    region.replaceChildren(toast);
    setTimeout(gone, SHOWN_SECONDS * 1000);
  };
}

/** `announce(text)` has it read out. */
export function createAnnouncer(region) {
  return (text) => {
    region.textContent = "";
    region.textContent = text;
  };
}
