/** One take of the session: its sound while it is made, what it is, and what can be done with it. */

import { isActive } from "../take.js";
import { briefly, clock, duration, humanise, speed } from "../wording.js";
import { downloadMenu } from "./download_menu.js";
import { button, el, setText } from "./elements.js";
import { icon } from "./icons.js";
import { seekableWave } from "./seekable_wave.js";

const MAX_CHIPS = 8;

/** Gives { element, show(take, …), repaint() }; `actions` are those of main.js. */
export function createTakeCard({ id, number }, actions) {
  const title = el("h3", { class: "take-title" }, `Take ${number}`);
  const status = el("p", { class: "take-status" });
  const chips = el("ul", { class: "facts", "aria-label": "What was understood" });
  const lyrics = el("div", { class: "take-lyrics" });
  const trouble = el("div", { class: "trouble" });
  const toolbar = el("div", { class: "toolbar" });
  const playButton = button({
    class: "play",
    name: "Play",
    press: () => actions.playOrPauseTake(id),
  });
  const seek = (seconds) => actions.seekTake(id, seconds);
  const wave = seekableWave(`Position in take ${number}`, seek, { mirrored: true });
  const body = el("div", { class: "take-wave" }, playButton, wave.element);
  const head = el("header", { class: "take-head" }, title, status);
  const element = el("article", { class: "take" }, head, body, chips, lyrics, trouble, toolbar);

  return {
    element,
    repaint: wave.repaint,
    show(take, isCurrent, playerState, place) {
      element.className = `take is-${take.status}${isCurrent ? " is-current" : ""}`;
      showStatus(status, take);
      showPlayButton(playButton, take, isCurrent && playerState);
      wave.show(take, place);
      body.hidden = take.status === "failed" && !take.madeSeconds;
      fillOnce(chips, take.interpretation, () => chipsOf(take.interpretation));
      fillOnce(lyrics, take.interpretation.lyrics, () => lyricsOf(take, actions));
      fillOnce(trouble, troubleKey(take), () => troubleOf(take, actions));
      fillOnce(toolbar, toolbarKey(take, actions), () => toolbarOf(take, actions));
    },
  };
}

function showStatus(status, take) {
  setText(status, statusText(take));
  const isMaking = take.status === "making";
  if (isMaking) status.setAttribute("aria-valuenow", Math.floor(take.percent));
  if (isMaking === status.hasAttribute("role")) return;
  if (isMaking) {
    status.setAttribute("role", "progressbar");
    status.setAttribute("aria-label", `Progress of take ${take.number}`);
  } else {
    for (const name of ["role", "aria-label", "aria-valuenow"]) status.removeAttribute(name);
  }
}

/** Replaces the children only when `key` has changed. */
function fillOnce(parent, key, children) {
  if (Object.is(parent.filledFor, key)) return;
  parent.filledFor = key;
  parent.replaceChildren(...children());
}

function showPlayButton(playButton, take, playerState) {
  const isOn = playerState === "playing" || playerState === "waiting";
  const name = isOn ? "Pause" : "Play";
  playButton.disabled = take.madeSeconds === 0 && take.status !== "done";
  if (playButton.title === `${name} take ${take.number}`) return;
  playButton.title = `${name} take ${take.number}`;
  playButton.setAttribute("aria-label", playButton.title);
  playButton.replaceChildren(icon(isOn ? "pause" : "play"));
}

function statusText(take) {
  const { status, percent, madeSeconds, durationSeconds } = take;
  switch (status) {
    case "waiting":
      return "Waits for its turn";
    case "queued":
      return queueText(take);
    case "starting":
      return "Starting";
    case "making":
      return [percent < 100 ? `${Math.floor(percent)} %` : "Finishing", ...paceTexts(take)].join(
        " · ",
      );
    case "stopped":
      return madeSeconds
        ? `Stopped at ${clock(madeSeconds)} of ${clock(durationSeconds)}`
        : "Not made";
    case "failed":
      return "Not finished";
    default:
      return doneTexts(take).join(" · ");
  }
}

function queueText({ queuePosition, etaSeconds }) {
  const eta = etaSeconds === null ? "" : `, about ${briefly(etaSeconds)}`;
  return queuePosition === 1
    ? `Next in the queue${eta}`
    : `Number ${queuePosition} in the queue${eta}`;
}

