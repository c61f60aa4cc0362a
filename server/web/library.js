/** What is kept: finished takes and their sounds, bounded, favourites always. */

import { openDatabase } from "./database.js";
import { patchTake } from "./store.js";

/** Beyond either, the oldest that are no favourites go. */
export const MAX_KEPT = 100;
export const MAX_BYTES = 500e6;

const OFF = "Your browser stores nothing for this page, so pieces are gone when you leave it.";
const FULL = "Your browser's storage is full: delete some pieces to keep new ones.";

/** `sounds` keeps those of the session at hand; all others are read when they are wanted. */
export function createLibrary(store) {
  const sounds = new Map(); // id → { file, stems }
  let database = null;

  /** Read what earlier visits have left. */
  async function open() {
    try {
      database = await openDatabase();
      const kept = await database.takes();
      store.set({ takes: { ...byId(kept), ...store.state.takes } });
      list(kept.map(({ id }) => id).reverse());
    } catch {
      store.set({ libraryProblem: OFF });
    }
  }

  /** Keep a take that is done, and drop the oldest where there are too many. */
  async function keep(id, sound) {
    sounds.set(id, sound);
    const given = Object.values(store.state.takes[id].settings.files ?? {});
    const files = [sound.file, ...Object.values(sound.stems), ...given];
    const numBytes = files.reduce((sum, { size }) => sum + size, 0);
    patchTake(store, id, { numBytes, stemNames: Object.keys(sound.stems) });
    if (database && (await written(id, sound))) {
      enlist(id);
      await remove(surplus(store.state.library.map((other) => store.state.takes[other])));
    }
  }

  function written(id, sound) {
    return attempt(() => database.add(stored(store.state.takes[id]), sound));
  }

  /** Whether the browser has stored it; if not, the page says so and goes on. */
  async function attempt(write) {
    try {
      await write();
      return true;
    } catch {
      store.set({ libraryProblem: FULL });
      return false;
    }
  }

  /** The sound of a take, { file, stems }; undefined if it is gone. */
  async function soundOf(id) {
    return sounds.get(id) ?? (await database?.sound(id));
  }

  async function setFavourite(id, favourite) {
    const take = store.state.takes[id];
    if (take.kept) await attempt(() => database.update(stored({ ...take, favourite })));
    patchTake(store, id, { favourite });
  }

  async function remove(ids) {
    if (ids.length === 0) return;
    if (database) await attempt(() => database.remove(ids));
    for (const id of ids) patchTake(store, id, { kept: false });
    list(store.state.library.filter((id) => !ids.includes(id)));
  }

  /** Bring back what was removed. */
  async function restore(take, sound) {
    store.set({ takes: { ...store.state.takes, [take.id]: take } });
    if (!database || !(await written(take.id, sound))) return;
    enlist(take.id);
  }

  /** Show it among what is kept, newest first. */
  function enlist(id) {
    patchTake(store, id, { kept: true });
    const { library, takes } = store.state;
    const age = (other) => takes[other].createdAt;
    list([...new Set([id, ...library])].sort((a, b) => age(b) - age(a)));
  }

  /** Forget sounds of takes that are on the page no more. */
  function forgetExcept(ids) {
    for (const id of sounds.keys()) if (!ids.includes(id)) sounds.delete(id);
  }

  function list(ids) {
    const { takes } = store.state;
    const storedBytes = ids.reduce((sum, id) => sum + takes[id].numBytes, 0);
    store.set({ library: ids, storedBytes });
  }

  return { open, keep, soundOf, setFavourite, remove, restore, forgetExcept };
}

/** The ids that must go so that the rest, newest first in `takes`, keeps within the bounds. */
export function surplus(takes, maxKept = MAX_KEPT, maxBytes = MAX_BYTES) {
  let numKept = 0;
  let numBytes = 0;
  return takes
    .filter(({ favourite }) => !favourite)
    .filter((take) => {
      numKept += 1;
      numBytes += take.numBytes;
      const isNewest = numKept === 1;
      return !isNewest && (numKept > maxKept || numBytes > maxBytes);
    })
    .map(({ id }) => id);
}

/** A take as it is written down: without what only this visit knows. */
function stored(take) {
  return { ...take, kept: true, exporting: null, exportProblem: null, menuOpen: false };
}

function byId(takes) {
  return Object.fromEntries(takes.map((take) => [take.id, take]));
}
