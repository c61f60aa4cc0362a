/** Has music made: each take of a session is a job, which the server makes whoever listens. */

import { cancelJob, followJob, submitJob } from "/client/continuo.js";
import { forget, pendingTakes, remember } from "./pending.js";
import { inWords } from "./problems.js";
import { Reception } from "./reception.js";
import { patchTake } from "./store.js";
import { newTake, paramsOf, randomSeed, seedAt } from "./take.js";

export function createStudio({ store, playback, library, announce }) {
  let stopping = new AbortController();

  /** Make `numTakes` takes of `settings`; without a seed, with one drawn now. */
  async function make(settings, numTakes) {
    stop();
    const seed = settings.seed ?? randomSeed();
    const takes = Array.from({ length: numTakes }, (_, index) =>
      newTake({ ...settings, seed: seedAt(seed, index) }, index + 1),
    );
    open(takes);
    listen(takes[0]);
    await run(takes);
  }

  /** Go on with what was being made when the page was left; it plays when somebody presses Play. */
  async function resume() {
    const takes = pendingTakes().map((known) => ({ ...newTake(known.settings), ...known }));
    if (takes.length === 0) return;
    open(takes);
    await run(takes, { isSent: true });
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
    stopping.abort();
  }

  /** Show these takes in place of those before. */
  function open(takes) {
    const known = Object.entries(store.state.takes);
    const remaining = Object.fromEntries(known.filter(([, { status }]) => status === "done"));
    const ids = takes.map(({ id }) => id);
    const fresh = Object.fromEntries(takes.map((take) => [take.id, take]));
    playback.closeExcept([]);
    library.forgetExcept([]);
    store.set({ takes: { ...remaining, ...fresh }, session: ids });
    takes.forEach(expectSound);
  }

  function expectSound({ id, settings }) {
    const model = store.state.models.find(({ name }) => name === settings.model);
    return playback.expect(id, model?.sample_rate);
  }

  function listen({ id }) {
    playback.play(id);
  }

  /** See to it that each take is a job, in this order, and attend them all. What `isSent` by an
   *  earlier visit may be a job already, which Stop must reach. */
  async function run(takes, { isSent = false } = {}) {
    const controller = new AbortController();
    stopping = controller;
    store.set({ generating: true, wrongField: null });
    announce(`Making ${takes.length === 1 ? "music" : `${takes.length} takes`}`);
    takes.forEach(remember);
    const attended = [];
    let isRefused = false;
    for (const take of takes) {
      if (isRefused || (controller.signal.aborted && !isSent)) stopped(take.id);
      else {
        const jobId = take.jobId ?? (await submitted(take));
        if (jobId) attended.push(attend(take.id, jobId, controller.signal));
        else isRefused = true; // and so would the next one be
      }
    }
    await Promise.all(attended);
    if (stopping === controller) store.set({ generating: false });
  }

  /** The id of the take's job; null if the server refuses. Stop waits for it, to cancel it. */
  async function submitted(take) {
    patchTake(store, take.id, { status: "starting", problem: null });
    try {
      const { id: jobId } = await submitJob("", paramsOf(take.settings), { key: take.key });
      patchTake(store, take.id, { jobId });
      remember(store.state.takes[take.id]);
      return jobId;
    } catch (error) {
      failed(take.id, error);
      return null;
    }
  }

  /** Receive the take until it is done, or stopped, or failed. */
  async function attend(id, jobId, signal) {
    try {
      signal.throwIfAborted();
      await receive(id, jobId, signal);
    } catch (error) {
      if (!signal.aborted) failed(id, error);
      else await cancel(id, jobId);
    }
  }

  async function cancel(id, jobId) {
    stopped(id);
    await cancelJob("", jobId).catch(() => {}); // it is over, or the server is gone
  }

  function stopped(id) {
    ended(id, { status: "stopped" });
    announce("Stopped");
  }

  function failed(id, error) {
    const problem = inWords(error);
    if (problem.field) store.set({ wrongField: problem.field });
    ended(id, { status: "failed", problem }); // shown as an alert, which is read out
  }

  function ended(id, patch) {
    forget(id);
    playback.end(id);
    patchTake(store, id, patch);
  }

  async function receive(id, jobId, signal) {
    const reception = new Reception(store, playback.playerOf(id), id);
    for await (const event of followJob("", jobId, { signal })) {
      reception.take(event);
      if (event.event === "completed") {
        await library.keep(id, { file: event.blob, stems: event.stems });
        forget(id);
      }
    }
    announce(`Take ${store.state.takes[id].number} is finished`);
  }

  return { make, makeAgain, retry, resume, stop };
}
