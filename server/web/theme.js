/** Light or dark: as the system has it, until someone chooses. */

import { icon } from "./views/icons.js";

const KEY = "continuo.theme";
const DARK = matchMedia("(prefers-color-scheme: dark)");

/** Makes `button` change the theme; `onChange` is called whenever another one is on. */
export function mountTheme(button, onChange) {
  let choice = remembered();

  const apply = () => {
    const theme = choice ?? systemTheme();
    document.documentElement.dataset.theme = theme;
    button.setAttribute("aria-label", `Change to the ${opposite(theme)} theme`);
    button.replaceChildren(icon(theme === "dark" ? "sun" : "moon"));
    onChange();
  };

  button.addEventListener("click", () => {
    const next = opposite(choice ?? systemTheme());
    choice = next === systemTheme() ? null : next; // what the system has anyway is no choice
    remember(choice);
    apply();
  });
  DARK.addEventListener("change", apply);
  apply();
}

function systemTheme() {
  return DARK.matches ? "dark" : "light";
}

function opposite(theme) {
  return theme === "dark" ? "light" : "dark";
}

function remembered() {
  try {
    return localStorage.getItem(KEY);
  } catch {
    return null; // storage is switched off: a choice holds until the page is left
  }
}

function remember(choice) {
  try {
    if (choice === null) localStorage.removeItem(KEY);
    else localStorage.setItem(KEY, choice);
  } catch {
    return; // as above
  }
}
