/** The form: what it should sound like, how long, by which model, and Generate ↔ Stop. */

import { EXAMPLES, rollPrompt } from "../prompts.js";
import { patchForm } from "../store.js";
import { sings } from "../songs.js";
import { chosenModel, durationLimits, secondsWanted } from "../wanted.js";
import { duration } from "../wording.js";
import { advancedSettings } from "./advanced_settings.js";
import { button, el, setText } from "./elements.js";
import { icon } from "./icons.js";
import { kindSwitch } from "./kind_switch.js";
import { modelPicker } from "./model_picker.js";
import { fillTrack } from "./slider.js";
import { songFields } from "./song_fields.js";

const MAX_TAKES = 4;

/** `actions`: { generate, stop, reloadModels }. */
export function mountComposer(form, store, actions) {
  const prompt = promptField(store);
  form.append(
    kindSwitch(store),
    el("label", { class: "composer-title", for: "prompt" }, "What should it sound like?"),
    prompt,
    ideas(store, prompt),
    songFields(store),
    el(
      "div",
      { class: "composer-row" },
      durationField(store),
      takesField(store),
      el("div", { class: "composer-go" }, goButton(store)),
    ),
    el(
      "div",
      { class: "composer-folds" },
      modelPicker(store, actions.reloadModels),
      advancedSettings(store),
    ),
  );
  store.watch(
    ({ wrongField }) => wrongField,
    (field) => field && unfold(form.querySelector("[aria-invalid=true]")),
  );
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    if (store.state.generating) actions.stop();
    else submit(store, prompt, actions.generate);
  });
}

function submit(store, prompt, generate) {
  const { prompt: words, styleFile, song } = store.state.form;
  const model = chosenModel(store.state);
  const isSong = sings(model);
  if (!words.trim() && !(isSong && styleFile)) return prompt.focus();
  if (!model?.available) return unfold(document.querySelector(".model-picker input"));
  if (isSong && song?.ranges.length === 0) return prompt.form.querySelector(".add-range").focus();
  generate();
}

/** Shows the field that needs attention, also where it was folded away. */
function unfold(input) {
  const fold = input?.closest("details");
  if (fold) fold.open = true;
  input?.focus();
}

function promptField(store) {
  const area = el("textarea", {
    id: "prompt",
    class: "prompt",
    rows: 2,
    placeholder: "Lofi with rain on the window…",
    "aria-describedby": "prompt-hint",
    on: {
      input: () => patchForm(store, { prompt: area.value }),
      keydown: (event) => {
        if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
        event.preventDefault();
        if (!store.state.generating) area.form.requestSubmit();
      },
    },
  });
  store.watch(
    ({ form }) => form.prompt,
    (prompt) => {
      if (area.value !== prompt) area.value = prompt;
    },
  );
  store.watch(
    (state) => sings(chosenModel(state)) && state.form.styleFile !== null,
    (isInSound) => {
      area.disabled = isInSound;
    },
  );
  store.watch(
    ({ wrongField }) => wrongField,
    (field) => area.setAttribute("aria-invalid", field === "description"),
  );
  return area;
}

function ideas(store, prompt) {
  const propose = (text) => {
    patchForm(store, { prompt: text });
    prompt.focus();
  };
  const chips = EXAMPLES.map((text) =>
    el("button", { type: "button", class: "chip", on: { click: () => propose(text) } }, text),
  );
  const dice = button({
    class: "chip chip-dice",
    icon: icon("dice"),
    label: "Surprise me",
    press: () => propose(rollPrompt()),
  });
  const hint = el("p", { id: "prompt-hint", class: "visually-hidden" }, "Enter makes the music.");
  return el("div", { class: "ideas", role: "group", "aria-label": "Ideas" }, dice, chips, hint);
}

function durationField(store) {
  const output = el("output", { class: "field-value", for: "duration" });
  const slider = el("input", {
    id: "duration",
    type: "range",
    on: { input: () => patchForm(store, { durationSeconds: Number(slider.value) }) },
  });
  const show = () => {
    const { minimum, maximum } = durationLimits(store.state);
    const seconds = secondsWanted(store.state);
    Object.assign(slider, { min: minimum, max: maximum });
    slider.value = seconds; // after its limits, which would change it
    slider.setAttribute("aria-valuetext", duration(seconds));
    fillTrack(slider);
    setText(output, duration(seconds));
  };
  store.watch(chosenModel, show);
  store.watch(({ form }) => form.durationSeconds, show);
  store.watch(({ form }) => form.song?.file, show);
  store.watch(
    ({ wrongField }) => wrongField,
    (field) => slider.setAttribute("aria-invalid", field === "duration"),
  );
  const label = el("label", { for: "duration" }, "Duration");
  return el("div", { class: "field" }, el("div", { class: "field-head" }, label, output), slider);
}

function takesField(store) {
  const choices = Array.from({ length: MAX_TAKES }, (_, index) => index + 1);
  const radio = (count) =>
    el(
      "label",
      { class: "segment" },
      el("input", {
        type: "radio",
        name: "takes",
        value: count,
        checked: count === store.state.form.numTakes,
        on: { change: () => patchForm(store, { numTakes: count }) },
      }),
      el("span", {}, String(count)),
    );
  return el(
    "fieldset",
    { class: "field takes-field" },
    el("legend", { class: "field-head" }, "Takes"),
    el("div", { class: "segments" }, choices.map(radio)),
  );
}

function goButton(store) {
  const label = el("span");
  const go = el("button", { type: "submit", class: "primary", id: "generate" }, label);
  store.watch(
    ({ generating }) => generating,
    (generating) => {
      go.classList.toggle("is-stop", generating);
      go.replaceChildren(icon(generating ? "stop" : "play"), label);
      setText(label, generating ? "Stop" : "Generate");
    },
  );
  return go;
}
