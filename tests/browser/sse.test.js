import assert from "node:assert/strict";
import { test } from "node:test";

import { messages } from "../../clients/browser/sse.js";

const STREAM =
  'data: {"a":1}\n\n: a comment\r\ndata:näher\r\ndata: 🎹\r\n\r\nevent: x\nid: 7\n\ndata: \n\n';
const MESSAGES = [
  { id: "", data: '{"a":1}' },
  { id: "", data: "näher\n🎹" },
  { id: "7", data: "" },
];

/** A stream of `bytes`, cut into pieces of `size`; says whether it was cancelled. */
function streamOf(bytes, size = bytes.length) {
  let begin = 0;
  const stream = new ReadableStream({
    pull(controller) {
      if (begin >= bytes.length) return controller.close();
      controller.enqueue(bytes.subarray(begin, (begin += size)));
    },
    cancel() {
      stream.wasCancelled = true;
    },
  });
  return stream;
}

async function collected(stream) {
  const all = [];
  for await (const message of messages(stream)) all.push(message);
  return all;
}

const encoded = (text) => new TextEncoder().encode(text);

test("messages are the same however the stream is cut", async () => {
  const bytes = encoded(STREAM);
  for (let size = 1; size <= bytes.length; size++) {
    assert.deepEqual(await collected(streamOf(bytes, size)), MESSAGES, `cut every ${size} bytes`);
  }
});

test("a message that the stream breaks off is dropped", async () => {
  const stream = streamOf(encoded("data: whole\n\nid: 1\ndata: half\n"));
  assert.deepEqual(await collected(stream), [{ id: "", data: "whole" }]);
});

test("leaving early cancels the stream", async () => {
  const stream = streamOf(encoded(STREAM), 5);
  for await (const message of messages(stream)) {
    assert.deepEqual(message, MESSAGES[0]);
    break;
  }
  assert.equal(stream.wasCancelled, true);
});

test("time grows with the length and not with its square", async () => {
  const measure = async (numBytes) => {
    const bytes = encoded(`data: ${"x".repeat(numBytes)}\n\n`);
    const begun = performance.now();
    const [message] = await collected(streamOf(bytes, 1024));
    assert.equal(message.data.length, numBytes);
    return performance.now() - begun;
  };
  await measure(1e6); // warm up
  const short = Math.min(await measure(2e6), await measure(2e6), await measure(2e6));
  const long = Math.min(await measure(16e6), await measure(16e6));
  assert.ok(
    long < 8 * short * 3,
    `8 times the length took ${(long / short).toFixed(1)} times as long`,
  );
});
