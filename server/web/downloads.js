/** Files to take away: the WAV that is kept, and what the server makes of its job, or makes anew. */

import { Busy, generate, jobAudio } from "/client/continuo.js";
import { fileName } from "./file_name.js";
import { inWords } from "./problems.js";
import { patchTake } from "./store.js";
import { paramsOf } from "./take.js";

const MAX_REFUSALS = 30;
/** Long enough for the slowest browser to have begun with the file. */
const REVOKE_SECONDS = 60;

export function createDownloads({ store, library, announce }) {
  /** Save a take as `format`. What is not there any more is made again: same seed, same music. */
  async function save(id, format) {
    const take = store.state.takes[id];
    const name = fileName(take, format);
    if (format === "wav") return saveFile((await library.soundOf(id))?.file, name);
    await prepare(id, format, async () => saveFile(await inFormat(take, format), name));
  }

  /** Get the stems of a take, and show them in its menu. */
  function getStems(id) {
    return prepare(id, "stems", async () => {
      const { blob, stems } = await remade(store.state.takes[id], { stems: true });
      await library.keep(id, { file: blob, stems });
      patchTake(store, id, { menuOpen: true });
    });
  }

  async function saveStem(id, name) {
    const sound = await library.soundOf(id);
    saveFile(sound?.stems[name], fileName(store.state.takes[id], "wav", name));
  }

  async function prepare(id, exporting, make) {
    patchTake(store, id, { exporting, exportProblem: null });
    announce(`Preparing: ${exporting}`);
    try {
      await make();
    } catch (error) {
      const { title, text } = inWords(error);
      patchTake(store, id, { exportProblem: `${title}. ${text}` });
      announce(`${title}. ${text}`);
    } finally {
      patchTake(store, id, { exporting: null });
    }
  }

  return { save, getStems, saveStem };
}

/** What the server has of the take's job, in `format`; a job that is gone is made again. */
async function inFormat(take, format) {
  const kept = take.jobId && (await jobAudio("", take.jobId, { format }).catch(() => null));
  return kept || (await remade(take, { format })).blob;
}

/** The same music once more, in what `wanted` adds; while the server is busy, waits for it. */
async function remade({ settings }, wanted) {
  for (let refusals = 0; ; refusals++) {
    try {
      return await completed({ ...paramsOf(settings), ...wanted, stream_audio: false });
    } catch (error) {
      const seconds = error instanceof Busy ? error.retryAfterSeconds : null;
      if (seconds === null || refusals >= MAX_REFUSALS) throw error;
      await new Promise((resolve) => setTimeout(resolve, seconds * 1000));
    }
  }
}

async function completed(params) {
  for await (const event of generate("", params)) {
    if (event.event === "completed") return event;
  }
  throw new Error("the generation gave no file");
}

function saveFile(blob, name) {
  if (!blob) return;
  const link = document.createElement("a");
  link.href = URL.createObjectURL(blob);
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), REVOKE_SECONDS * 1000);
}
