import assert from "node:assert/strict";
import { test } from "node:test";

import { fileName } from "../../server/web/file_name.js";
import { surplus } from "../../server/web/library.js";
import { bars, Peaks } from "../../server/web/peaks.js";
import { EXAMPLES, rollPrompt } from "../../server/web/prompts.js";
import { within, withoutRange, withRange } from "../../server/web/ranges.js";
import { createStore } from "../../server/web/store.js";
import { paramsOf, seedAt, titleOf } from "../../server/web/take.js";
import { formOf, settingsWanted } from "../../server/web/wanted.js";
import { briefly, clock, duration, humanise, size, speed } from "../../server/web/wording.js";

const kept = (id, numBytes = 1, favourite = false) => ({ id, numBytes, favourite });

test("the oldest go first, favourites never, the newest stays however large", () => {
  const takes = [kept("new", 10), kept("loved", 99, true), kept("old", 10), kept("older", 10)];
  assert.deepEqual(surplus(takes, 2, 1000), ["older"]);
  assert.deepEqual(surplus(takes, 9, 20), ["older"]);
  assert.deepEqual(surplus(takes, 9, 5), ["old", "older"]);
  assert.deepEqual(surplus(takes, 9, 1000), []);
});

test("peaks follow the loudness, whole and in pieces alike", () => {
  const numFrames = 12_000;
  const samples = new Int16Array(2 * numFrames);
  samples.fill(8000, numFrames); // silent, then loud
  const whole = new Peaks(numFrames, 2).add(samples);
  const pieces = new Peaks(numFrames, 2);
  let last;
  for (let i = 0; i < samples.length; i += 500) last = pieces.add(samples.subarray(i, i + 500));
  assert.deepEqual(last, whole);
  assert.deepEqual(bars(whole, 10), [0, 0, 0, 0, 0, 1, 1, 1, 1, 1]);
});

test("silence draws no bars", () => {
  assert.deepEqual(bars(new Peaks(100, 1).add(new Int16Array(100)), 3), [0, 0, 0]);
});

test("a watcher is told of its own part only", () => {
  const store = createStore({ a: 1, b: 1 });
  const told = [];
  const release = store.watch(
    ({ a }) => a,
    (a) => told.push(a),
  );
  store.set({ b: 2 });
  store.set({ a: 2 });
  release();
  store.set({ a: 3 });
  assert.deepEqual(told, [1, 2]);
});

test("files are named by the prompt and the seed", () => {
  const take = { settings: { prompt: "Café & Straße: <b>«Näher»</b>!", seed: 42 } };
  assert.equal(fileName(take, "wav"), "cafe-straße-b-naher-b-42.wav");
  assert.equal(fileName(take, "wav", "drums"), "cafe-straße-b-naher-b-42-drums.wav");
  assert.equal(fileName({ settings: { prompt: "../…", seed: 0 } }, "mp3"), "music-0.mp3");
  assert.equal(fileName({ settings: { prompt: "a", seed: 1 } }, "midi"), "a-1.mid");
});

test("a session's seeds follow each other, and wrap", () => {
  assert.deepEqual(
    [0, 1, 2].map((i) => seedAt(2 ** 32 - 2, i)),
    [4294967294, 4294967295, 0],
  );
});

test("a take is asked for in the words of the route", () => {
  const settings = { prompt: "x", model: "m", durationSeconds: 3, seed: 7, controls: { bpm: 90 } };
  assert.deepEqual(paramsOf(settings), {
    description: "x",
    model: "m",
    duration: 3,
    seed: 7,
    bpm: 90,
  });
});

test("numbers are said as people say them", () => {
  assert.deepEqual(
    [clock(0), clock(59.9), clock(61), clock(3599)],
    ["0:00", "0:59", "1:01", "59:59"],
  );
  assert.deepEqual([duration(5), duration(60), duration(95)], ["5 s", "1 min", "1 min 35 s"]);
  assert.deepEqual([briefly(0.071), briefly(3.14), briefly(42.4)], ["0.07 s", "3.1 s", "42 s"]);
  assert.deepEqual(
    [speed(0.02), speed(0.5), speed(2)],
    ["50× real time", "2.0× real time", "0.50× real time"],
  );
  assert.deepEqual([size(900), size(2_500_000), size(57.6e6)], ["1 kB", "2.5 MB", "58 MB"]);
  assert.deepEqual(
    [humanise("top_k"), humanise("B_FLAT_MAJOR_G_MINOR")],
    ["Top k", "B♭ major / G minor"],
  );
});

test("the dice never comes without a word", () => {
  for (const chance of [0, 0.5, 0.999999])
    assert.doesNotMatch(
      rollPrompt(() => chance),
      /undefined/,
    );
  assert.ok(EXAMPLES.length >= 4);
});

test("parts of a song are in order, apart, and within it", () => {
  assert.deepEqual(withRange([], [9, 4], 95), [[4, 9]]);
  assert.deepEqual(withRange([[4, 9]], [1, 2], 95), [
    [1, 2],
    [4, 9],
  ]);
  assert.deepEqual(
    withRange(
      [
        [4, 9],
        [20, 30],
      ],
      [8, 25],
      95,
    ),
    [[4, 30]],
  );
  assert.deepEqual(withRange([[4, 9]], [90, 200], 95), [
    [4, 9],
    [90, 95],
  ]);
  assert.deepEqual(withRange([[4, 9]], [50, 50.2], 95), [[4, 9]]);
  assert.deepEqual(
    withoutRange(
      [
        [4, 9],
        [20, 30],
      ],
      0,
    ),
    [[20, 30]],
  );
  assert.deepEqual(
    within(
      [
        [4, 9],
        [90, 120],
        [130, 140],
      ],
      100,
    ),
    [
      [4, 9],
      [90, 100],
    ],
  );
});

test("a song adds its fields and files to what is asked for, and comes back into the form", () => {
  const limits = { duration: { minimum: 95, maximum: 285, default: 95 } };
  const model = { name: "m", abilities: ["lyrics"], limits, default: true };
  const form = {
    ...{ prompt: "folk", model: "m", durationSeconds: null, seed: 1, controls: {} },
    ...{ lyrics: "la", styleFile: null, song: null },
  };
  const state = { models: [model], form };
  const asked = (changes) => settingsWanted({ ...state, form: { ...form, ...changes } });
  const fields = { description: "folk", model: "m", duration: 95, seed: 1, lyrics: "la" };
  assert.deepEqual(paramsOf(asked({})), fields);
  assert.deepEqual(formOf(asked({})), { ...form, durationSeconds: 95 });
  const styleFile = { name: "a.wav" };
  const style = paramsOf(asked({ styleFile }));
  assert.deepEqual(style, { ...fields, description: "", ref_audio: styleFile });
  assert.equal(titleOf({ settings: asked({ styleFile }) }), "Like a.wav");
  const song = {
    file: "f",
    durationSeconds: 120.5,
    ranges: [
      [10, 20],
      [110, 130],
    ],
  };
  const edit = {
    duration: 120,
    edit_segments: [
      [10, 20],
      [110, 120],
    ],
    ref_song: "f",
  };
  assert.deepEqual(paramsOf(asked({ song })), { ...fields, ...edit });
});
