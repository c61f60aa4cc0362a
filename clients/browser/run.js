/**
 * One uninterrupted stretch of playback: pieces of a tape, scheduled by the audio clock so that
 * each starts on the exact frame where the one before it ends.
 */

/** How far ahead pieces are scheduled. */
const AHEAD_SECONDS = 8;
const LONGEST_PIECE_SECONDS = 4;
/** Between the decision to play and the first frame: what the audio thread needs to be in time. */
const LEAD_SECONDS = 0.03;
/** Sound that is cut is faded this long, or it clicks. */
export const FADE_SECONDS = 0.008;

export class Run {
  #context;
  #tape;
  #gain;
  #pieces = []; // { source, time, frame, numFrames, round }: scheduled and not yet over
  #origin; // in frames of the tape, by the audio clock
  #numScheduled = 0;
  #round = 0; // how often a loop has gone back to the start
  #onPieceEnd;

  /** Plays `tape` from `frame` on into `output`; `onPieceEnd` is when to `fill` again. */
  constructor({ context, output, tape, frame, onPieceEnd }) {
    this.#context = context;
    this.#tape = tape;
    this.#onPieceEnd = onPieceEnd;
    this.next = frame; // what is scheduled next
    const begin = context.currentTime + LEAD_SECONDS;
    // Counting whole frames from here keeps every seam on the grid of the clock.
    this.#origin = Math.ceil(begin * tape.sampleRate);
    this.#gain = new GainNode(context, { gain: frame > 0 ? 0 : 1 });
    if (frame > 0) this.#gain.gain.setTargetAtTime(1, begin, FADE_SECONDS / 3);
    this.#gain.connect(output);
  }

  /** Schedule the next seconds; with `loop`, from the start again after the end. */
  fill(loop) {
    const horizon = this.#context.currentTime + AHEAD_SECONDS;
    while (this.#endTime < horizon) {
      if (this.next >= this.#tape.numFrames) {
        if (!loop) return;
        this.next = 0;
        this.#round += 1;
      }
      this.#schedule();
    }
  }

  /** Whether nothing is left to be heard. */
  get isOver() {
    return this.#pieces.length === 0;
  }

  /** Whether what would be scheduled next should have been heard already. */
  get isLate() {
    return this.#endTime < this.#context.currentTime;
  }

  /** The frame that is heard now. */
  get frame() {
    const piece = this.#heard;
    if (!piece) return this.next;
    const elapsed = (this.#context.currentTime - piece.time) * this.#tape.sampleRate;
    return piece.frame + Math.max(0, Math.min(Math.round(elapsed), piece.numFrames));
  }

  /** Take back what a loop has scheduled beyond the end. */
  dropRepeats() {
    const round = this.#heard?.round ?? this.#round;
    const repeats = this.#pieces.filter((piece) => piece.round > round);
    if (repeats.length === 0) return;
    repeats.forEach(({ source }) => cut(source, 0));
    this.#pieces = this.#pieces.filter((piece) => !repeats.includes(piece));
    this.#numScheduled -= repeats.reduce((sum, { numFrames }) => sum + numFrames, 0);
    this.#round = round;
    this.next = this.#tape.numFrames;
  }

  /** Fall silent. */
  halt() {
    const now = this.#context.currentTime;
    this.#gain.gain.cancelScheduledValues(now);
    this.#gain.gain.setTargetAtTime(0, now, FADE_SECONDS / 3);
    this.#pieces.forEach(({ source }) => cut(source, now + 3 * FADE_SECONDS));
    this.#pieces = [];
  }

  #schedule() {
    const { sampleRate, channels } = this.#tape;
    const planes = this.#tape.read(this.next, LONGEST_PIECE_SECONDS * sampleRate);
    const numFrames = planes[0].length;
    const buffer = new AudioBuffer({ numberOfChannels: channels, length: numFrames, sampleRate });
    planes.forEach((plane, channel) => buffer.copyToChannel(plane, channel));
    const source = new AudioBufferSourceNode(this.#context, { buffer });
    const piece = { source, time: this.#endTime, frame: this.next, numFrames, round: this.#round };
    source.connect(this.#gain);
    source.onended = () => this.#drop(piece);
    source.start(piece.time);
    this.#pieces.push(piece);
    this.#numScheduled += numFrames;
    this.next += numFrames;
  }

  #drop(piece) {
    this.#pieces = this.#pieces.filter((other) => other !== piece);
    this.#onPieceEnd();
  }

  get #endTime() {
    return (this.#origin + this.#numScheduled) / this.#tape.sampleRate;
  }

  get #heard() {
    const now = this.#context.currentTime;
    const begun = this.#pieces.filter(({ time }) => time <= now);
    return begun.at(-1) ?? this.#pieces[0];
  }
}

function cut(source, time) {
  source.onended = null;
  source.stop(time);
}
