/** Puts the page together: one store, what acts on it, and the views that show it. */

import { listModels } from "/client/continuo.js";
import { createDownloads } from "./downloads.js";
import { mountKeyboard } from "./keyboard.js";
import { createLibrary } from "./library.js";
import { createPlayback } from "./playback.js";
import { inWords } from "./problems.js";
import { createStore, INITIAL_STATE, patchForm, patchTake } from "./store.js";
import { createStudio } from "./studio.js";
import { mountTheme } from "./theme.js";
import { mountComposer, secondsWanted } from "./views/composer.js";
import { mountMenus } from "./views/download_menu.js";
import { mountLibrary } from "./views/library.js";
import { chosenModel } from "./views/model_picker.js";
import { mountPlayerBar } from "./views/player_bar.js";
import { mountTakes } from "./views/takes.js";
import { createAnnouncer, createToasts } from "./views/toasts.js";

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
    const { form } = store.state;
    const model = chosenModel(store.state).name;
    const settings = {
      prompt: form.prompt.trim(),
      model,
      durationSeconds: secondsWanted(store.state),
      seed: form.seed,
      controls: form.controls,
    };
    return studio.make(settings, form.numTakes);
  },
  stop: studio.stop,
  retry: studio.retry,
  makeAgain: (id) => studio.makeAgain(store.state.takes[id]),
  reuse(id) {
    const { prompt, model, durationSeconds, seed, controls } = store.state.takes[id].settings;
    patchForm(store, { prompt, model, durationSeconds, seed, controls });
    byId("prompt").focus();
    announce("The settings of this piece, its seed included, are in the form");
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
