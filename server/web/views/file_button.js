/** A button that opens a file of the user's, and the file that was opened. */

import { button, el } from "./elements.js";
import { icon } from "./icons.js";

/** `open(file)` is called with the chosen one. */
export function fileButton({ label, accept, open, ...props }) {
  const input = el("input", {
    type: "file",
    accept,
    hidden: true,
    "aria-label": label,
    on: {
      change: () => {
        const [file] = input.files;
        input.value = ""; // so that the same one can be chosen again
        if (file) open(file);
      },
    },
  });
  const press = () => input.click();
  return el("span", {}, button({ class: "chip", label, press, ...props }), input);
}

/** An opened file's name, with a button that puts it away. */
export function openedFile(name, remove) {
  const away = button({
    class: "chip-remove",
    icon: icon("close"),
    name: `Remove ${name}`,
    press: remove,
  });
  return el("span", { class: "chip opened-file" }, el("span", {}, name), away);
}
