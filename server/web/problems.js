/** What went wrong, for people: a title, what it means, and whether trying again can help. */

import {
  BadRequest,
  Busy,
  ConnectionLost,
  GenerationFailed,
  KeyRefused,
  NotReachable,
} from "/client/continuo.js";

const BUSY_TITLES = {
  busy: "The server is busy",
  queue_full: "The queue is full",
  loading: "The model is still loading",
  draining: "The server is about to stop",
  unavailable: "This model cannot run here",
};

/** { title, text, field, canRetry } of an error that `generate` or `listModels` threw. */
export function inWords(error) {
  if (error instanceof BadRequest) {
    return problem("The server cannot make this", sentence(error.message), false, error.field);
  }
  if (error instanceof Busy) return busy(error);
  if (error instanceof KeyRefused) {
    return problem("This server asks for a key", sentence(error.message), true);
  }
  if (error instanceof NotReachable) {
    return problem("The server does not answer", "Is it running, and are you connected?", true);
  }
  if (error instanceof ConnectionLost) {
    return problem("The connection was lost", "What was made so far is still here.", true);
  }
  if (error instanceof GenerationFailed) {
    return problem("The music could not be finished", sentence(error.message), true);
  }
  return problem("Something went wrong", sentence(String(error.message ?? error)), true);
}

function busy(error) {
  const { code, retryAfterSeconds } = error;
  const title = BUSY_TITLES[code] ?? "Not now";
  const wait = retryAfterSeconds ? ` It should be free in about ${retryAfterSeconds} s.` : "";
  return problem(title, sentence(error.message) + wait, code !== "unavailable");
}

function problem(title, text, canRetry, field = null) {
  return { title, text, canRetry, field };
}

function sentence(text) {
  const begun = text.charAt(0).toUpperCase() + text.slice(1);
  return /[.!?]$/.test(begun) ? begun : `${begun}.`;
}
