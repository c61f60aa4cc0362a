/** Puts the page together: one store, what acts on it, and the views that show it. */

import { listModels } from "/client/continuo.js";
import { createDownloads } from "./downloads.js";
import { mountKeyboard } from "./keyboard.js";
import { createLibrary } from "./library.js";
import { createPlayback } from "./playback.js";
import { inWords } from "./problems.js";
import { createStore, INITIAL_STATE, patchForm, patchTake } from "./store.js";
import { openSong, songOfTake } from "./songs.js";
import { createStudio } from "./studio.js";
import { mountTheme } from "./theme.js";
import { mountComposer } from "./views/composer.js";
import { mountMenus } from "./views/download_menu.js";
import { mountLibrary } from "./views/library.js";
import { mountPlayerBar } from "./views/player_bar.js";
import { mountTakes } from "./views/takes.js";
import { createAnnouncer, createToasts } from "./views/toasts.js";
import { formOf, settingsWanted } from "./wanted.js";

const byId = (id) => document.getElementById(id);

const store = createStore(INITIAL_STATE);
const announce = createAnnouncer(byId("announcer"));
const toast = createToasts(byId("toasts"));
const library = createLibrary(store);
const playback = createPlayback(store, library.soundOf);
const studio = createStudio({ store, playback, library, announce });
const downloads = createDownloads({ store, library, announce });

/** Everything a view may ask for. */
const actions = {
  generate() {
    return studio.make(settingsWanted(store.state), store.state.form.numTakes);
  },
  stop: studio.stop,
  retry: studio.retry,
  makeAgain: (id) => studio.makeAgain(store.state.takes[id]),
  async reuse(id) {
    const { settings } = store.state.takes[id];
    const { song, files } = settings;
    const opened = files?.ref_song && (await openSong(files.ref_song, song.edit_segments));
    patchForm(store, { ...formOf(settings), song: opened ?? null });
    byId("prompt").focus();
    announce("The settings of this piece, its seed included, are in the form");
  },
  useLyrics(id) {
    patchForm(store, { lyrics: store.state.takes[id].interpretation.lyrics });
    byId("lyrics").focus();
  },
  /** Put a song into the form, so that parts of it can be made anew. */
  async change(id) {
    const take = store.state.takes[id];
    const { file } = await library.soundOf(id);
    const { lyrics } = take.interpretation;
    const song = songOfTake(take, file);
    patchForm(store, { ...formOf(take.settings), seed: null, lyrics: lyrics ?? "", song });
    byId("composer").scrollIntoView({ block: "start" });
    byId("composer").querySelector(".add-range").focus({ preventScroll: true });
    announce("Choose what is to be made anew");
  },
  playOrPauseTake(id) {
    if (store.state.current === id) playback.playOrPause();
    else playback.play(id);
  },
  async seekTake(id, seconds) {
    if (store.state.current !== id) await playback.play(id);
    playback.seek(seconds);
  },
  playOrPause: playback.playOrPause,
  seek: playback.seek,
  setVolume: playback.setVolume,
  toggleLoop: () => playback.setLoop(!store.state.player.loop),
  place: playback.place,
  modelOf: ({ settings }) => store.state.models.find(({ name }) => name === settings.model),
  menuClosed: (id) => patchTake(store, id, { menuOpen: false }),
  download: downloads.save,
  getStems: downloads.getStems,
  downloadStem: downloads.saveStem,
  setFavourite: library.setFavourite,
  async remove(id) {
    const take = store.state.takes[id];
    const sound = await library.soundOf(id);
    if (store.state.current === id) playback.closeExcept(store.state.session);
    await library.remove([id]);
    toast("Deleted", { label: "Undo", press: () => library.restore(take, sound) });
  },
  reloadModels: loadModels,
};

async function loadModels() {
  try {
    const models = await listModels("");
    const isNew = JSON.stringify(models) !== JSON.stringify(store.state.models);
    store.set({ modelsProblem: null, ...(isNew ? { models } : {}) });
  } catch (error) {
    store.set({ modelsProblem: inWords(error) });
  }
}

const views = [
  mountTakes(byId("takes"), store, actions),
  mountLibrary(byId("library"), store, actions),
  mountPlayerBar(byId("player"), store, actions),
];
mountComposer(byId("composer"), store, actions);
mountTheme(byId("theme"), () => views.forEach(({ repaint }) => repaint()));
mountMenus();
mountKeyboard({
  playOrPause: playback.playOrPause,
  seekBy: playback.seekBy,
  stop: () => (store.state.generating ? studio.stop() : playback.stop()),
});

(function drawWhilePlaying() {
  if (store.state.player.state === "playing") views.forEach((view) => view.tick?.());
  requestAnimationFrame(drawWhilePlaying);
})();

await Promise.all([loadModels(), library.open()]);
studio.resume();
