/** What becomes of the events of one generation. */

import { Peaks } from "./peaks.js";
import { patchTake } from "./store.js";
import { isActive } from "./take.js";

/** Turns events into what the page shows of take `id`, and what `player` plays. */
export class Reception {
  #store;
  #id;
  #player;
  #peaks = null;
  #begun = performance.now();

  constructor(store, player, id) {
    this.#store = store;
    this.#id = id;
    this.#player = player;
    this.#player.addEventListener("ready", () => this.#ready(), { once: true });
  }

  take(event) {
    this.#player.feed(event);
    this.#patch(this.#changes(event));
  }

  #changes(event) {
    switch (event.event) {
      case "queued":
        return { status: "queued", queuePosition: event.position, etaSeconds: event.eta_seconds };
      case "restarted": // the server was: the sound comes again from its beginning
        return { status: "queued", percent: 0, madeSeconds: 0, peaks: null };
      case "start":
        return this.#started(event);
      case "progress":
        return { percent: event.progress, realtimeFactor: event.realtime_factor };
      case "audio":
        return this.#heard(event);
      case "warning":
        return { warnings: [...this.#current.warnings, event.message] };
      case "completed":
        return { status: "done", percent: 100, madeSeconds: this.#current.durationSeconds };
      default:
        return {};
    }
  }

  #started(event) {
    if (this.#current.status === "queued") this.#begun = performance.now(); // waiting is no work
    this.#peaks = new Peaks(event.duration * event.sample_rate, event.channels);
    return {
      status: "making",
      sampleRate: event.sample_rate,
      channels: event.channels,
      durationSeconds: event.duration,
      interpretation: event.interpretation,
    };
  }

  #heard(event) {
    const seconds = event.samples.length / event.channels / event.sample_rate;
    return {
      peaks: this.#peaks.add(event.samples),
      madeSeconds: this.#current.madeSeconds + seconds,
      realtimeFactor: event.realtime_factor,
    };
  }

  #ready() {
    this.#patch({ firstSoundSeconds: this.#elapsedSeconds });
  }

  get #elapsedSeconds() {
    return (performance.now() - this.#begun) / 1000;
  }

  get #current() {
    return this.#store.state.takes[this.#id];
  }

  #patch(changes) {
    if (this.#current && isActive(this.#current)) patchTake(this.#store, this.#id, changes);
  }
}
