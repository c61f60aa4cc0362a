/** What a file that is taken away is called. */

import { titleOf } from "./take.js";

const LONGEST_WORDS = 60;
/** Where a format's files do not end in its name. */
const ENDINGS = { midi: "mid" };

/** lofi-with-rain-42.wav, lofi-with-rain-42-drums.wav */
export function fileName(take, format, stem = "") {
  const words = titleOf(take).normalize("NFKD").replace(/\p{M}/gu, "").toLowerCase();
  const slug =
    words
      .match(/[\p{L}\p{N}]+/gu)
      ?.join("-")
      .slice(0, LONGEST_WORDS) || "music";
  const ending = ENDINGS[format] ?? format;
  return `${[slug, take.settings.seed, stem].filter((part) => part !== "").join("-")}.${ending}`;
}
