/** Numbers and dates in words. */

const DATE = new Intl.DateTimeFormat(undefined, { dateStyle: "medium" });
const TIME = new Intl.DateTimeFormat(undefined, { timeStyle: "short" });

/** 0:07, 12:30 */
export function clock(seconds) {
  const whole = Math.max(0, Math.floor(seconds + 1e-6));
  return `${Math.floor(whole / 60)}:${String(whole % 60).padStart(2, "0")}`;
}

/** 7 s, 1 min 30 s */
export function duration(seconds) {
  if (seconds < 60) return `${Math.round(seconds)} s`;
  const rest = Math.round(seconds % 60);
  return `${Math.floor(seconds / 60)} min${rest ? ` ${rest} s` : ""}`;
}

/** 0.34 s, 12 s */
export function briefly(seconds) {
  return `${seconds < 10 ? seconds.toFixed(seconds < 1 ? 2 : 1) : Math.round(seconds)} s`;
}

/** How fast music is made against how fast it plays. */
export function speed(realtimeFactor) {
  const times = 1 / realtimeFactor;
  if (times >= 10) return `${Math.round(times)}× real time`;
  return `${times.toFixed(times < 1 ? 2 : 1)}× real time`;
}

export function size(numBytes) {
  if (numBytes < 1e6) return `${Math.max(1, Math.round(numBytes / 1e3))} kB`;
  return `${numBytes < 1e7 ? (numBytes / 1e6).toFixed(1) : Math.round(numBytes / 1e6)} MB`;
}

export function when(milliseconds, now = new Date()) {
  const date = new Date(milliseconds);
  return date.toDateString() === now.toDateString()
    ? `today, ${TIME.format(date)}`
    : DATE.format(date);
}

const NAMES = { bpm: "Tempo", cfg_coef: "Guidance" };

/** `top_k` → Top k; `F_MAJOR_D_MINOR` → F major / D minor */
export function humanise(name) {
  if (name in NAMES) return NAMES[name];
  const key = /^([A-G])(_FLAT|_SHARP)?_MAJOR_([A-G])(_FLAT|_SHARP)?_MINOR$/.exec(name);
  if (key) {
    const sign = { _FLAT: "♭", _SHARP: "♯" };
    return `${key[1]}${sign[key[2]] ?? ""} major / ${key[3]}${sign[key[4]] ?? ""} minor`;
  }
  const words = name.replaceAll("_", " ").trim().toLowerCase();
  return words.charAt(0).toUpperCase() + words.slice(1);
}
