/** Which model: what each can do, and why one cannot run here, with the remedy. */

import { patchForm } from "../store.js";
import { chosenModel } from "../wanted.js";
import { duration, humanise } from "../wording.js";
import { button, el, setText } from "./elements.js";
import { icon } from "./icons.js";

export function modelPicker(store, reload) {
  const current = el("span", { class: "fold-value" });
  const list = el("div", { class: "models", role: "radiogroup", "aria-label": "Model" });
  const problem = el("div", { class: "models-problem" });
  store.watch(chosenModel, (model) => setText(current, model?.name ?? "…"));
  store.watch(
    ({ models }) => models,
    (models) => list.replaceChildren(...sorted(models).map((model) => choice(model, store))),
  );
  store.watch(
    (state) => chosenModel(state)?.name,
    (name) =>
      list.querySelectorAll("input").forEach((radio) => (radio.checked = radio.value === name)),
  );
  store.watch(
    ({ modelsProblem }) => modelsProblem,
    (found) => problem.replaceChildren(...(found ? explained(found, reload) : [])),
  );
  const summary = el("summary", {}, el("span", {}, "Model"), current, icon("chevron"));
  const fold = el("details", { class: "fold model-picker" }, summary, list);
  fold.addEventListener("toggle", () => fold.open && reload());
  return el("div", {}, problem, fold);
}

function sorted(models) {
  const rank = (model) => (model.default ? 0 : model.available ? 1 : 2);
  return [...models].sort((a, b) => rank(a) - rank(b));
}

function choice(model, store) {
  const { name, available } = model;
  const radio = el("input", {
    type: "radio",
    name: "model",
    value: name,
    checked: chosenModel(store.state) === model,
    disabled: !available,
    on: { change: () => patchForm(store, { model: name, controls: {} }) },
  });
  return el(
    "label",
    { class: available ? "model" : "model is-unavailable" },
    radio,
    el(
      "span",
      { class: "model-text" },
      el("span", { class: "model-name" }, name, badge(model)),
      el("span", { class: "model-description" }, model.description),
      el(
        "span",
        { class: "facts" },
        facts(model).map((fact) => el("span", { class: "fact" }, fact)),
      ),
      available ? null : obstacle(model),
    ),
  );
}

function badge({ default: isDefault, available, phase }) {
  const text = !available
    ? "not available"
    : phase === "loading"
      ? "loading"
      : isDefault
        ? "default"
        : "";
  return text ? el("span", { class: "badge" }, text) : null;
}

/** Why a model cannot run here, and what to do about it. */
export function obstacle({ reason, remedy }) {
  return el(
    "span",
    { class: "obstacle" },
    el("span", {}, `Not available: ${reason}.`),
    remedy ? el("code", {}, remedy) : null,
  );
}

function facts({ sample_rate, channels, limits, slots, abilities, licence }) {
  return [
    `${sample_rate / 1000} kHz ${channels === 1 ? "mono" : "stereo"}`,
    `up to ${duration(limits.duration.maximum)}`,
    slots > 1 ? `${slots} at once` : "one at a time",
    ...abilities.map(humanise),
    ...(licence.weights.startsWith("none") ? [] : [`weights: ${licence.weights}`]),
  ];
}

function explained({ title, text }, reload) {
  return [
    el(
      "div",
      { class: "notice", role: "alert" },
      el("strong", {}, title),
      el("span", {}, text),
      button({ class: "secondary", label: "Try again", press: reload }),
    ),
  ];
}
