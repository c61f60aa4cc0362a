/** Music or a song: which kind of model makes it, where there are both. */

import { sings, songModel } from "../songs.js";
import { patchForm } from "../store.js";
import { chosenModel } from "../wanted.js";
import { el } from "./elements.js";

export function kindSwitch(store) {
  const choose = (model) => patchForm(store, { model, controls: {}, durationSeconds: null });
  const music = radio("Music", () => choose(null));
  const song = radio("Song", () => choose(songModel(store.state.models).name));
  const element = el(
    "div",
    { class: "segments kind", role: "radiogroup", "aria-label": "What to make" },
    music,
    song,
  );
  const show = () => {
    const { models } = store.state;
    element.hidden = !models.some(sings) || models.every(sings);
    const isSong = sings(chosenModel(store.state));
    song.querySelector("input").checked = isSong;
    music.querySelector("input").checked = !isSong;
  };
  store.watch(({ models }) => models, show);
  store.watch(chosenModel, show);
  return element;
}

function radio(label, choose) {
  const input = el("input", { type: "radio", name: "kind", on: { change: choose } });
  return el("label", { class: "segment" }, input, el("span", {}, label));
}
