/** A take: one piece of music, from the wish for it to the file that is kept. */

const MAX_SEED = 2 ** 32 - 1;

/**
 * `status` is one of: waiting (to be sent), starting, queued (at the server), making, done,
 * stopped, failed. Only takes that are done are kept.
 *
 * `settings`: { prompt, model, durationSeconds, seed, controls }; of a song also `song`, fields of
 * the route, `files`, which go with them, and `title` where there is no prompt.
 */
export function newTake(settings, number = 1) {
  return {
    id: newId(),
    key: newId(), // the same wish under the same key is the same job
    jobId: null, // of the server's, once it has answered
    number,
    settings,
    status: "waiting",
    createdAt: Date.now(),
    percent: 0,
    queuePosition: null,
    etaSeconds: null,
    firstSoundSeconds: null,
    realtimeFactor: null,
    madeSeconds: 0,
    durationSeconds: settings.durationSeconds,
    sampleRate: null,
    channels: null,
    interpretation: {},
    warnings: [],
    peaks: null, // Uint8Array, see peaks.js
    problem: null, // { title, text, remedy, canRetry }
    stemNames: [], // of the stems that are there; library.js has their files
    exporting: null, // the format that is being made for a download
    exportProblem: null, // text
    menuOpen: false, // the download menu
    numBytes: 0,
    favourite: false,
    kept: false,
  };
}

export function isActive({ status }) {
  return ["waiting", "queued", "starting", "making"].includes(status);
}

/** What the server is asked for, in the words of POST /api/v1/generate_music. */
export function paramsOf({ prompt, model, durationSeconds, seed, controls, song, files }) {
  const fields = { description: prompt, model, duration: durationSeconds, seed };
  return { ...fields, ...controls, ...song, ...files };
}

/** What a take is called. */
export function titleOf({ settings }) {
  return settings.title ?? settings.prompt;
}

export function randomSeed() {
  return crypto.getRandomValues(new Uint32Array(1))[0];
}

/** The seed of take number `index` of a session that begins with `seed`. */
export function seedAt(seed, index) {
  return (seed + index) % (MAX_SEED + 1);
}

/** Not `randomUUID`: browsers have that only where the page came over TLS. */
function newId() {
  const parts = crypto.getRandomValues(new Uint32Array(4));
  return Array.from(parts, (part) => part.toString(16).padStart(8, "0")).join("");
}
