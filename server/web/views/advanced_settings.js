/** What the chosen model declares that can be set, folded away. */

import { patchForm } from "../store.js";
import { chosenModel } from "../wanted.js";
import { humanise } from "../wording.js";
import { el, setText } from "./elements.js";
import { icon } from "./icons.js";
import { fillTrack } from "./slider.js";

const MAX_SEED = 2 ** 32 - 1;
const NUM_SLIDER_STEPS = 100;
const DIFFUSION = {
  name: "mbd",
  label: "MultiBand Diffusion",
  help: "a slower decoder with a cleaner sound",
};
/** Kind of a control → its field; numbers of both kinds have a slider. */
const FIELDS = { choice: choiceField, switch: switchField };

export function advancedSettings(store) {
  const grid = el("div", { class: "settings" });
  const count = el("span", { class: "fold-value" });
  let fields = []; // { element, show(state) }
  const show = () => fields.forEach((field) => field.show(store.state));

  const modelName = (state) => chosenModel(state)?.name;
  store.watch(modelName, () => {
    fields = fieldsOf(chosenModel(store.state), store);
    grid.replaceChildren(...fields.map(({ element }) => element));
    show();
  });
  store.watch(({ form }) => form, show);
  store.watch(({ wrongField }) => wrongField, show);
  store.watch(
    ({ form }) => Object.keys(form.controls).length + (form.seed === null ? 0 : 1),
    (numSet) => setText(count, numSet ? `${numSet} set` : "as the model likes"),
  );
  const summary = el("summary", {}, el("span", {}, "Settings"), count, icon("chevron"));
  return el("details", { class: "fold" }, summary, grid);
}

function fieldsOf(model, store) {
  const controls = model?.controls ?? [];
  const hasDiffusion = model?.abilities.includes("multiband_diffusion");
  return [
    seedField(store),
    ...controls.map((control) => (FIELDS[control.kind] ?? numberField)(control, store)),
    ...(hasDiffusion ? [switchField(DIFFUSION, store)] : []),
  ];
}

function setControl(store, name, value) {
  const controls = { ...store.state.form.controls, [name]: value };
  if (value === null) delete controls[name];
  patchForm(store, { controls });
}

function numberField(control, store) {
  const { name, kind, minimum, maximum } = control;
  const low = minimum ?? 0;
  const high = maximum ?? Math.max(1, 4 * Number(control.default ?? 1));
  const id = `control-${name}`;
  const output = el("output", { for: id, class: "field-value" });
  const slider = el("input", {
    id,
    type: "range",
    min: low,
    max: high,
    step: kind === "integer" ? 1 : (high - low) / NUM_SLIDER_STEPS,
    "aria-describedby": `${id}-help`,
    on: { input: () => setControl(store, name, Number(slider.value)) },
  });
  const reset = resetButton(humanise(name), () => setControl(store, name, null));
  const show = (value) => {
    const text = value === undefined ? unsetText(control) : short(value);
    slider.value = value ?? control.default ?? (low + high) / 2;
    slider.setAttribute("aria-valuetext", text);
    fillTrack(slider);
    setText(output, text);
    reset.hidden = value === undefined;
  };
  const element = field(id, humanise(name), control.help, slider, output, reset);
  return controlled(name, element, slider, show);
}

function choiceField(control, store) {
  const { name, help, choices } = control;
  const id = `control-${name}`;
  const select = el(
    "select",
    {
      id,
      "aria-describedby": `${id}-help`,
      on: { change: () => setControl(store, name, select.value || null) },
    },
    el("option", { value: "" }, unsetText(control)),
    choices.map((value) => el("option", { value }, humanise(value))),
  );
  const show = (value) => {
    select.value = value ?? "";
  };
  return controlled(name, field(id, humanise(name), help, select), select, show);
}

function switchField({ name, help, label = humanise(name) }, store) {
  const id = `control-${name}`;
  const box = el("input", {
    id,
    type: "checkbox",
    "aria-describedby": `${id}-help`,
    on: { change: () => setControl(store, name, box.checked || null) },
  });
  const show = (value) => {
    box.checked = value ?? false;
  };
  return controlled(name, field(id, label, help, box), box, show);
}

/** A field of `form.controls`: `show` gets the value that is set, or undefined. */
function controlled(name, element, input, show) {
  return {
    element,
    show({ form, wrongField }) {
      show(form.controls[name]);
      element.classList.toggle("is-unset", !(name in form.controls));
      input.setAttribute("aria-invalid", wrongField === name);
    },
  };
}

function seedField(store) {
  const input = el("input", {
    id: "seed",
    type: "number",
    min: 0,
    max: MAX_SEED,
    step: 1,
    placeholder: "a new one each time",
    "aria-describedby": "seed-help",
    on: {
      input: () => {
        const isSeed = input.value !== "" && input.checkValidity();
        patchForm(store, { seed: isSeed ? Number(input.value) : null });
      },
    },
  });
  const help = "the same seed and settings give the same music";
  return {
    element: field("seed", "Seed", help, input),
    show({ form, wrongField }) {
      const isBeingTyped = document.activeElement === input;
      if (!isBeingTyped) input.value = form.seed ?? "";
      input.setAttribute("aria-invalid", wrongField === "seed");
    },
  };
}

function resetButton(name, press) {
  const label = `Reset ${name}`;
  return el(
    "button",
    { type: "button", class: "reset", "aria-label": label, on: { click: press } },
    icon("close"),
  );
}

function field(id, label, help, input, ...extras) {
  return el(
    "div",
    { class: "field" },
    el("div", { class: "field-head" }, el("label", { for: id }, label), ...extras),
    input,
    el("p", { class: "help", id: `${id}-help` }, help),
  );
}

function unsetText({ default: preset }) {
  return preset === null ? "auto" : short(preset);
}

function short(value) {
  return typeof value === "number" ? String(Number(value.toFixed(2))) : humanise(value);
}
