/** Speaks the MusicGen SSE dialect: POST /api/v1/generate_music, GET /api/v1/models. */

import { ConnectionLost, GenerationFailed } from "./errors.js";
import { answer, bodyOf, decodeBase64, eventOf, received } from "./exchange.js";

const ROUTE = "/api/v1/generate_music";
const MEDIA_TYPES = {
  wav: "audio/wav",
  flac: "audio/flac",
  ogg: "audio/ogg",
  mp3: "audio/mpeg",
  midi: "audio/midi",
};

/**
 * Makes music, and gives the events as they come, the last one being `completed`.
 *
 * `url` is the server's address, "" for the page's own. `params` are the fields of the route;
 * `stream_audio` is true unless you say otherwise or ask for `normalize`. Nothing is sent before
 * the first event is asked for. Leaving the loop, or aborting `signal`, ends the work on the server
 * at once.
 *
 * Throws the errors of errors.js; `signal.reason` when aborted.
 */
export async function* generate(url, params, { signal } = {}) {
  const fields = { stream_audio: !params.normalize, ...params };
  const request = { method: "POST", ...bodyOf(fields), signal, cache: "no-store" };
  const response = await answer(url, ROUTE, request);
  for await (const message of received(response.body, signal)) {
    const event = typed(message);
    if (event.event === "error") throw new GenerationFailed(event.message, { code: event.error });
    yield event;
    if (event.event === "completed") return;
  }
  throw new ConnectionLost("the stream ended before the music was complete");
}

/** The models of a server: what each can do, its settings and limits, and why one cannot run. */
export async function listModels(url, { signal } = {}) {
  const response = await answer(url, "/api/v1/models", { signal, cache: "no-store" });
  return (await response.json()).models;
}

/** A message as an event, with samples and Blobs in place of base64. */
function typed(message) {
  const event = eventOf(message);
  if (event.event !== "completed") return event;
  const { takes, ...first } = event;
  const whole = finished(first, event.format);
  return takes ? { ...whole, takes: takes.map((take) => finished(take, event.format)) } : whole;
}

function finished({ audio, stems, ...rest }, format) {
  const type = MEDIA_TYPES[format] ?? "application/octet-stream";
  const stemType = format === "midi" ? MEDIA_TYPES.wav : type; // a score has no sound
  return { ...rest, blob: file(audio, type), stems: files(stems ?? {}, stemType) };
}

function files(stems, type) {
  return Object.fromEntries(
    Object.entries(stems).map(([name, audio]) => [name, file(audio, type)]),
  );
}

function file(base64, type) {
  return new Blob([decodeBase64(base64)], { type });
}
