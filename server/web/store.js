/** The page's whole state, in one place. */

/**
 * A store of one immutable object. `set(patch)` replaces some of its values; `watch(select, tell)`
 * calls `tell(selected)` now and whenever what `select(state)` gives has changed.
 */
export function createStore(initial) {
  let state = Object.freeze({ ...initial });
  const watchers = new Set();

  return {
    get state() {
      return state;
    },

    set(patch) {
      state = Object.freeze({ ...state, ...patch });
      for (const watcher of [...watchers]) watcher();
    },

    watch(select, tell) {
      let last;
      const watcher = () => {
        const selected = select(state);
        if (Object.is(selected, last)) return;
        last = selected;
        tell(selected);
      };
      watchers.add(watcher);
      watcher();
      return () => watchers.delete(watcher);
    },
  };
}

/** What the page starts with. */
export const INITIAL_STATE = {
  models: [],
  modelsProblem: null, // { title, text }
  form: {
    prompt: "",
    model: null, // name
    durationSeconds: null, // null: the model's own
    seed: null, // null: a new one each time
    numTakes: 1,
    lyrics: "",
    styleFile: null, // a recording of the style, in place of the prompt
    song: null, // what is to be changed, see songs.js
    controls: {}, // name → value; what is missing takes the model's own default
  },
  wrongField: null, // wire name of the field that the server refused
  takes: {}, // id → take (take.js), of the session and of the library
  session: [], // ids of the takes that were asked for last
  generating: false,
  library: [], // ids of what is kept, newest first
  libraryFilter: "all", // or "favourites"
  libraryProblem: null, // text
  storedBytes: 0,
  current: null, // id of the take in the player
  player: { state: "paused", loop: false, volume: 0.9 },
};

/** Replace some values of one take. */
export function patchTake(store, id, patch) {
  const { takes } = store.state;
  if (id in takes) store.set({ takes: { ...takes, [id]: { ...takes[id], ...patch } } });
}

/** Replace some values of the form. */
export function patchForm(store, patch) {
  store.set({ form: { ...store.state.form, ...patch } });
}
