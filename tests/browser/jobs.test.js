import assert from "node:assert/strict";
import { createServer } from "node:http";
import { once } from "node:events";
import { after, before, test } from "node:test";

import {
  BadRequest,
  cancelJob,
  followJob,
  GenerationFailed,
  jobAudio,
  submitJob,
} from "../../clients/browser/continuo.js";

let server;
let url;
let answer; // (request, body, response) → void, set by each test

before(async () => {
  server = createServer(async (request, response) => {
    const pieces = [];
    for await (const piece of request) pieces.push(piece);
    answer(request, Buffer.concat(pieces).toString(), response);
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  url = `http://127.0.0.1:${server.address().port}`;
});
after(() => server.close());

const message = (id, event) =>
  `${id && `id: ${id}\n`}event: ${event.event}\ndata: ${JSON.stringify(event)}\n\n`;
const audio = (value) => ({ event: "audio", audio: Buffer.from([value, 0]).toString("base64") });
const job = (state, rest) => ({ state, files: [], audio_url: "/audio", ...rest });
const end = (state, rest) => ({ event: state, job: job(state, rest) });

/** Answers with one stream after another; the file is "RIFF". Gives the ids that were asked from. */
function streams(...all) {
  const seen = [];
  answer = (request, body, response) => {
    if (request.url.startsWith("/audio")) return response.end(`RIFF${request.url}`);
    seen.push(request.headers["last-event-id"]);
    response.writeHead(200, { "Content-Type": "text/event-stream" });
    response.end(all.shift().join(""));
  };
  return seen;
}

async function collected(options) {
  const events = [];
  for await (const event of followJob(url, "7", options)) events.push(event);
  return events;
}

test("a wish is sent as it is, and the job is given", async () => {
  let seen;
  answer = (request, body, response) => {
    seen = [request.method, request.url, JSON.parse(body), request.headers["idempotency-key"]];
    response.writeHead(202).end('{"id":"7"}');
  };
  assert.deepEqual(await submitJob(url, { description: "x" }), { id: "7" });
  assert.deepEqual(seen, ["POST", "/api/v1/jobs", { description: "x" }, undefined]);
  await submitJob(url, { description: "x" }, { key: "mine" });
  assert.equal(seen[3], "mine");
});

test("a refusal in the form of problem+json is an error with its words", async () => {
  answer = (request, body, response) =>
    response.writeHead(422).end('{"detail":"no","error":"bad_request","field":"bpm"}');
  await assert.rejects(submitJob(url, {}), (error) => {
    assert.ok(error instanceof BadRequest);
    assert.deepEqual([error.message, error.code, error.field], ["no", "bad_request", "bpm"]);
    return true;
  });
});

test("a broken stream is taken up where it broke", { timeout: 20_000 }, async () => {
  const seen = streams(
    [message("", { event: "queued", position: 1 }), message("1-1", audio(1))],
    [message("1-2", audio(2)), "id: 1-3\ndata: broken o"],
    [message("2-0", { event: "restarted" }), message("2-1", audio(1)), message("2-2", audio(2))],
    [message("2-3", end("completed"))],
  );
  const events = await collected();
  assert.deepEqual(seen, [undefined, "1-1", "1-2", "2-2"]);
  assert.deepEqual(
    events.map((event) => event.samples?.[0] ?? event.event),
    ["queued", 1, 2, "restarted", 1, 2, "completed"],
  );
});

test("completed brings the file and the stems of the first take", async () => {
  const files = [
    { take: 0, stem: null, url: "/audio?take=0" },
    { take: 0, stem: "drums", url: "/audio?stem=drums" },
    { take: 1, stem: "drums", url: "/audio?take=1" },
  ];
  streams([message("1-1", end("completed", { files }))]);
  const [completed] = await collected();
  assert.equal(await completed.blob.text(), "RIFF/audio");
  assert.deepEqual(Object.keys(completed.stems), ["drums"]);
  assert.equal(await completed.stems.drums.text(), "RIFF/audio?stem=drums");
});

test("a job that failed or was cancelled is an error", async () => {
  for (const state of ["failed", "cancelled"]) {
    streams([message("1-1", end(state, { error: { code: state, message: "why" } }))]);
    await assert.rejects(collected(), (error) => {
      assert.ok(error instanceof GenerationFailed);
      assert.deepEqual([error.message, error.code], ["why", state]);
      return true;
    });
  }
});

test("aborting ends the listening at once, also between two tries", async () => {
  streams([message("1-1", audio(1))], []);
  const controller = new AbortController();
  const reason = new Error("enough");
  setTimeout(() => controller.abort(reason), 100);
  const begun = performance.now();
  await assert.rejects(collected({ signal: controller.signal }), reason);
  assert.ok(performance.now() - begun < 900);
});

test("a job that is gone is told at once", async () => {
  answer = (request, body, response) =>
    response.writeHead(410).end('{"detail":"expired","error":"gone"}');
  await assert.rejects(collected(), (error) => error.code === "gone");
});

test("its sound can be had in another format", async () => {
  answer = (request, body, response) => response.end(request.url);
  const said = async (options) => (await jobAudio(url, "7", options)).text();
  assert.equal(await said(), "/api/v1/jobs/7/audio");
  assert.equal(await said({ format: "flac" }), "/api/v1/jobs/7/audio?format=flac");
});

test("cancelling gives the job as it is then", async () => {
  let seen;
  answer = (request, body, response) => {
    seen = [request.method, request.url];
    response.end('{"state":"cancelled"}');
  };
  assert.equal((await cancelJob(url, "7")).state, "cancelled");
  assert.deepEqual(seen, ["POST", "/api/v1/jobs/7/cancel"]);
});
