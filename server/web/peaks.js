/** The shape of a piece's loudness, small enough to keep and to draw in every width. */

const NUM_BINS = 1200;
/** What a bin can hold; music is seldom louder. */
const FULL_RMS = 0.6;
/** Above 1 it shows more of the ups and downs that limiters leave. */
const CONTRAST = 1.4;
/** Sound below this share of the loudest possible is not blown up to fill the height. */
const QUIET = 0.08;

/** Measures sound as it comes: `bins` is a Uint8Array [NUM_BINS] over the whole duration. */
export class Peaks {
  #framesPerBin;
  #channels;
  #frame = 0;
  #sum = 0; // of squares in the bin that is being filled
  #bins = new Uint8Array(NUM_BINS);

  constructor(numFrames, channels) {
    this.#framesPerBin = Math.max(1, numFrames / NUM_BINS);
    this.#channels = channels;
  }

  /** `samples`: interleaved Int16Array. Gives the bins so far, a new array each time. */
  add(samples) {
    for (let i = 0; i < samples.length; i += this.#channels) this.#addFrame(samples, i);
    return this.#bins.slice();
  }

  #addFrame(samples, begin) {
    for (let c = 0; c < this.#channels; c++) this.#sum += (samples[begin + c] / 32768) ** 2;
    const bin = Math.min(NUM_BINS - 1, Math.floor(this.#frame / this.#framesPerBin));
    this.#frame += 1;
    if (Math.floor(this.#frame / this.#framesPerBin) > bin) this.#close(bin);
  }

  #close(bin) {
    const rms = Math.sqrt(this.#sum / (this.#framesPerBin * this.#channels));
    this.#bins[bin] = Math.round(255 * Math.min(1, rms / FULL_RMS));
    this.#sum = 0;
  }
}

/** The height, 0 to 1, of each of `numBars` equal parts; the loudest one is 1. */
export function bars(bins, numBars) {
  const perBar = bins.length / numBars;
  const loudness = Array.from({ length: numBars }, (_, bar) => {
    const begin = Math.floor(bar * perBar);
    return mean(bins.subarray(begin, Math.max(begin + 1, Math.floor((bar + 1) * perBar)))) / 255;
  });
  const loudest = Math.max(QUIET, ...loudness);
  return loudness.map((value) => (value / loudest) ** CONTRAST);
}

function mean(values) {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}
