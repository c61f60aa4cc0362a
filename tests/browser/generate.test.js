import assert from "node:assert/strict";
import { createServer } from "node:http";
import { once } from "node:events";
import { after, before, test } from "node:test";

import {
  BadRequest,
  Busy,
  ConnectionLost,
  GenerationFailed,
  generate,
  listModels,
  NotReachable,
  UnexpectedAnswer,
} from "../../clients/browser/continuo.js";

let server;
let url;
let answer; // (request, body, response) → void, set by each test

before(async () => {
  server = createServer(async (request, response) => {
    const pieces = await readAll(request);
    answer(request, Buffer.concat(pieces).toString(), response);
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  url = `http://127.0.0.1:${server.address().port}`;
});
after(() => server.close());

async function readAll(request) {
  const pieces = [];
  for await (const piece of request) pieces.push(piece);
  return pieces;
}

const message = (event) => `data: ${JSON.stringify(event)}\n\n`;
const base64 = (bytes) => Buffer.from(bytes).toString("base64");

function stream(...events) {
  answer = (request, body, response) => {
    response.writeHead(200, { "Content-Type": "text/event-stream" });
    response.end(events.map(message).join(""));
  };
}

function refuse(status, body, headers = {}) {
  answer = (request, sent, response) => response.writeHead(status, headers).end(body);
}

async function collected(params = { description: "x" }, options = {}) {
  const events = [];
  for await (const event of generate(url, params, options)) events.push(event);
  return events;
}

test("asks for streamed sound, with the fields as they are", async () => {
  let seen;
  answer = (request, body, response) => {
    seen = { method: request.method, path: request.url, body: JSON.parse(body) };
    response.end(message({ event: "completed", audio: "", format: "wav" }));
  };
  await collected({ description: "lofi", duration: 3, seed: 7 });
  const body = { stream_audio: true, description: "lofi", duration: 3, seed: 7 };
  assert.deepEqual(seen, { method: "POST", path: "/api/v1/generate_music", body });
});

test("sound and files are decoded, all else stays", async () => {
  const samples = new Int16Array([0, 1, -1, 32767, -32767, 258]);
  const file = new Uint8Array([82, 73, 70, 70, 0, 255]);
  stream(
    { event: "start", seed: 7, sample_rate: 8000, channels: 2, duration: 1 },
    { event: "audio", audio: base64(samples.buffer), sequence: 0, take: 0, buffer_seconds: 0.5 },
    { event: "unheard_of", anything: [1] },
    { event: "completed", audio: base64(file), format: "flac", stems: { drums: base64(file) } },
  );
  const [start, audio, other, completed] = await collected();
  assert.equal(start.seed, 7);
  assert.deepEqual(audio.samples, samples);
  assert.equal(audio.audio, undefined);
  assert.deepEqual(other, { event: "unheard_of", anything: [1] });
  assert.equal(completed.blob.type, "audio/flac");
  assert.deepEqual(new Uint8Array(await completed.blob.arrayBuffer()), file);
  assert.deepEqual(new Uint8Array(await completed.stems.drums.arrayBuffer()), file);
});

test("files go as a form, other requests as JSON", async () => {
  let seen;
  answer = (request, body, response) => {
    seen = { type: request.headers["content-type"], body };
    response.end(message({ event: "completed", audio: "", format: "wav" }));
  };
  const melody = new Blob(["RIFF and so on"]);
  await collected({ description: "é", seed: null, melody, edit_segments: [[-1, 2.5]] });
  assert.match(seen.type, /^multipart\/form-data; boundary=/);
  assert.match(seen.body, /name="description"\r\n\r\né\r\n/);
  assert.match(seen.body, /name="stream_audio"\r\n\r\ntrue\r\n/);
  assert.match(seen.body, /name="melody"; filename="[^"]+"[^]*RIFF and so on/);
  assert.match(seen.body, /name="edit_segments"\r\n\r\n\[\[-1,2.5\]\]\r\n/);
  assert.doesNotMatch(seen.body, /name="seed"/);
});

test("levels are for whole files: nothing is streamed then", async () => {
  let seen;
  answer = (request, body, response) => {
    seen = JSON.parse(body);
    response.end(message({ event: "completed", audio: "", format: "wav" }));
  };
  await collected({ description: "x", normalize: "peak" });
  assert.equal(seen.stream_audio, false);
});

test("takes are files of their own", async () => {
  const takes = [
    { seed: 1, audio: base64("one") },
    { seed: 2, audio: base64("two"), stems: { drums: base64("boom") } },
  ];
  stream({ event: "completed", audio: base64("one"), format: "midi", takes });
  const [completed] = await collected();
  assert.deepEqual(
    completed.takes.map(({ seed }) => seed),
    [1, 2],
  );
  assert.equal(await completed.takes[1].blob.text(), "two");
  assert.equal(completed.takes[1].blob.type, "audio/midi");
  assert.equal(completed.takes[1].stems.drums.type, "audio/wav");
  stream({ event: "completed", audio: base64("one"), format: "wav" });
  assert.equal("takes" in (await collected())[0], false);
});

test("a file of many megabytes arrives whole", async () => {
  const file = Buffer.alloc(24e6, "continuo");
  stream({ event: "completed", audio: base64(file), format: "wav" });
  const [{ blob }] = await collected();
  assert.ok(file.equals(Buffer.from(await blob.arrayBuffer())));
});

test("a wrong field is named", async () => {
  refuse(
    400,
    JSON.stringify({ error: "bad_request", message: "duration must be…", field: "duration" }),
  );
  const expected = { name: "BadRequest", field: "duration", code: "bad_request", status: 400 };
  await assert.rejects(
    collected(),
    (error) => error instanceof BadRequest && matches(error, expected),
  );
});

test("a refusal says why, and when to come again", async () => {
  const body = JSON.stringify({ error: "busy", message: "no slot", field: null });
  refuse(503, body, { "Retry-After": "5" });
  await assert.rejects(
    collected(),
    (e) => e instanceof Busy && matches(e, { code: "busy", retryAfterSeconds: 5 }),
  );
  refuse(503, body);
  await assert.rejects(collected(), (e) => e instanceof Busy && e.retryAfterSeconds === null);
});

test("a failure of the server is one", async () => {
  refuse(500, JSON.stringify({ error: "internal_error", message: "request id 7" }));
  await assert.rejects(
    collected(),
    (e) => e instanceof GenerationFailed && e.code === "internal_error",
  );
  stream({ event: "error", message: "the model failed", error: "generation_failed" });
  await assert.rejects(
    collected(),
    (e) => e instanceof GenerationFailed && e.message === "the model failed",
  );
});

test("an answer of something else is told apart", async () => {
  refuse(502, "<html>Bad gateway</html>");
  await assert.rejects(collected(), (e) => e instanceof UnexpectedAnswer && e.status === 502);
  answer = (request, body, response) => response.end("data: {half\n\n");
  await assert.rejects(collected(), UnexpectedAnswer);
});

test("a stream that ends early, or breaks, is lost", async () => {
  stream({ event: "progress", progress: 3, buffer_seconds: 1 });
  await assert.rejects(collected(), ConnectionLost);
  answer = (request, body, response) => {
    response.writeHead(200).write(message({ event: "progress" }));
    setTimeout(() => response.destroy(), 20);
  };
  await assert.rejects(collected(), ConnectionLost);
});

test("nobody at the address", async () => {
  const closed = createServer().listen(0, "127.0.0.1");
  await once(closed, "listening");
  const { port } = closed.address();
  closed.close();
  await assert.rejects(generate(`http://127.0.0.1:${port}`, {}).next(), NotReachable);
});

for (const [how, leave] of [
  ["aborting", (controller) => controller.abort()],
  ["leaving the loop", () => "break"],
]) {
  test(`${how} closes the connection`, async () => {
    const closed = new Promise((resolve) => {
      answer = (request, body, response) => {
        response.on("close", resolve);
        response.writeHead(200).write(message({ event: "progress", progress: 1 }));
      };
    });
    const controller = new AbortController();
    const run = async () => {
      for await (const event of generate(url, {}, { signal: controller.signal })) {
        assert.equal(event.progress, 1);
        if (leave(controller)) break;
      }
    };
    if (how === "aborting") await assert.rejects(run(), { name: "AbortError" });
    else await run();
    await closed;
  });
}

test("models are listed", async () => {
  refuse(200, JSON.stringify({ models: [{ name: "sketch" }] }));
  assert.deepEqual(await listModels(url), [{ name: "sketch" }]);
});

function matches(error, expected) {
  for (const [name, value] of Object.entries(expected)) assert.deepEqual(error[name], value);
  return true;
}
