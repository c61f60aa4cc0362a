/** The key of a server that asks for one: asked of the person once, remembered by the browser. */

import { KeyRefused, setApiKey } from "/client/continuo.js";
import { button, el } from "./views/elements.js";

const STORED = "continuo.key";

/** Runs `ask` with the key that is known; while the server refuses it, with one from the person. */
export function createKeyring(place) {
  let asking = null;
  setApiKey("", stored());

  return async function keyed(ask) {
    for (;;) {
      try {
        return await ask();
      } catch (error) {
        if (!(error instanceof KeyRefused)) throw error;
        asking ??= entered(place, stored() !== null).finally(() => (asking = null));
        remember(await asking);
      }
    }
  };
}

/** The key that the person types into a dialog; there is nothing else to do without one. */
function entered(place, wasWrong) {
  const label = wasWrong ? "The key is not, or no longer, valid. Another:" : "The server's key:";
  const input = el("input", { type: "password", id: "api-key", autocomplete: "current-password" });
  const form = el(
    "form",
    { class: "key-form", method: "dialog" },
    el("h2", {}, "This server asks for a key"),
    el("label", { for: "api-key" }, label),
    input,
    el("p", { class: "help" }, "Whoever runs the server has it. This browser remembers it."),
    button({ type: "submit", class: "primary", label: "Continue", press: () => {} }),
  );
  const dialog = el("dialog", { class: "key-dialog", "aria-label": "Key" }, form);
  place.append(dialog);
  dialog.showModal();
  dialog.addEventListener("close", () => dialog.isConnected && dialog.showModal()); // by Esc
  return new Promise((resolve) => {
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      const key = input.value.trim();
      if (!key) return input.focus();
      dialog.remove();
      resolve(key);
    });
  });
}

function stored() {
  try {
    return localStorage.getItem(STORED);
  } catch {
    return null; // the browser stores nothing
  }
}

function remember(key) {
  setApiKey("", key);
  try {
    localStorage.setItem(STORED, key);
  } catch {
    // asked for again after a reload
  }
}
