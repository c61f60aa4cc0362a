/** A button that opens the list of files a take can be taken away as. */

import { el } from "./elements.js";
import { icon } from "./icons.js";
import { humanise } from "../wording.js";

const NAMES = { wav: "WAV", flac: "FLAC", ogg: "OGG", mp3: "MP3", midi: "MIDI", stems: "stems" };
const nameOf = (format) => NAMES[format] ?? format.toUpperCase();

/** Made anew wherever the take changes; `actions.modelOf(take)` says what can be had of it. */
export function downloadMenu(take, actions) {
  const { id, exporting, menuOpen } = take;
  if (exporting) return el("span", { class: "tool is-busy" }, `Preparing ${nameOf(exporting)}…`);
  const choose = (press) => () => {
    close();
    press();
  };
  const items = choices(take, actions).map(({ text, press }) =>
    el("button", { type: "button", class: "menu-item", on: { click: choose(press) } }, text),
  );
  const summary = el("summary", { class: "tool" }, icon("download"), el("span", {}, "Download"));
  const list = el("div", { class: "menu-items" }, items);
  const menu = el("details", { class: "menu", open: menuOpen }, summary, list);
  const close = () => {
    menu.open = false;
  };
  menu.addEventListener("toggle", () => menu.open || actions.menuClosed(id));
  menu.addEventListener("focusout", (event) => {
    if (!menu.contains(event.relatedTarget) && event.relatedTarget) close();
  });
  menu.addEventListener("keydown", (event) => {
    if (event.key !== "Escape" || !menu.open) return;
    event.preventDefault(); // Esc closes the menu; it does not stop the music too
    close();
    summary.focus();
  });
  return menu;
}

/** Every file of a take: { text, press }. */
function choices(take, actions) {
  const { id, stemNames } = take;
  const model = actions.modelOf(take);
  const formats = model?.formats ?? ["wav"];
  const hasMore = model?.abilities.includes("stems") && stemNames.length === 0;
  return [
    ...formats.map((format) => ({
      text: nameOf(format),
      press: () => actions.download(id, format),
    })),
    ...(hasMore ? [{ text: "Stems…", press: () => actions.getStems(id) }] : []),
    ...stemNames.map((name) => ({
      text: `Stem: ${humanise(name)}`,
      press: () => actions.downloadStem(id, name),
    })),
  ];
}

/** A press anywhere else closes the menus that are open. */
export function mountMenus() {
  addEventListener("pointerdown", (event) => {
    for (const menu of document.querySelectorAll("details.menu[open]")) {
      if (!menu.contains(event.target)) menu.open = false;
    }
  });
}
