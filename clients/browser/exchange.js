/** What every route has in common: asking, being answered, and what is in the answer. */

import { ConnectionLost, errorOf, NotReachable, UnexpectedAnswer } from "./errors.js";
import { messages } from "./sse.js";

/** The `headers` and `body` of a request: JSON, or a form where there are files. */
export function bodyOf(fields) {
  const values = Object.entries(fields).filter(([, value]) => value != null);
  if (!values.some(([, value]) => value instanceof Blob)) {
    return { headers: { "Content-Type": "application/json" }, body: JSON.stringify(fields) };
  }
  const form = new FormData();
  values.forEach(([name, value]) =>
    form.append(name, Array.isArray(value) ? JSON.stringify(value) : value),
  );
  return { body: form };
}

/** The answer to a request. Throws the errors of errors.js, or the signal's reason. */
export async function answer(route, request) {
  const response = await fetch(route, request).catch((error) => {
    if (request.signal?.aborted) throw error;
    throw new NotReachable("the server does not answer: is it running?", { cause: error });
  });
  if (!response.ok) throw await errorOf(response);
  return response;
}

/** The messages of an answer, each with its `id` and its `data`. */
export async function* received(stream, signal) {
  try {
    yield* messages(stream);
  } catch (error) {
    if (signal?.aborted) throw error;
    throw new ConnectionLost("the connection was lost", { cause: error });
  }
}

/** A message's event: base64 of sound becomes `samples`, all else stays as it was sent. */
export function eventOf({ data }) {
  const event = parse(data);
  if (event.event !== "audio") return event;
  const { audio, ...rest } = event;
  return { ...rest, samples: new Int16Array(decodeBase64(audio).buffer) };
}

function parse(message) {
  try {
    return JSON.parse(message);
  } catch (error) {
    throw new UnexpectedAnswer("an event of the stream is not JSON", { cause: error });
  }
}

/** The bytes of a base64 text; `Uint8Array.fromBase64` where the browser has it is far quicker. */
export function decodeBase64(text) {
  if (Uint8Array.fromBase64) return Uint8Array.fromBase64(text);
  const binary = atob(text);
  const bytes = new Uint8Array(binary.length);
  for (let i = 0; i < binary.length; i++) bytes[i] = binary.charCodeAt(i);
  return bytes;
}
