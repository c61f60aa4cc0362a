/**
 * The browser client of a Continuo server: an ES module without dependencies.
 *
 *     import { generate, Player } from "http://127.0.0.1:5555/client/continuo.js";
 *
 *     const player = new Player();
 *     player.play(); // in a click, or the browser keeps silent
 *     for await (const event of generate("http://127.0.0.1:5555", { description: "lofi" })) {
 *       player.feed(event);
 *     }
 *
 * Types are in continuo.d.ts; docs/page.md has a complete page.
 */

export {
  BadRequest,
  Busy,
  ConnectionLost,
  ContinuoError,
  GenerationFailed,
  NotReachable,
  UnexpectedAnswer,
} from "./errors.js";
export { generate, listModels } from "./generate.js";
export { cancelJob, followJob, jobAudio, submitJob } from "./jobs.js";
export { Player } from "./player.js";
