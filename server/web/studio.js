/** Has music made: the takes of a session, one after another where the server has one slot. */

import { Busy, generate, GenerationFailed } from "/client/continuo.js";
import { inWords } from "./problems.js";
import { Reception } from "./reception.js";
import { patchTake } from "./store.js";
import { newTake, paramsOf, randomSeed, seedAt } from "./take.js";

/** A take that waits for its turn, or for its model, is refused this often before it gives up. */
const MAX_REFUSALS = 120;
/** The server frees the slot of what was stopped within a step; until then busy means us. */
const RELEASE_SECONDS = 4;
const STEP_SECONDS = 0.3;

export function createStudio({ store, playback, library, announce }) {
  let stopping = new AbortController();
  let stoppedAt = -Infinity;

  /** Make `numTakes` takes of `settings`; without a seed, with one drawn now. */
  async function make(settings, numTakes) {
    stop();
    const seed = settings.seed ?? randomSeed();
    const takes = Array.from({ length: numTakes }, (_, index) =>
      newTake({ ...settings, seed: seedAt(seed, index) }, index + 1),
    );
    open(takes);
    await run(takes);
  }

  /** The same wish with another seed. */
  function makeAgain({ settings }) {
    return make({ ...settings, seed: null }, 1);
  }

  /** What was refused or failed, once more as it was. */
  async function retry(id) {
    const { settings, number } = store.state.takes[id];
    const take = { ...newTake(settings, number), id };
    store.set({ takes: { ...store.state.takes, [id]: take } });
    expectSound(take);
    listen(take);
    await run([take]);
  }

  function stop() {
    if (!store.state.generating) return;
    stoppedAt = performance.now();
    stopping.abort();
  }

  /** Show these takes, and play the first one as it comes. */
  function open(takes) {
    const known = Object.entries(store.state.takes);
    const remaining = Object.fromEntries(known.filter(([, { status }]) => status === "done"));
    const ids = takes.map(({ id }) => id);
    const fresh = Object.fromEntries(takes.map((take) => [take.id, take]));
    playback.closeExcept([]);
    library.forgetExcept([]);
    store.set({ takes: { ...remaining, ...fresh }, session: ids });
    takes.forEach(expectSound);
    listen(takes[0]);
  }

  function expectSound({ id, settings }) {
    const model = store.state.models.find(({ name }) => name === settings.model);
    return playback.expect(id, model?.sample_rate);
  }

  function listen({ id }) {
    playback.play(id);
  }

  async function run(takes) {
    const controller = new AbortController();
    stopping = controller;
    store.set({ generating: true, wrongField: null });
    announce(`Making ${takes.length === 1 ? "music" : `${takes.length} takes`}`);
    const model = store.state.models.find(({ name }) => name === takes[0].settings.model);
    const waiting = [...takes];
    const worker = async () => {
      for (let take; (take = waiting.shift());) {
        const goesOn = await makeTake(take, take !== takes[0], controller.signal);
        if (!goesOn) waiting.splice(0).forEach(({ id }) => stopped(id));
      }
    };
    const numWorkers = Math.min(takes.length, model?.slots || 1);
    await Promise.all(Array.from({ length: numWorkers }, worker));
    if (stopping === controller) store.set({ generating: false });
  }

  /** Whether the takes after this one are worth trying. */
  async function makeTake({ id }, isQuiet, signal) {
    for (let refusals = 0; ; refusals++) {
      try {
        await receive(id, signal);
        return true;
      } catch (error) {
        if (signal.aborted) return stopped(id);
        if (!waitsFor(error, isQuiet, refusals)) return failed(id, error);
        patchTake(store, id, { status: "waiting", isLoading: error.code === "loading" });
        await pause(isReleasing() ? STEP_SECONDS : error.retryAfterSeconds, signal);
      }
    }
  }

  /** Whether a refusal is only the wait for our own earlier take, or for the model's start. */
  function waitsFor(error, isQuiet, refusals) {
    if (!(error instanceof Busy) || error.retryAfterSeconds === null) return false;
    const isOurs = isQuiet || isReleasing() || error.code === "loading";
    return isOurs && refusals < MAX_REFUSALS;
  }

  function isReleasing() {
    return performance.now() - stoppedAt < RELEASE_SECONDS * 1000;
  }

  function stopped(id) {
    ended(id, { status: "stopped" });
    announce("Stopped");
    return false;
  }

  function failed(id, error) {
    const problem = inWords(error);
    if (problem.field) store.set({ wrongField: problem.field });
    ended(id, { status: "failed", problem }); // shown as an alert, which is read out
    return error instanceof GenerationFailed; // another seed may do
  }

  function ended(id, patch) {
    playback.end(id);
    patchTake(store, id, patch);
  }

  async function receive(id, signal) {
    const { settings } = store.state.takes[id];
    const reception = new Reception(store, playback.playerOf(id), id);
    patchTake(store, id, { status: "starting", problem: null });
    for await (const event of generate("", paramsOf(settings), { signal })) {
      reception.take(event);
      if (event.event === "completed") {
        await library.keep(id, { file: event.blob, stems: event.stems });
      }
    }
    announce(`Take ${store.state.takes[id].number} is finished`);
  }

  return { make, makeAgain, retry, stop };
}

/** Ends early when the signal does. */
function pause(seconds, signal) {
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, seconds * 1000);
    signal.addEventListener("abort", () => (clearTimeout(timer), resolve()), { once: true });
  });
}
