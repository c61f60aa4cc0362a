/** Draws the loudness of a take as rounded bars; what was played is in the accent colour. */

import { bars } from "../peaks.js";

const BAR_PIXELS = 3;
const GAP_PIXELS = 2;
const DOT_PIXELS = 3; // the height of silence, and of what is not made yet
/** Where the line lies that the bars stand on, and how strong what they mirror below it is. */
const MIRRORED = { horizon: 0.64, opacity: 0.35 };
const SYMMETRIC = { horizon: 0.5, opacity: 1 };

/**
 * A canvas that fills its parent. It is symmetric, or with `mirrored` a reflection on water.
 * `draw({ bins, made, played })`: `made` and `played` are
 * shares of the whole, 0 to 1; nothing is drawn again that has not changed.
 */
export function createWaveform({ mirrored = false } = {}) {
  const canvas = document.createElement("canvas");
  canvas.className = "waveform";
  canvas.setAttribute("aria-hidden", "true");
  let shown = { bins: null, made: 0, played: 0 };
  const shape = mirrored ? MIRRORED : SYMMETRIC;

  const paint = () => {
    const { width, height } = fit(canvas);
    if (!width) return;
    const numBars = Math.max(1, Math.floor((width + GAP_PIXELS) / (BAR_PIXELS + GAP_PIXELS)));
    const heights = shown.bins ? bars(shown.bins, numBars) : new Array(numBars).fill(0);
    paintBars(canvas, heights, height, shape, shown);
  };
  new ResizeObserver(paint).observe(canvas);

  return {
    canvas,
    paint,
    draw(next) {
      const isSame = ["bins", "made", "played"].every((key) => Object.is(next[key], shown[key]));
      if (isSame) return;
      shown = next;
      paint();
    },
  };
}

/** The canvas in device pixels, drawn on in CSS pixels. */
function fit(canvas) {
  const { clientWidth: width, clientHeight: height } = canvas;
  const ratio = devicePixelRatio || 1;
  if (canvas.width !== Math.round(width * ratio)) canvas.width = Math.round(width * ratio);
  if (canvas.height !== Math.round(height * ratio)) canvas.height = Math.round(height * ratio);
  canvas.getContext("2d").setTransform(ratio, 0, 0, ratio, 0, 0);
  return { width, height };
}

function paintBars(canvas, heights, height, { horizon, opacity }, { made, played }) {
  const context = canvas.getContext("2d");
  const colours = coloursOf(canvas);
  const above = height * horizon;
  context.clearRect(0, 0, canvas.width, canvas.height);
  heights.forEach((share, index) => {
    const place = (index + 0.5) / heights.length;
    const isMade = place <= made;
    const isSound = isMade && share * above > DOT_PIXELS / 2;
    const x = index * (BAR_PIXELS + GAP_PIXELS);
    context.fillStyle = !isMade ? colours.empty : place <= played ? colours.played : colours.made;
    if (isSound) paintSound(context, x, above, share * above, share * (height - above), opacity);
    else paintBar(context, x, above - DOT_PIXELS / 2, DOT_PIXELS, DOT_PIXELS / 2);
  });
}

function coloursOf(canvas) {
  const style = getComputedStyle(canvas);
  const colour = (name) => style.getPropertyValue(name);
  return { empty: colour("--wave-empty"), made: colour("--wave"), played: colour("--wave-played") };
}

/** One bar, `up` above the line at `y` and `down` below it. */
function paintSound(context, x, y, up, down, opacity) {
  if (opacity === 1) return paintBar(context, x, y - up, up + down, BAR_PIXELS / 2);
  const top = BAR_PIXELS / 2;
  paintBar(context, x, y - up, up, [top, top, 0, 0]);
  context.globalAlpha = opacity;
  paintBar(context, x, y + 1, down, [0, 0, top, top]);
  context.globalAlpha = 1;
}

function paintBar(context, x, top, length, radii) {
  context.beginPath();
  context.roundRect(x, top, BAR_PIXELS, length, radii);
  context.fill();
}