function paceTexts({ firstSoundSeconds, realtimeFactor }) {
  const first =
    firstSoundSeconds === null ? [] : [`first sound after ${briefly(firstSoundSeconds)}`];
  return realtimeFactor ? [...first, speed(realtimeFactor)] : first;
}

function doneTexts(take) {
  return [duration(take.durationSeconds), ...paceTexts(take), `seed ${take.settings.seed}`];
}

function chipsOf({ lyrics, ...interpretation }) {
  return Object.entries(interpretation)
    .filter(
      ([, value]) => value !== null && value !== "" && !(Array.isArray(value) && !value.length),
    )
    .slice(0, MAX_CHIPS)
    .map(([name, value]) => chip(humanise(name), inChip(value)));
}

/** With the times at which they are sung: what was plain has got some. */
function lyricsOf({ id, interpretation: { lyrics } }, actions) {
  if (!lyrics) return [];
  const use = button({ class: "chip", label: "Edit them", press: () => actions.useLyrics(id) });
  const summary = el("summary", {}, el("span", {}, "Lyrics"), icon("chevron"));
  return [el("details", { class: "fold" }, summary, el("pre", {}, lyrics), use)];
}

/** Long ones are cut by the style sheet; the title has them whole. */
function chip(name, text) {
  const title = `${name}: ${text}`;
  return el("li", { class: "fact", title }, el("span", { class: "fact-name" }, name), ` ${text}`);
}

function inChip(value) {
  if (Array.isArray(value)) return value.map(inChip).join(", ");
  if (typeof value === "number") return String(Number(value.toFixed(2)));
  if (typeof value === "string") return humanise(value);
  return typeof value === "object" ? JSON.stringify(value) : String(value);
}

function troubleKey({ problem, warnings, exportProblem, status }) {
  return JSON.stringify([problem, warnings, exportProblem, status === "failed"]);
}

function troubleOf({ id, problem, warnings, exportProblem }, actions) {
  const again = () =>
    button({
      class: "secondary",
      label: "Try again",
      icon: icon("again"),
      press: () => actions.retry(id),
    });
  const refusal = problem && [
    el("strong", {}, problem.title),
    el("span", {}, problem.text),
    problem.canRetry ? again() : null,
  ];
  return [
    ...(refusal ? [el("div", { class: "notice", role: "alert" }, refusal)] : []),
    ...[...warnings, exportProblem]
      .filter(Boolean)
      .map((text) => el("p", { class: "warning" }, text)),
  ];
}

function toolbarKey(take, actions) {
  const { status, favourite, exporting, kept, stemNames } = take;
  return JSON.stringify([status, favourite, exporting, kept, stemNames, canChange(take, actions)]);
}

function toolbarOf(take, actions) {
  const { id, status } = take;
  const reuse = tool("reuse", "Reuse settings", () => actions.reuse(id));
  const again = tool("again", "New seed", () => actions.makeAgain(id));
  if (isActive(take)) return [];
  if (status === "failed") return [reuse];
  if (status === "stopped") return [tool("again", "Start over", () => actions.retry(id)), reuse];
  const change = changeTools(take, actions, { label: "Change parts" });
  return [favouriteButton(take, actions), downloadMenu(take, actions), again, reuse, ...change];
}

function tool(iconName, label, press) {
  return button({ class: "tool", icon: icon(iconName), label, press });
}

/** Whether its model can make parts of it anew; not before the models are known. */
export function canChange(take, actions) {
  return actions.modelOf(take)?.abilities.includes("edited_song") ?? false;
}

export function changeTools(take, actions, { label } = {}) {
  if (!canChange(take, actions)) return [];
  const name = "Change parts of this song";
  const press = () => actions.change(take.id);
  return [button({ class: "tool", icon: icon("change"), label, name, press })];
}

export function favouriteButton({ id, favourite }, actions) {
  return button({
    class: "tool favourite",
    icon: icon("star"),
    name: favourite ? "Remove from favourites" : "Add to favourites",
    "aria-pressed": String(favourite),
    press: () => actions.setFavourite(id, !favourite),
  });
}
