/** What was made before and is kept in this browser. */

import { MAX_BYTES, MAX_KEPT } from "../library.js";
import { titleOf } from "../take.js";
import { duration, size, when } from "../wording.js";
import { downloadMenu } from "./download_menu.js";
import { button, el, setText } from "./elements.js";
import { icon } from "./icons.js";
import { createWaveform } from "./waveform.js";
import { canChange, changeTools, favouriteButton } from "./take_card.js";

/** Gives repaint(), for when the colours have changed. */
export function mountLibrary(section, store, actions) {
  const list = el("ul", { class: "rows" });
  const count = el("p", { class: "library-count" });
  const empty = el("p", { class: "library-empty" });
  const trouble = el("p", { class: "warning", hidden: true });
  const title = el("h2", { class: "section-title", id: "library-title" }, "Your pieces");
  section.append(
    el("header", { class: "library-head" }, title, filter(store)),
    trouble,
    list,
    empty,
    count,
  );
  const rows = new Map(); // id → row

  const show = () => {
    const ids = listed(store.state);
    for (const id of rows.keys()) if (!ids.includes(id)) rows.delete(id);
    const wanted = ids.map((id) => rowOf(rows, id, actions));
    const isSame =
      wanted.length === list.children.length &&
      wanted.every((r, i) => r.element === list.children[i]);
    if (!isSame) list.replaceChildren(...wanted.map(({ element }) => element));
    wanted.forEach((row, index) => row.show(store.state, ids[index]));
    setText(empty, ids.length ? "" : emptyText(store.state));
    setText(count, countText(store.state));
  };
  store.watch((state) => state, show);
  store.watch(
    ({ libraryProblem }) => libraryProblem,
    (problem) => {
      trouble.hidden = problem === null;
      setText(trouble, problem ?? "");
    },
  );
  return { repaint: () => rows.forEach((row) => row.repaint()) };
}

/** What is shown above as the session is not shown here again. */
function listed({ library, session, takes, libraryFilter }) {
  return library.filter((id) => {
    const isWanted = libraryFilter === "all" || takes[id].favourite;
    return isWanted && !session.includes(id);
  });
}

function emptyText({ libraryFilter, session }) {
  if (libraryFilter === "favourites")
    return "No favourites yet: press the star of a piece you like.";
  return session.length
    ? "Earlier pieces will gather here."
    : "What you make is kept here, in this browser.";
}

function countText({ library, storedBytes }) {
  if (library.length === 0) return "";
  const pieces = library.length === 1 ? "1 piece" : `${library.length} pieces`;
  return `${pieces}, ${size(storedBytes)}. The latest ${MAX_KEPT} or ${size(MAX_BYTES)} are kept; favourites always.`;
}

function filter(store) {
  const choice = (value, label) =>
    el(
      "label",
      { class: "segment" },
      el("input", {
        type: "radio",
        name: "library-filter",
        value,
        checked: store.state.libraryFilter === value,
        on: { change: () => store.set({ libraryFilter: value }) },
      }),
      el("span", {}, label),
    );
  const choices = [choice("all", "All"), choice("favourites", "Favourites")];
  return el("div", { class: "segments", role: "radiogroup", "aria-label": "Show" }, choices);
}

function rowOf(rows, id, actions) {
  if (!rows.has(id)) rows.set(id, createRow(id, actions));
  return rows.get(id);
}

function createRow(id, actions) {
  const play = button({
    class: "play play-small",
    name: "Play",
    press: () => actions.playOrPauseTake(id),
  });
  const title = el("p", { class: "row-title" });
  const meta = el("p", { class: "row-meta" });
  const waveform = createWaveform();
  const toolbar = el("div", { class: "toolbar" });
  const text = el("div", { class: "row-text" }, title, meta);
  const wave = el("div", { class: "row-wave" }, waveform.canvas);
  const element = el("li", { class: "row" }, play, text, wave, toolbar);
  let filledFor = "";

  return {
    element,
    repaint: waveform.paint,
    show({ takes, current, player }) {
      const take = takes[id];
      const isOn = current === id && ["playing", "waiting"].includes(player.state);
      element.classList.toggle("is-current", current === id);
      setText(title, titleOf(take));
      setText(meta, metaText(take));
      waveform.draw({ bins: take.peaks, made: 1, played: current === id ? 1 : 0 });
      const { favourite, exporting, stemNames } = take;
      const changes = canChange(take, actions);
      const key = JSON.stringify([favourite, exporting, stemNames, isOn, changes]);
      if (key === filledFor) return;
      filledFor = key;
      play.replaceChildren(icon(isOn ? "pause" : "play"));
      play.setAttribute("aria-label", `${isOn ? "Pause" : "Play"} ${titleOf(take)}`);
      play.title = isOn ? "Pause" : "Play";
      toolbar.replaceChildren(...tools(take, actions));
    },
  };
}

function metaText({ settings, durationSeconds, createdAt, exportProblem }) {
  if (exportProblem) return exportProblem;
  return [duration(durationSeconds), settings.model, `seed ${settings.seed}`, when(createdAt)].join(
    " · ",
  );
}

function tools(take, actions) {
  const { id } = take;
  const tool = (iconName, name, press) =>
    button({ class: "tool", icon: icon(iconName), name, press });
  return [
    favouriteButton(take, actions),
    downloadMenu(take, actions),
    tool("again", "Make it again with another seed", () => actions.makeAgain(id)),
    tool("reuse", "Reuse settings", () => actions.reuse(id)),
    ...changeTools(take, actions),
    tool("trash", "Delete", () => actions.remove(id)),
  ];
}
