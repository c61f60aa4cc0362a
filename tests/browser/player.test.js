import assert from "node:assert/strict";
import { beforeEach, test } from "node:test";

import { Player } from "../../clients/browser/player.js";
import { FakeContext, install, RATE } from "./fake_audio.js";

install();

let context;
let player;
let made; // samples fed so far

beforeEach(() => {
  context = new FakeContext();
  player = new Player({ context });
  made = 0;
});

/** The sound is a ramp, so that every frame is told from every other. */
const ramp = (first, length) => Int16Array.from({ length }, (_, i) => first + i + 1);
const level = (frame) => Math.fround((frame + 1) / 32767);

function start(seconds, holdSeconds = 0.5) {
  player.feed({ event: "start", sample_rate: RATE, channels: 1, duration: seconds });
  player.feed({ event: "progress", buffer_seconds: holdSeconds });
}

function feed(seconds, holdSeconds = 0.5) {
  const length = seconds * RATE;
  player.feed({
    event: "audio",
    take: 0,
    samples: ramp(made, length),
    buffer_seconds: holdSeconds,
  });
  made += length;
}

const complete = () => player.feed({ event: "completed" });

/** The frames that were heard, without the silence before and after. */
function heardFrames() {
  const heard = Array.from(context.heard(), (value) => Math.round(value * 32767) - 1);
  const first = heard.findIndex((frame) => frame >= 0);
  const last = heard.findLastIndex((frame) => frame >= 0);
  return first < 0 ? [] : heard.slice(first, last + 1);
}

const range = (begin, end) => Array.from({ length: end - begin }, (_, i) => begin + i);

test("starts when as much is there as the server advises", () => {
  player.play();
  start(10, 2);
  feed(1, 2);
  assert.equal(player.state, "waiting");
  feed(0.9, 2);
  assert.equal(player.state, "waiting");
  feed(0.1, 2);
  assert.equal(player.state, "playing");
});

test("a server that finds it is faster lets it start at once", () => {
  player.play();
  start(10, 10);
  feed(1, 10);
  player.feed({ event: "progress", buffer_seconds: 0.2 });
  assert.equal(player.state, "playing");
});

test("starts when all is there, whatever was advised", () => {
  player.play();
  start(1, 99);
  feed(1, 99);
  complete();
  assert.equal(player.state, "playing");
});

test("`ready` comes once, also when nobody listens", () => {
  let times = 0;
  player.addEventListener("ready", () => times++);
  start(10, 1);
  feed(0.5, 1);
  assert.equal(times, 0);
  feed(2, 1);
  feed(2, 1);
  assert.equal(times, 1);
  assert.equal(player.state, "paused");
});

test("every frame is heard once, in its order and without a gap", () => {
  player.play();
  start(20);
  for (const seconds of [0.5, 0.001, 0.25, 3, 9, 0.249, 7]) {
    feed(seconds);
    context.advance(0.1);
  }
  complete();
  context.advance(30);
  assert.deepEqual(heardFrames(), range(0, 20 * RATE));
  assert.equal(player.state, "ended");
  assert.equal(player.positionSeconds, 20);
});

test("only the next seconds are scheduled", () => {
  player.play();
  start(300);
  feed(300);
  complete();
  const scheduled = context.sources.reduce((sum, { buffer }) => sum + buffer.duration, 0);
  assert.ok(scheduled < 15, `${scheduled} s were scheduled`);
});

test("a listener who catches up waits, and goes on with the next frame", () => {
  player.play();
  start(10);
  feed(1);
  context.advance(2);
  assert.equal(player.state, "waiting");
  assert.equal(player.positionSeconds, 1);
  feed(0.3);
  assert.equal(player.state, "waiting");
  feed(0.3);
  assert.equal(player.state, "playing");
  context.advance(2);
  assert.deepEqual(
    heardFrames().filter((frame) => frame >= 0),
    range(0, 1.6 * RATE),
  );
});

test("a suspended context stops the clock, and playback goes on where it was", () => {
  player.play();
  start(4);
  feed(4);
  complete();
  context.advance(1);
  context.suspend();
  assert.equal(player.state, "blocked");
  context.advance(100);
  player.play();
  assert.equal(player.state, "playing");
  context.advance(10);
  assert.deepEqual(heardFrames(), range(0, 4 * RATE));
});

