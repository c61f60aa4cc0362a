/** Parts of a song, [start, end] in seconds: in order, apart from each other, within the song. */

const SHORTEST_SECONDS = 0.5;

/** The ranges with one more; those that it touches become one with it. Too short a one is none. */
export function withRange(ranges, [from, to], wholeSeconds) {
  let [start, end] = [Math.max(0, Math.min(from, to)), Math.min(wholeSeconds, Math.max(from, to))];
  if (end - start < SHORTEST_SECONDS) return ranges;
  const touches = ([a, b]) => a <= end && b >= start;
  for (const [a, b] of ranges.filter(touches)) {
    [start, end] = [Math.min(start, a), Math.max(end, b)];
  }
  const apart = ranges.filter((range) => !touches(range));
  return [...apart, [start, end]].sort(([a], [b]) => a - b);
}

export function withoutRange(ranges, index) {
  return ranges.filter((_, other) => other !== index);
}

/** What is left of them in a song that ends at `wholeSeconds`. */
export function within(ranges, wholeSeconds) {
  return ranges.reduce((kept, range) => withRange(kept, range, wholeSeconds), []);
}
