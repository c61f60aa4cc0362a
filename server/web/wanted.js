/** What the form asks for, within what the chosen model allows. */

import { songSettings, sings } from "./songs.js";
import { within } from "./ranges.js";

const UNKNOWN_LIMITS = { minimum: 1, maximum: 60, default: 30 };

/** The model that is chosen, or else the server's default. */
export function chosenModel({ models, form }) {
  return models.find(({ name }) => name === form.model) ?? models.find((model) => model.default);
}

/** The duration in force: what was chosen, within the limits. */
export function secondsWanted(state) {
  const limits = durationLimits(state);
  const seconds = state.form.durationSeconds ?? limits.default;
  return Math.max(limits.minimum, Math.min(limits.maximum, seconds));
}

/** The model's; of a song that is changed no more than there is, and all of it if nothing is said. */
export function durationLimits(state) {
  const model = chosenModel(state);
  const limits = model?.limits.duration ?? UNKNOWN_LIMITS;
  const { song } = state.form;
  if (!sings(model) || !song) return limits;
  const maximum = Math.max(
    limits.minimum,
    Math.min(limits.maximum, Math.floor(song.durationSeconds)),
  );
  return { ...limits, maximum, default: maximum };
}

/** What the form has to say for the same once more; what is changed of a song stays open. */
export function formOf({ prompt, model, durationSeconds, seed, controls, song, files }) {
  const styleFile = files?.ref_audio ?? null;
  const lyrics = song?.lyrics ?? "";
  return { prompt, model, durationSeconds, seed, controls, lyrics, styleFile, song: null };
}

/** The settings of the takes to be made. */
export function settingsWanted(state) {
  const { form } = state;
  const model = chosenModel(state);
  const durationSeconds = secondsWanted(state);
  const settings = {
    prompt: form.prompt.trim(),
    model: model.name,
    durationSeconds,
    seed: form.seed,
    controls: form.controls,
  };
  if (!sings(model)) return settings;
  const { styleFile } = form;
  const song = form.song && { ...form.song, ranges: within(form.song.ranges, durationSeconds) };
  const style = styleFile ? { prompt: "", title: `Like ${styleFile.name}` } : {};
  return { ...settings, ...style, ...songSettings({ ...form, song }) };
}
