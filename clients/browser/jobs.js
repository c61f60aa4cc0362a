/** Speaks /api/v1/jobs: music that is made whether or not anybody stays to hear it. */

import { ConnectionLost, GenerationFailed, NotReachable } from "./errors.js";
import { answer, bodyOf, eventOf, received } from "./exchange.js";

const ROUTE = "/api/v1/jobs";
const ENDS = ["completed", "failed", "cancelled"];
/** A server that is started again is back within this many tries. */
const MAX_TRIES = 60;
const RETRY_SECONDS = 1;

/**
 * Has the server store a wish, and gives the job, whose `id` the other functions want.
 *
 * With a `key` of your own, sending the same again, for instance when the answer was lost, gives
 * the same job.
 */
export async function submitJob(url, params, { key, signal } = {}) {
  const { headers, body } = bodyOf(params);
  const named = key ? { ...headers, "Idempotency-Key": key } : headers;
  const request = { method: "POST", headers: named, body, signal, cache: "no-store" };
  return (await answer(url + ROUTE, request)).json();
}

/** Ends a job that has not ended, and gives it as it is then. */
export async function cancelJob(url, id, { signal } = {}) {
  return (await answer(`${url}${ROUTE}/${id}/cancel`, { method: "POST", signal })).json();
}

/** The sound of a completed job as a Blob; `format` is its own, a WAV mostly, if left out. */
export async function jobAudio(url, id, { format, signal } = {}) {
  const query = format ? `?${new URLSearchParams({ format })}` : "";
  return (await answer(`${url}${ROUTE}/${id}/audio${query}`, { signal, cache: "no-store" })).blob();
}

/**
 * The events of a job from its beginning, the last one being `completed` with the files as Blobs.
 *
 * When the connection breaks it is taken up again where it broke. After `restarted` all of the
 * sound comes again: drop what you had. Leaving the loop, or aborting `signal`, ends nothing on the
 * server. Throws the errors of errors.js; `signal.reason` when aborted.
 */
export async function* followJob(url, id, { signal } = {}) {
  const place = { lastEventId: "" };
  for (let tries = 1; ; tries++) {
    try {
      for await (const event of heard(`${url}${ROUTE}/${id}/events`, place, signal)) {
        tries = 1;
        if (!ENDS.includes(event.event)) yield event;
        else return yield await ended(url, event.job, signal);
      }
    } catch (error) {
      const isBroken = error instanceof ConnectionLost || error instanceof NotReachable;
      if (!isBroken || signal?.aborted || tries >= MAX_TRIES) throw error;
    }
    await pause(RETRY_SECONDS, signal);
  }
}

async function* heard(route, place, signal) {
  const headers = place.lastEventId ? { "Last-Event-ID": place.lastEventId } : {};
  const response = await answer(route, { headers, signal, cache: "no-store" });
  for await (const message of received(response.body, signal)) {
    place.lastEventId = message.id;
    yield eventOf(message);
  }
}

async function ended(url, job, signal) {
  if (job.state !== "completed") {
    throw new GenerationFailed(job.error.message, { code: job.error.code });
  }
  const blobOf = async (path) => (await answer(url + path, { signal, cache: "no-store" })).blob();
  const stems = job.files.filter(({ take, stem }) => take === 0 && stem !== null);
  return {
    event: "completed",
    job,
    blob: await blobOf(job.audio_url),
    stems: Object.fromEntries(
      await Promise.all(stems.map(async ({ stem, url: path }) => [stem, await blobOf(path)])),
    ),
  };
}

/** Rejects with the signal's reason when it is aborted. */
function pause(seconds, signal) {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(resolve, seconds * 1000);
    signal?.addEventListener("abort", () => (clearTimeout(timer), reject(signal.reason)), {
      once: true,
    });
  });
}
