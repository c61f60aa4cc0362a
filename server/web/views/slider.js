/** What a range input needs beyond HTML. */

/** Lets the style sheet paint the part of the track before the thumb. */
export function fillTrack(slider) {
  const share = (slider.value - slider.min) / (slider.max - slider.min || 1);
  slider.style.setProperty("--filled", `${100 * share}%`);
}
