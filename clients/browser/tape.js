/** The sound of one piece while it grows: interleaved 16-bit PCM, in the pieces it came in. */

const FULL_SCALE = 32767; // what the server multiplies by
const HEADER_BYTES = 12;

export class Tape {
  #pieces = []; // { begin: frame, samples: Int16Array [frames * channels] }

  constructor(sampleRate, channels) {
    this.sampleRate = sampleRate;
    this.channels = channels;
    this.numFrames = 0;
  }

  /** `samples`: Int16Array, interleaved. */
  append(samples) {
    this.#pieces.push({ begin: this.numFrames, samples });
    this.numFrames += samples.length / this.channels;
  }

  /**
   * Sound from `frame` on, up to the end of the piece it is in, at most `maxFrames`: one
   * Float32Array [frames] a channel. `frame` must be below `numFrames`.
   */
  read(frame, maxFrames) {
    const { begin, samples } = this.#pieceAt(frame);
    const first = (frame - begin) * this.channels;
    const end = Math.min(samples.length, first + maxFrames * this.channels);
    return Array.from({ length: this.channels }, (_, channel) =>
      deinterleaved(samples.subarray(first, end), channel, this.channels),
    );
  }

  #pieceAt(frame) {
    let low = 0;
    let high = this.#pieces.length - 1;
    while (low < high) {
      const middle = (low + high + 1) >> 1;
      if (this.#pieces[middle].begin <= frame) low = middle;
      else high = middle - 1;
    }
    return this.#pieces[low];
  }
}

/**
 * A tape of a whole WAV file (RIFF, 16-bit PCM, as the server writes it), from its ArrayBuffer.
 * Throws a RangeError if it is anything else.
 */
export function tapeOfWav(file) {
  const view = new DataView(file);
  const parts = Object.fromEntries(riffParts(view));
  const { "fmt ": format, data } = parts;
  const isPcm16 = format && data && view.getUint16(format.begin + 14, true) === 16;
  if (!isPcm16) throw new RangeError("the file must be a WAV of 16-bit PCM");
  const tape = new Tape(
    view.getUint32(format.begin + 4, true),
    view.getUint16(format.begin + 2, true),
  );
  const numSamples = Math.floor(data.numBytes / 2);
  tape.append(new Int16Array(file.slice(data.begin, data.begin + 2 * numSamples)));
  return tape;
}

function* riffParts(view) {
  let begin = HEADER_BYTES;
  while (begin + 8 <= view.byteLength) {
    const name = String.fromCharCode(...new Uint8Array(view.buffer, begin, 4));
    const numBytes = Math.min(view.getUint32(begin + 4, true), view.byteLength - begin - 8);
    yield [name, { begin: begin + 8, numBytes }];
    begin += 8 + numBytes + (numBytes % 2);
  }
}

function deinterleaved(samples, channel, channels) {
  const plane = new Float32Array(samples.length / channels);
  for (let i = 0, j = channel; i < plane.length; i++, j += channels)
    plane[i] = samples[j] / FULL_SCALE;
  return plane;
}