test("pause and play go on with the next frame", () => {
  player.play();
  start(6);
  feed(6);
  complete();
  context.advance(2);
  player.pause();
  const { positionSeconds } = player;
  assert.equal(player.state, "paused");
  context.advance(5);
  assert.equal(player.positionSeconds, positionSeconds);
  player.play();
  context.advance(0.03);
  assert.ok(Math.abs(player.positionSeconds - positionSeconds) < 0.002);
  context.advance(10);
  assert.equal(heardFrames().at(-1), 6 * RATE - 1);
  assert.equal(player.state, "ended");
});

test("seeks in what is there", () => {
  start(10);
  feed(5);
  player.seek(3);
  assert.equal(player.positionSeconds, 3);
  player.seek(8);
  assert.equal(player.positionSeconds, 5);
  player.seek(-1);
  assert.equal(player.positionSeconds, 0);
  player.seek(4);
  player.play();
  context.advance(0.5);
  assert.equal(heardFrames()[0], 4 * RATE);
});

test("the position follows the clock", () => {
  player.play();
  start(10);
  feed(6);
  feed(4);
  const begun = context.sources[0].time;
  for (const seconds of [0.5, 3.999, 4, 4.001, 6.5]) {
    context.advance(begun + seconds - context.currentTime);
    assert.ok(
      Math.abs(player.positionSeconds - seconds) < 1e-6,
      `${player.positionSeconds} at ${seconds}`,
    );
  }
});

test("play at the end starts over", () => {
  player.play();
  start(1);
  feed(1);
  complete();
  context.advance(3);
  assert.equal(player.state, "ended");
  player.play();
  assert.equal(player.state, "playing");
  context.advance(0.1);
  assert.equal(heardFrames().at(-1) < RATE / 2, true);
});

test("a loop has no seam, and ends when it is switched off", () => {
  player.loop = true;
  player.play();
  start(3);
  feed(1);
  feed(2);
  complete();
  context.advance(7);
  player.loop = false;
  context.advance(20);
  const round = range(0, 3 * RATE);
  assert.deepEqual(heardFrames(), [...round, ...round, ...round]);
  assert.equal(player.state, "ended");
});

test("a stop in the middle leaves what was made", () => {
  player.play();
  start(10);
  feed(2);
  player.end();
  assert.equal(player.durationSeconds, 2);
  context.advance(5);
  assert.equal(player.state, "ended");
  assert.deepEqual(heardFrames(), range(0, 2 * RATE));
});

test("other takes and a closed player are silent", () => {
  player.play();
  start(10);
  player.feed({ event: "audio", take: 1, samples: ramp(0, RATE), buffer_seconds: 0 });
  assert.equal(player.bufferedSeconds, 0);
  feed(3);
  context.advance(1);
  player.close();
  context.advance(5);
  assert.ok(heardFrames().length < 1.1 * RATE);
});

test("a WAV is played as it is, with other parts of the file left out", async () => {
  const file = wav(ramp(0, 2 * RATE));
  await player.load(new Blob([file]));
  player.play();
  context.advance(5);
  assert.deepEqual(heardFrames(), range(0, 2 * RATE));
  assert.equal(context.heard()[30], level(0));
});

test("what is no 16-bit WAV is refused", async () => {
  await assert.rejects(player.load(new Blob(["fLaC, or anything else"])), RangeError);
});

test("each change of state is told once", () => {
  const told = [];
  player.addEventListener("statechange", () => told.push(player.state));
  player.play();
  start(1, 0.1);
  feed(1, 0.1);
  complete();
  context.advance(3);
  assert.deepEqual(told, ["waiting", "playing", "ended"]);
});

function wav(samples) {
  const text = (word) => new TextEncoder().encode(word);
  const number = (value, numBytes) => {
    const bytes = new DataView(new ArrayBuffer(4));
    bytes.setUint32(0, value, true);
    return new Uint8Array(bytes.buffer, 0, numBytes);
  };
  const format = [
    number(1, 2),
    number(1, 2),
    number(RATE, 4),
    number(2 * RATE, 4),
    number(2, 2),
    number(16, 2),
  ];
  return new Blob([
    ...[
      text("RIFF"),
      number(0, 4),
      text("WAVE"),
      text("LIST"),
      number(3, 4),
      text("abc"),
      number(0, 1),
    ],
    ...[
      text("fmt "),
      number(16, 4),
      ...format,
      text("data"),
      number(2 * samples.length, 4),
      samples,
    ],
  ]);
}
