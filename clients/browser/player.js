/**
 * Gapless playback of sound that is still being made.
 *
 * Everything is timed by the audio clock and nothing by a timer, so a busy page, a tab in the
 * background or a suspended AudioContext changes nothing: playback goes on where it was.
 */

import { FADE_SECONDS, Run } from "./run.js";
import { Tape, tapeOfWav } from "./tape.js";

/** Browsers allow only a few contexts; one for each sample rate avoids resampling at the seams. */
const contexts = new Map();

function contextAt(sampleRate) {
  if (!contexts.has(sampleRate)) {
    contexts.set(sampleRate, new AudioContext({ sampleRate, latencyHint: "playback" }));
  }
  return contexts.get(sampleRate);
}

/**
 * Plays one piece. Feed it the events of `generate`, or load a WAV file.
 *
 * `state` is one of
 * - `paused`: nobody wants to hear it now
 * - `waiting`: it will play once as much is there as the server advises (`buffer_seconds`)
 * - `playing`
 * - `blocked`: the browser keeps the page silent; call `play` in a click
 * - `ended`: at its end; `play` starts over
 *
 * Events: `statechange`; `ready`, once, when there is sound enough to play without a stall.
 */
export class Player extends EventTarget {
  #context;
  #master;
  #tape = null;
  #durationSeconds = 0;
  #holdSeconds = Infinity;
  #complete = false;
  #wanted = false;
  #ready = false;
  #loop = false;
  #volume = 1;
  #frame = 0; // where to go on, while there is no run
  #run = null;
  #lastState = "paused";

  /**
   * `sampleRate`, if it is known beforehand, lets `play` unlock the sound within a click that
   * comes before the music; `context` is one of your own instead.
   */
  constructor({ sampleRate, context } = {}) {
    super();
    if (context) this.#useContext(context);
    else if (sampleRate) this.#useContext(contextAt(sampleRate));
  }

  /** An event of `generate`; those that are not about sound are ignored. */
  feed(event) {
    if (event.event === "audio" && event.take !== 0) return;
    if (event.buffer_seconds !== undefined) this.#holdSeconds = event.buffer_seconds;
    if (event.event === "start") {
      this.#open(new Tape(event.sample_rate, event.channels), event.duration);
    } else if (event.event === "audio") {
      this.#tape.append(event.samples);
    } else if (event.event === "completed") {
      this.#finish(event.blob);
    }
    this.#proceed();
  }

  /** No more sound will come: what is there is the whole piece. */
  end() {
    this.#complete = true;
    this.#durationSeconds = this.bufferedSeconds;
    if (this.bufferedSeconds === 0) this.#wanted = false; // nothing will ever be heard
    this.#proceed();
  }

  /** A whole piece instead of a stream: a Blob of a WAV file with 16-bit PCM. */
  async load(blob) {
    const tape = tapeOfWav(await blob.arrayBuffer());
    this.#open(tape, tape.numFrames / tape.sampleRate);
    this.end();
  }

  play() {
    if (this.#isAtEnd) this.#frame = 0;
    this.#wanted = true;
    this.#unlock();
    this.#proceed();
  }

  pause() {
    this.#wanted = false;
    this.#halt();
    this.#notify();
  }

  /** Go to `seconds`, as far as there is sound. */
  seek(seconds) {
    if (!this.#tape) return;
    this.#halt();
    const frame = Math.round(seconds * this.#tape.sampleRate);
    this.#frame = Math.max(0, Math.min(frame, this.#tape.numFrames));
    if (this.#isAtEnd) this.#wanted = false;
    this.#proceed();
  }

  /** Fall silent and let go of the sound; the player cannot be used again. */
  close() {
    this.#wanted = false;
    this.#halt();
    this.#master?.disconnect();
    this.#context?.removeEventListener("statechange", this.#notify);
    this.#tape = null;
  }

  get state() {
    if (this.#wanted && this.#context && this.#context.state !== "running") return "blocked";
    if (this.#run) return "playing";
    if (this.#wanted) return "waiting";
    return this.#isAtEnd ? "ended" : "paused";
  }

  get positionSeconds() {
    return this.#tape ? (this.#run?.frame ?? this.#frame) / this.#tape.sampleRate : 0;
  }

  get bufferedSeconds() {
    return this.#tape ? this.#tape.numFrames / this.#tape.sampleRate : 0;
  }

  get durationSeconds() {
    return this.#durationSeconds;
  }

  get loop() {
    return this.#loop;
  }

  set loop(on) {
    this.#loop = on;
    if (!on) this.#run?.dropRepeats();
    this.#proceed();
  }

  /** 0 to 1. */
  get volume() {
    return this.#volume;
  }

  set volume(volume) {
    this.#volume = volume;
    this.#master?.gain.setTargetAtTime(volume, this.#context.currentTime, FADE_SECONDS);
  }

  /** The node that carries the sound, for a meter of your own; null before the sound is known. */
  get output() {
    return this.#master ?? null;
  }

  get #isAtEnd() {
    return (
      this.#complete && this.#tape !== null && !this.#run && this.#frame >= this.#tape.numFrames
    );
  }

  get #isEnough() {
    const numHeld = (this.#tape?.numFrames ?? 0) - this.#frame;
    if (numHeld <= 0) return false;
    return this.#complete || numHeld / this.#tape.sampleRate >= this.#holdSeconds;
  }

  get #repeats() {
    return this.#loop && this.#complete;
  }

  #useContext(context) {
    this.#context = context;
    this.#master = new GainNode(context, { gain: this.#volume });
    this.#master.connect(context.destination);
    context.addEventListener("statechange", this.#notify);
  }

  #open(tape, durationSeconds) {
    this.#halt();
    this.#tape = tape;
    this.#durationSeconds = durationSeconds;
    this.#frame = 0;
    if (!this.#context) this.#useContext(contextAt(tape.sampleRate));
    if (this.#wanted) this.#unlock();
  }

  #finish(blob) {
    if (this.#tape.numFrames) this.end();
    else this.load(blob).catch(() => this.end()); // not streamed, and not a WAV: nothing to play
  }

  #unlock() {
    this.#context?.resume().catch(() => {}); // refused: the state says `blocked`
  }

  /** Do what can be done now: start, or schedule more. */
  #proceed = () => {
    if (this.#run) this.#goOn();
    if (!this.#run && this.#wanted && this.#isEnough) this.#start();
    if (!this.#ready && (this.#run || this.#isEnough)) {
      this.#ready = true;
      this.dispatchEvent(new Event("ready"));
    }
    this.#notify();
  };

  #start() {
    this.#run = new Run({
      context: this.#context,
      output: this.#master,
      tape: this.#tape,
      frame: this.#frame,
      onPieceEnd: this.#proceed,
    });
    this.#run.fill(this.#repeats);
  }

  /** Schedule more; when the sound has run out, wait for it, or be at the end. */
  #goOn() {
    const run = this.#run;
    if (!run.isLate) run.fill(this.#repeats);
    if (!run.isOver) return;
    this.#run = null;
    this.#frame = run.next;
    if (!this.#isAtEnd) return;
    if (this.#loop) this.#frame = 0;
    else this.#wanted = false;
  }

  #halt() {
    if (!this.#run) return;
    this.#frame = this.#run.frame;
    this.#run.halt();
    this.#run = null;
  }

  #notify = () => {
    const state = this.state;
    if (state === this.#lastState) return;
    this.#lastState = state;
    this.dispatchEvent(new Event("statechange"));
  };
}
