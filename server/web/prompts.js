/** Ideas for those who have none yet. */

export const EXAMPLES = [
  "Lofi with rain on the window",
  "Warm house at night",
  "Slow ambient at dawn",
  "Smoky jazz trio",
  "Driving rock",
];

const STYLES = [
  "Lofi",
  "House",
  "Ambient",
  "Jazz",
  "Rock",
  "Dub techno",
  "Bossa nova",
  "Synthwave",
];
const MOODS = [
  "dreamy",
  "restless",
  "warm",
  "melancholy",
  "playful",
  "hypnotic",
  "hopeful",
  "dark",
];
const SOUNDS = [
  "soft electric piano",
  "a walking bass",
  "brushed drums",
  "wide strings",
  "a lonely trumpet",
  "crackling vinyl",
  "bright bells",
  "a fat analog bass",
];
const PLACES = [
  "in an empty train at night",
  "on a rooftop in August",
  "after the rain",
  "at the end of a long day",
  "deep in a forest",
  "in a small club at 2 am",
];

/** A prompt by chance; `random` gives numbers from 0 to below 1. */
export function rollPrompt(random = Math.random) {
  const pick = (words) => words[Math.floor(random() * words.length)];
  return `${pick(STYLES)}, ${pick(MOODS)}, with ${pick(SOUNDS)}, ${pick(PLACES)}`;
}
