/** A small Web Audio whose clock stands still until told, and which writes down what is heard. */

export const RATE = 1000;

export class FakeContext extends EventTarget {
  state = "running";
  currentTime = 0;
  destination = {};
  sources = [];

  resume() {
    this.#become("running");
    return Promise.resolve();
  }

  suspend() {
    this.#become("suspended");
  }

  /** Let time pass, unless suspended; pieces that are over say so, in their order. */
  advance(seconds) {
    if (this.state !== "running") return;
    const goal = this.currentTime + seconds;
    for (;;) {
      const next = this.sources.filter((source) => !source.isOver && source.end <= goal);
      if (next.length === 0) break;
      const first = next.reduce((a, b) => (b.end < a.end ? b : a));
      this.currentTime = Math.max(this.currentTime, first.end);
      first.isOver = true;
      first.onended?.();
    }
    this.currentTime = goal;
  }

  /** All that was heard up to now of channel 0, [frames], by the clock; silence is 0. */
  heard() {
    const tape = new Float32Array(Math.round(this.currentTime * RATE));
    for (const { time, end, buffer } of this.sources) {
      const begin = Math.round(time * RATE);
      assertOnGrid(time);
      for (let i = 0; i < buffer.length && begin + i < tape.length; i++) {
        if (begin + i < Math.round(end * RATE)) tape[begin + i] += buffer.planes[0][i];
      }
    }
    return tape;
  }

  #become(state) {
    this.state = state;
    this.dispatchEvent(new Event("statechange"));
  }
}

function assertOnGrid(time) {
  const frames = time * RATE;
  if (Math.abs(frames - Math.round(frames)) > 1e-6)
    throw new Error(`${time} s is between two frames`);
}

class FakeBuffer {
  constructor({ numberOfChannels, length, sampleRate }) {
    Object.assign(this, { length, duration: length / sampleRate });
    this.planes = Array.from({ length: numberOfChannels }, () => new Float32Array(length));
  }

  copyToChannel(plane, channel) {
    this.planes[channel].set(plane);
  }
}

class FakeSource {
  isOver = false;

  constructor(context, { buffer }) {
    Object.assign(this, { context, buffer });
  }

  connect() {}

  start(time) {
    if (time < this.context.currentTime) throw new Error("started in the past");
    this.time = time;
    this.end = time + this.buffer.duration;
    this.context.sources.push(this);
  }

  stop(time) {
    this.end = Math.min(this.end, Math.max(time, this.context.currentTime));
  }
}

class FakeGain {
  gain = { value: 1, setTargetAtTime() {}, cancelScheduledValues() {} };
  connect() {}
  disconnect() {}
}

export function install() {
  Object.assign(globalThis, {
    AudioBuffer: FakeBuffer,
    AudioBufferSourceNode: FakeSource,
    GainNode: FakeGain,
  });
}
