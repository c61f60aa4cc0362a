/** The part of the form that songs have: lyrics, a style in sound, and what is changed of a song. */

import { openSong, sings } from "../songs.js";
import { patchForm } from "../store.js";
import { chosenModel, secondsWanted } from "../wanted.js";
import { duration } from "../wording.js";
import { el, setText } from "./elements.js";
import { fileButton, openedFile } from "./file_button.js";
import { obstacle } from "./model_picker.js";
import { rangeEditor } from "./range_editor.js";

const LYRICS_HINT =
  "One line each; [verse], [chorus] or [solo] begin a part. Or LRC, with times. Empty: an instrumental.";
const PLACEHOLDER = "[verse]\nPaper lanterns on the water\nEvery one a quiet name";
const UNREADABLE = "Your browser cannot read this file as sound.";

export function songFields(store) {
  const missing = el("div", { class: "song-missing" });
  const element = el(
    "section",
    { class: "song", "aria-label": "Song" },
    missing,
    lyricsField(store),
    styleField(store),
    changeField(store),
  );
  store.watch(chosenModel, (model) => {
    element.hidden = !sings(model);
    missing.replaceChildren(...(model?.available === false ? [obstacle(model)] : []));
  });
  return element;
}

function lyricsField(store) {
  const area = el("textarea", {
    id: "lyrics",
    class: "lyrics",
    rows: 5,
    placeholder: PLACEHOLDER,
    "aria-describedby": "lyrics-help",
    on: { input: () => patchForm(store, { lyrics: area.value }) },
  });
  const open = async (file) => patchForm(store, { lyrics: await file.text() });
  const file = fileButton({ label: "Open a file of lyrics", accept: ".lrc,.txt,text/plain", open });
  store.watch(
    ({ form }) => form.lyrics,
    (lyrics) => {
      if (area.value !== lyrics) area.value = lyrics;
    },
  );
  watchWrong(store, ["lyrics"], area);
  const help = el("p", { class: "help", id: "lyrics-help" }, LYRICS_HINT);
  const label = el("label", { for: "lyrics" }, "Lyrics");
  return el("div", { class: "field" }, el("div", { class: "field-head" }, label, file), area, help);
}

/** In place of the words of the prompt. */
function styleField(store) {
  const shown = el("div", { class: "song-files" });
  const choose = fileButton({
    label: "Take the style from a recording",
    accept: "audio/*",
    open: (styleFile) => patchForm(store, { styleFile }),
  });
  const remove = () => patchForm(store, { styleFile: null });
  store.watch(
    ({ form }) => form.styleFile,
    (file) =>
      shown.replaceChildren(
        file ? openedFile(`Style as in ${file.name}, not in words`, remove) : choose,
      ),
  );
  watchWrong(store, ["ref_audio"], shown);
  return shown;
}

function changeField(store) {
  const shown = el("div", { class: "song-files" });
  const trouble = el("p", { class: "warning", role: "alert" });
  const change = (ranges) => patchForm(store, { song: { ...store.state.form.song, ranges } });
  const editor = rangeEditor(change);
  const open = async (file) => {
    setText(trouble, "");
    const song = await openSong(file).catch(() => null);
    if (song) patchForm(store, { song, durationSeconds: null });
    else setText(trouble, UNREADABLE);
  };
  const choose = fileButton({ label: "Change parts of a song", accept: "audio/*", open });
  const remove = () => patchForm(store, { song: null, durationSeconds: null });
  const help = el("p", { class: "help" });
  const panel = el("div", { class: "song-change" }, help, editor.element);

  const show = () => {
    const { song } = store.state.form;
    panel.hidden = !song;
    if (!song) return;
    setText(help, helpText(song));
    editor.show(song, secondsWanted(store.state));
  };
  store.watch(
    ({ form }) => form.song?.file ?? null,
    () => {
      const { song } = store.state.form;
      shown.replaceChildren(song ? openedFile(`Changing ${song.name}`, remove) : choose);
    },
  );
  store.watch(({ form }) => form.song, show);
  store.watch(secondsWanted, show);
  watchWrong(store, ["ref_song", "edit_segments"], panel);
  return el("div", { class: "field" }, shown, trouble, panel);
}

function helpText({ durationSeconds, ranges }) {
  const drag = `Drag over what is to be made anew of its ${duration(durationSeconds)}.`;
  return ranges.length ? "The rest stays as it is." : drag;
}

function watchWrong(store, names, element) {
  store.watch(
    ({ wrongField }) => names.includes(wrongField),
    (isWrong) => element.setAttribute("aria-invalid", isWrong),
  );
}
