/** The player at the bottom of the page: what is heard now. */

import { isActive, titleOf } from "../take.js";
import { clock } from "../wording.js";
import { button, el, setText } from "./elements.js";
import { icon } from "./icons.js";
import { seekableWave } from "./seekable_wave.js";
import { fillTrack } from "./slider.js";

/** Gives repaint(), for when the colours have changed, and tick(), for each frame of playing. */
export function mountPlayerBar(section, store, actions) {
  const toggle = button({ class: "play", name: "Play", press: actions.playOrPause });
  const title = el("p", { class: "player-title" });
  const note = el("p", { class: "player-note" });
  const time = el("p", { class: "player-time" });
  const wave = seekableWave("Position in the piece", actions.seek);
  const loop = button({
    class: "tool loop",
    icon: icon("loop"),
    name: "Loop",
    press: actions.toggleLoop,
  });
  section.append(
    toggle,
    el("div", { class: "player-text" }, title, note),
    wave.element,
    time,
    el("div", { class: "player-tools" }, loop, volumeField(store, actions.setVolume)),
  );

  const tick = () => {
    const { current, takes } = store.state;
    const take = takes[current];
    if (!take) return;
    const place = actions.place();
    wave.show(take, place);
    setText(time, `${clock(place.position)} / ${clock(take.durationSeconds)}`);
  };

  const show = ({ current, takes, player }) => {
    const take = takes[current];
    const isShown = Boolean(take) && (isActive(take) || take.madeSeconds > 0);
    section.hidden = !isShown;
    document.body.classList.toggle("has-player", isShown);
    if (!isShown) return;
    setText(title, titleOf(take));
    setText(note, noteText(take, player.state));
    showToggle(toggle, player.state);
    loop.setAttribute("aria-pressed", String(player.loop));
    section.dataset.state = player.state;
    tick();
  };
  store.watch((state) => state, show);
  return { repaint: wave.repaint, tick };
}

function showToggle(toggle, state) {
  const isOn = state === "playing" || state === "waiting";
  const name = isOn ? "Pause" : "Play";
  if (toggle.getAttribute("aria-label") === name && toggle.childElementCount) return;
  toggle.setAttribute("aria-label", name);
  toggle.title = `${name} (Space)`;
  toggle.replaceChildren(icon(isOn ? "pause" : "play"));
}

function noteText({ number, status, settings }, state) {
  if (state === "blocked") return "Press play to hear it";
  if (state === "waiting" && status !== "failed") return "Plays as soon as it safely can";
  return status === "done" ? `${settings.model} · seed ${settings.seed}` : `Take ${number}`;
}

function volumeField(store, setVolume) {
  const slider = el("input", {
    type: "range",
    min: 0,
    max: 1,
    step: 0.01,
    "aria-label": "Volume",
    on: { input: () => setVolume(Number(slider.value)) },
  });
  store.watch(
    ({ player }) => player.volume,
    (volume) => {
      slider.value = volume;
      slider.setAttribute("aria-valuetext", `${Math.round(100 * volume)} %`);
      fillTrack(slider);
    },
  );
  return el("div", { class: "volume" }, icon("volume"), slider);
}
