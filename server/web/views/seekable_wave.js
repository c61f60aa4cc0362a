/** A waveform that is also a slider: for the pointer, the keyboard and screen readers alike. */

import { clock } from "../wording.js";
import { el } from "./elements.js";
import { createWaveform } from "./waveform.js";

/** `onSeek(seconds)`; `shape` is createWaveform's. Gives { element, show(take, place), repaint() }. */
export function seekableWave(label, onSeek, shape = {}) {
  const waveform = createWaveform(shape);
  const slider = el("input", {
    type: "range",
    class: "wave-slider",
    min: 0,
    step: 0.01,
    "aria-label": label,
    on: { input: () => onSeek(Number(slider.value)) },
  });
  const element = el("div", { class: "wave" }, waveform.canvas, slider);

  return {
    element,
    repaint: waveform.paint,
    /** `place`: { position, buffered }, in seconds, of the player if the take is in it. */
    show(take, place) {
      const whole = take.durationSeconds || 1;
      const isWhole = take.status === "done";
      const made = isWhole ? 1 : take.madeSeconds / whole;
      const played = place ? Math.min(1, place.position / whole) : 0;
      waveform.draw({ bins: take.peaks, made, played });
      setSlider(slider, place?.position ?? 0, whole, made > 0);
      element.style.setProperty("--made", made);
    },
  };
}

function setSlider(slider, position, whole, isOn) {
  const text = `${clock(position)} of ${clock(whole)}`;
  if (slider.max !== String(whole)) slider.max = whole;
  slider.value = position;
  slider.disabled = !isOn;
  if (slider.getAttribute("aria-valuetext") !== text) slider.setAttribute("aria-valuetext", text);
}
