import {
  BadRequest,
  Busy,
  cancelJob,
  ContinuoError,
  followJob,
  generate,
  jobAudio,
  listModels,
  Player,
  submitJob,
  type GenerateParams,
  type Model,
} from "./client/continuo.js";

async function sample(url: string): Promise<Blob | undefined> {
  const controller = new AbortController();
  const models: Model[] = await listModels(url, { signal: controller.signal });
  const params: GenerateParams = { description: "lofi", duration: 10, model: models[0]?.name };
  const player = new Player({ sampleRate: models[0]?.sample_rate });
  player.addEventListener("statechange", () => console.log(player.state satisfies string));
  player.play();
  try {
    for await (const event of generate(url, params, { signal: controller.signal })) {
      player.feed(event);
      if (event.event === "audio") console.log(event.samples.length, event.take);
      if (event.event === "start") console.log(event.seed, event.interpretation);
      if (event.event === "completed") console.log(event.takes?.map(({ seed }) => seed + 1));
      if (event.event === "completed") return event.stems["drums"] ?? event.blob;
    }
  } catch (error) {
    if (error instanceof BadRequest) console.log(error.field?.length);
    else if (error instanceof Busy) console.log((error.retryAfterSeconds ?? 0) + 1);
    else if (error instanceof ContinuoError) console.log(error.code, error.status);
  }
  player.loop = true;
  player.volume = 0.5;
  player.seek(player.durationSeconds / 2);
  await player.load(new Blob());
  return undefined;
}

async function later(url: string): Promise<void> {
  const job = await submitJob(url, { description: "lofi" }, { key: "mine" });
  const player = new Player();
  for await (const event of followJob(url, job.id)) {
    player.feed(event);
    if (event.event === "completed") console.log(event.job.files.map(({ stem }) => stem?.length));
    if (event.event === "completed") console.log(event.blob.size, event.stems["drums"]?.size);
  }
  console.log((await jobAudio(url, job.id, { format: "flac" })).size);
  console.log((await cancelJob(url, job.id)).state satisfies string);
}

// @ts-expect-error: a description is required
void generate("", { duration: 3 });
void generate("", { description: "", melody: new Blob(), num_takes: 2, normalize: "peak" });
// @ts-expect-error: there is no such format
void generate("", { description: "", format: "aiff" });
void sample;
void later;
