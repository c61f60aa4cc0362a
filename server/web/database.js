/** The browser's own storage (IndexedDB), as promises: takes, and their sounds beside them. */

const NAME = "continuo";
const VERSION = 1;
const TAKES = "takes";
const SOUNDS = "sounds";

/** Rejects where the browser stores nothing, as in some private windows. */
export async function openDatabase() {
  const opening = indexedDB.open(NAME, VERSION);
  opening.onupgradeneeded = () => {
    opening.result.createObjectStore(TAKES, { keyPath: "id" });
    opening.result.createObjectStore(SOUNDS);
  };
  return new Database(await settled(opening));
}

class Database {
  #database;

  constructor(database) {
    this.#database = database;
    database.onversionchange = () => database.close(); // a newer page wants to upgrade it
  }

  /** Every take, oldest first. */
  async takes() {
    const all = await settled(this.#store(TAKES).getAll());
    return all.sort((a, b) => a.createdAt - b.createdAt);
  }

  /** `sound`: { file: Blob, stems: { name: Blob } }, or undefined. */
  sound(id) {
    return settled(this.#store(SOUNDS).get(id));
  }

  /** Both or neither is written. */
  add(take, sound) {
    return this.#change((takes, sounds) => {
      takes.put(take);
      sounds.put(sound, take.id);
    });
  }

  update(take) {
    return this.#change((takes) => takes.put(take));
  }

  remove(ids) {
    return this.#change((takes, sounds) => {
      for (const id of ids) {
        takes.delete(id);
        sounds.delete(id);
      }
    });
  }

  #store(name) {
    return this.#database.transaction(name).objectStore(name);
  }

  #change(write) {
    const transaction = this.#database.transaction([TAKES, SOUNDS], "readwrite");
    write(transaction.objectStore(TAKES), transaction.objectStore(SOUNDS));
    return new Promise((resolve, reject) => {
      transaction.oncomplete = () => resolve();
      transaction.onabort = () => reject(transaction.error);
    });
  }
}

function settled(request) {
  return new Promise((resolve, reject) => {
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error);
  });
}
